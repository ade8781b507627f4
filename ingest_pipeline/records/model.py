"""ObjectRef, Report, Asset, Rendition, Preview, ...: what is known of an object, one row each.

Row identity is bucket + key + version; every write of a row is idempotent.
"""

from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from ingest_pipeline.media.model import (
    Kind,
    Label,
    Probe,
    Reason,
    Spoken,
    Verdict,
)
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    pass
from ingest_pipeline.values import FIRST_DAY, Timestamp, object_uri

__all__ = [
    "FIRST_DAY",
    "POSTED",
    "ArrivalDay",
    "Asset",
    "ImageLabels",
    "JobEnd",
    "ObjectRef",
    "Outcome",
    "PhotoStatus",
    "Post",
    "Preview",
    "Receipt",
    "ReceiptBatch",
    "Rendition",
    "Report",
    "Timestamp",
    "TranscodeJob",
    "Transcript",
    "UnfinishedDay",
    "Verdict",
    "VideoResponse",
    "object_uri",
]

POSTED = "posted"  # the version of an index row that a client announced: no object was looked at


class Outcome(StrEnum):
    """What became of a version of an object."""

    PENDING = "pending"  # judged, not yet acted on: a run is at work, or died and will be repeated
    INDEXED = "indexed"  # valid and in `assets`
    REJECTED = "rejected"  # invalid; deleted or quarantined, recoverably
    KEPT = "kept"  # left alone: not probed yet, archived, of a source that keeps, or restored
    SUPERSEDED = "superseded"  # a newer version stands at its key
    DELETING = "deleting"  # a client asked for its deletion, which a run is to carry out
    DELETED = "deleted"  # removed on request or by its owner
    FAILED = "failed"  # could not be read so far; its message comes again


class ObjectRef(Frozen):
    """An object as an event or a listing names it: a hint, until S3 itself has been asked."""

    bucket: str
    key: str
    version: str | None = None  # versionId; unknown from listings and unversioned buckets
    etag: str | None = None  # without quotes
    size: int | None = None  # bytes
    sequencer: str | None = None  # orders the events of one key
    arrived: Timestamp  # the event's time, or LastModified in a listing

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return object_uri(self.bucket, self.key)

    @property
    def row_version(self) -> str:
        """The version under which a report of this object stands."""
        return self.version or self.etag or "unknown"

    @property
    def is_folder(self) -> bool:
        """Whether it only marks a folder, as S3's own console makes them."""
        return self.size == 0 and self.key.endswith("/")

    @property
    def is_name_alone(self) -> bool:
        """Whether neither an event nor a listing told of it, but somebody who knows its key."""
        return self.version is None and self.etag is None and self.sequencer is None

    @property
    def day(self) -> str:
        """The partition: the day of arrival in UTC, `YYYY-MM-DD`."""
        return self.arrived.astimezone(UTC).strftime("%Y-%m-%d")


class Report(Frozen):
    """What is known of one version of an object, and what became of it."""

    bucket: str = Field(description="the object's bucket")
    key: str = Field(description="the object's key, as it is")
    version: str = Field(description='versionId, else eTag, else "unknown"')
    day: str = Field(description="partition of arrival")
    etag: str | None = Field(None, description="the content's ETag, without quotes")
    size: int | None = Field(None, description="bytes")
    last_modified: Timestamp | None = Field(None, description="when S3 took it")
    sequencer: str | None = Field(
        None, description="of the event that told of it: orders the versions of one second"
    )
    probe: Probe | None = Field(None, description="None: never read")
    verdict: Verdict = Field(description="what the rules say")
    reasons: tuple[Reason, ...] = Field(
        (), description="every broken rule, or why there is no verdict"
    )
    outcome: Outcome = Field(description="what became of it")
    bytes_read: int = Field(0, description="bytes that the probe read")
    calls: int = Field(0, description="AWS calls that the probe took")
    judged_at: Timestamp = Field(
        description="when S3 was asked: the moment that the report holds for"
    )
    deleted_at: Timestamp | None = Field(None, description="when it was taken out of its bucket")
    restored_at: Timestamp | None = Field(
        None, description="a person brought it back: left alone from then on"
    )
    run_id: str | None = Field(None, description="the Dagster run that judged it")

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return object_uri(self.bucket, self.key)

    @property
    def ref(self) -> ObjectRef:
        """The version that this is of."""
        return ObjectRef(
            bucket=self.bucket,
            key=self.key,
            version=self.version,
            etag=self.etag,
            size=self.size,
            sequencer=self.sequencer,
            arrived=self.last_modified or self.judged_at,
        )

    @property
    def why(self) -> str:
        """Every reason, in one line."""
        return "; ".join(map(str, self.reasons))

    @property
    def version_id(self) -> str | None:
        """What S3 calls the version; None in an unversioned bucket."""
        return self.version if self.version != self.etag else None

    def becomes(self, outcome: Outcome, **changes: object) -> Self:
        """The same report with another outcome."""
        return self.model_copy(update={"outcome": outcome, **changes})


class Asset(Frozen):
    """A row of `assets`: the newest valid version of a key, or the tombstone of a deleted one."""

    bucket: str = Field(description="the object's bucket")
    file: str = Field(description="the key")
    version: str = Field(description="versionId, else eTag, else `posted`")
    day: str = Field(description="partition of arrival")
    last_modified: Timestamp = Field(description="when S3 took it")
    judged_at: Timestamp = Field(description="when S3 was asked; the latest look wins")
    channel_count: int | None = Field(None, description="of a recording")
    frame_count: int | None = Field(None, description="of a recording")
    sample_rate: int | None = Field(None, description="of a recording, in Hz")
    bits_per_sample: int | None = Field(None, description="of a recording")
    duration: str | None = Field(None, description="of a recording, in seconds: frames over rate")
    deleted_at: Timestamp | None = Field(None, description="set: a tombstone")
    replaces: str | None = Field(None, description="the version whose place this one took")

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return object_uri(self.bucket, self.file)

    @property
    def is_new(self) -> bool:
        """Whether this is of another version than the one whose place it took."""
        return self.replaces not in {None, self.version}

    @property
    def is_deleted(self) -> bool:
        """Whether this is a tombstone."""
        return self.deleted_at is not None


class Receipt(Frozen):
    """An SQS message in flight, and the objects whose outcomes it waits for."""

    message_id: str
    handle: str  # receipt handle: what deletes the message
    objects: tuple[ObjectRef, ...]
    receive_count: int = 1  # how often it has been delivered, this time included
    # Of the API, that asked for it; told to the run by a tag, and not by the row.
    request: str | None = Field(None, exclude=True)


class ReceiptBatch(Frozen):
    """A row of `ingest_receipts`: the messages that one run answers for, or a part of them."""

    batch: str  # the run's batch; of further parts with "/1", "/2" and so on behind it
    created_at: Timestamp
    receipts: tuple[Receipt, ...]
    parts: int = 1  # rows of the batch in all; told by the first


class Rendition(Frozen):
    """A row of `renditions`: what a preset made of one version of a video."""

    bucket: str = Field(description="of the video")
    key: str = Field(description="the video's key")
    version: str = Field(description="the video's version")
    preset: str = Field(description="which preset made it")
    day: str = Field(description="partition of the video's arrival")
    rendition_bucket: str = Field(description="where it lies")
    rendition_key: str = Field(description="where it lies there")
    content_type: str = Field(description="of the rendition")
    poster_key: str | None = Field(
        None, description="in the rendition's bucket, as the thumbnails are"
    )
    thumbnail_keys: tuple[str, ...] = Field((), description="in the order of time")
    files: tuple[str, ...] = Field(
        (), description="of a ladder: the names of all files in the folder of its rendition_key"
    )
    size: int = Field(description="bytes; of all files")
    duration_seconds: float = Field(description="its length")
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    bit_rate: int = Field(description="bits per second")
    video_codec: str | None = Field(None, description="ffmpeg's name: h264, vp9, ...")
    audio_codec: str | None = Field(None, description="by the same names")
    engine: str = Field(description="what transcoded it")
    seconds_taken: float = Field(description="of wall time")
    checks: tuple[str, ...] = Field((), description="what was found right of it")
    remuxed: bool = Field(
        default=False, description="its tracks are the video's own, not encoded again"
    )
    warnings: tuple[str, ...] = Field((), description="what is not as good as it might be")
    made_at: Timestamp = Field(description="when")
    run_id: str | None = Field(None, description="the Dagster run that made it")

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the video."""
        return object_uri(self.bucket, self.key)

    @property
    def is_ladder(self) -> bool:
        """Whether it has several files, of which `rendition_key` is the playlist."""
        return bool(self.files)

    @property
    def file_keys(self) -> tuple[str, ...]:
        """Where the video lies: one key, or those of all files of a ladder."""
        folder = self.rendition_key.rpartition("/")[0]
        return tuple(f"{folder}/{name}" for name in self.files) or (self.rendition_key,)


class JobEnd(Frozen):
    """How a service's job ended."""

    status: Literal["COMPLETE", "ERROR", "CANCELED"]
    code: int | None = None  # of the error
    message: str | None = None


class TranscodeJob(Frozen):
    """A row of `transcode_jobs`: a rendition that a service is making; none once it is made."""

    bucket: str  # of the video
    key: str
    version: str
    preset: str
    arrived: Timestamp  # the video, so that the end is answered in its partition
    token: str  # of the request: names the job before the service has named it
    attempt: int = 1
    job_id: str | None = None  # the service's name; None: asked for, not known to be taken
    submitted_at: Timestamp
    end: JobEnd | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the video."""
        return object_uri(self.bucket, self.key)


class Preview(Frozen):
    """A row of `previews`: the small picture of one version of an object, or why there is none."""

    bucket: str = Field(description="of the object")
    key: str = Field(description="the object's key")
    version: str = Field(description="the object's version")
    day: str = Field(description="partition of the object's arrival")
    kind: Kind = Field(description="of the object")
    preview_bucket: str = Field(description="where the pictures lie")
    preview_key: str | None = Field(None, description="waveform, poster or thumbnail")
    strip_key: str | None = Field(None, description="of a video: some frames in a row")
    content_type: str | None = Field(None, description="of both pictures")
    width: int | None = Field(None, description="pixels")
    height: int | None = Field(None, description="pixels")
    size: int | None = Field(None, description="bytes")
    reason: Reason | None = Field(None, description="why there is no picture")
    made_at: Timestamp = Field(description="when")
    run_id: str | None = Field(None, description="the Dagster run that made it")

    @property
    def has_picture(self) -> bool:
        """Whether there is one."""
        return self.preview_key is not None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the object."""
        return object_uri(self.bucket, self.key)


class ImageLabels(Frozen):
    """A row of `image_labels`: what a model sees on one version of an image, or why nothing."""

    bucket: str = Field(description="the image's bucket")
    key: str = Field(description="the image's key")
    version: str = Field(description="the image's version")
    day: str = Field(description="partition of the image's arrival")
    model: str = Field(description="which, with its settings: another one makes another row")
    model_checksum: str | None = Field(None, description="of its weights, where they are known")
    max_labels: int = Field(description="how many were wanted at most")
    min_confidence: float = Field(description="percent")
    labels: tuple[Label, ...] = Field((), description="what is seen, the surest first")
    top: tuple[Label, ...] = Field((), description="what the model says before any threshold")
    reason: Reason | None = Field(None, description="why it was not labelled")
    made_at: Timestamp = Field(description="when")
    run_id: str | None = Field(None, description="the Dagster run that made it")

    @property
    def has_labels(self) -> bool:
        """Whether something is seen."""
        return bool(self.labels)

    @property
    def has_reason(self) -> bool:
        """Whether it was not labelled."""
        return self.reason is not None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the image."""
        return object_uri(self.bucket, self.key)


class Transcript(Frozen):
    """A row of `transcripts`: what is said in one version of a recording, or why there is none."""

    bucket: str = Field(description="the recording's bucket")
    key: str = Field(description="the recording's key")
    version: str = Field(description="the recording's version")
    day: str = Field(description="partition of the recording's arrival")
    model: str = Field(description="which, with its settings: another one makes another row")
    model_checksum: str | None = Field(None, description="of its weights, where they are known")
    text: str = Field("", description="all that is said, a segment a line")
    segments: tuple[Spoken, ...] = Field((), description="with times in seconds and confidence")
    language: str | None = Field(None, description="as ISO 639-1 has it")
    audio_seconds: float | None = Field(None, description="of the recording")
    work_seconds: float = Field(0.0, description="that the transcriber took")
    reason: Reason | None = Field(None, description="why there is no text")
    made_at: Timestamp = Field(description="when")
    run_id: str | None = Field(None, description="the Dagster run that made it")

    @property
    def has_text(self) -> bool:
        """Whether something was understood."""
        return bool(self.segments)

    @property
    def line(self) -> str:
        """All that is said, in one line; nothing where nothing was understood."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the recording."""
        return object_uri(self.bucket, self.key)


class PhotoStatus(StrEnum):
    """What is known of the photo of a post that was uploaded last."""

    AWAITING = "awaiting"  # none has come, or none has its outcome yet
    VALID = "valid"  # it is shown
    REFUSED = "refused"  # it breaks a rule, or is nothing that can be shown


class Post(Frozen):
    """A row of `posts`; the attributes are the ones that the photo clients know.

    The valid photo uploaded last and the refused one are told apart, each with two moments that say
    which of two is later: when S3 took it, in whole seconds, and when it was looked at. So they may
    be told in any order, and neither takes a write of the other's.
    """

    user: str  # `USER#<user>`
    id: str  # `POST#<uuid4>`
    title: str
    body: str = ""  # a row without one must not keep everybody from their posts
    image: str | None = None  # S3 key in the bucket of photos
    image_type: str | None = None  # `image/jpeg`, by its content
    image_version: str | None = None
    image_at: Timestamp | None = None  # when it was uploaded; the latest wins
    image_seen_at: Timestamp | None = None  # of one second the one that was looked at last
    labels: tuple[str, ...] = ()
    labels_of: str | None = None  # the image's version that they are of
    refused: str | None = None  # S3 key of a photo that is not shown
    refused_at: Timestamp | None = None
    refused_seen_at: Timestamp | None = None
    reason: str | None = None  # why it is not

    @property
    def status(self) -> PhotoStatus:
        """Of the photo that was uploaded last."""
        if self._is_refused:
            return PhotoStatus.REFUSED
        return PhotoStatus.VALID if self.image else PhotoStatus.AWAITING

    @property
    def shown_image(self) -> str | None:
        """The key of the image to show: not one whose place a refused photo took."""
        return None if self._is_refused and self.refused == self.image else self.image

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """What is seen on the image, not on the one before it."""
        return self.labels if self.labels_of == self.image_version else ()

    @property
    def _is_refused(self) -> bool:
        if self.refused_at is None:
            return False
        refused = (self.refused_at, self.refused_seen_at or self.refused_at)
        return self.image_at is None or refused > (
            self.image_at,
            self.image_seen_at or self.image_at,
        )


class ArrivalDay(Frozen):
    """A row of `arrival_days`: something arrived on this day."""

    listing: str = "all"
    day: str  # `YYYY-MM-DD`


class UnfinishedDay(Frozen):
    """A row of `arrival_days`: all that arrived on this day is being ingested again."""

    listing: str = "unfinished"  # apart from the days themselves, which every run writes anew
    day: str  # `YYYY-MM-DD`
    began_at: Timestamp  # what was judged since is done
    rules: str  # by which: where they are others, the day begins anew


def _text_or_none(found: object) -> str | None:
    """A number as its text; anything else that is no text says nothing."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else None


class VideoResponse(Frozen):
    """A row of `responses`: the video with which a person answers a step of a project.

    The fields are named as the table's attributes. Older systems share the table and write what
    they like beside its keys: nothing there may make a row unreadable.
    """

    ProjectStep: str  # `<project>-<step>`
    Mail: str
    # S3 key in the bucket of uploads; the object may not have come yet. None: the row names none.
    video: Annotated[str | None, BeforeValidator(_text_or_none)] = None


_UNSETTLED = {Outcome.PENDING, Outcome.FAILED}


def is_settled(report: Report) -> bool:
    """Whether an outcome is final: its message may go."""
    return report.outcome not in _UNSETTLED

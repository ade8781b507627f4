"""ObjectRef, Report, Asset, Rendition, Preview, ...: what is known of an object, one row each.

Row identity is bucket + key + version; every write of a row is idempotent.
"""

from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

from ingest_pipeline.media.model import (
    Kind,
    Label,
    Probe,
    Reason,
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
    "Post",
    "Preview",
    "Receipt",
    "ReceiptBatch",
    "Rendition",
    "Report",
    "Timestamp",
    "TranscodeJob",
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
    KEPT = "kept"  # left alone: a kind not probed yet, a source that keeps, a restored object
    SUPERSEDED = "superseded"  # a newer version stands at its key
    DELETED = "deleted"  # removed by an order or by its owner
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
    def day(self) -> str:
        """The partition: the day of arrival in UTC, `YYYY-MM-DD`."""
        return self.arrived.astimezone(UTC).strftime("%Y-%m-%d")


class Report(Frozen):
    """What is known of one version of an object, and what became of it."""

    bucket: str
    key: str
    version: str  # versionId, else eTag, else "unknown"
    day: str  # partition of arrival
    etag: str | None = None
    size: int | None = None
    last_modified: Timestamp | None = None
    probe: Probe | None = None  # None: never read
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    outcome: Outcome
    bytes_read: int = 0
    calls: int = 0  # AWS calls that the probe took
    judged_at: Timestamp  # when S3 was asked: the moment that the report holds for
    deleted_at: Timestamp | None = None
    restored_at: Timestamp | None = None  # a person brought it back: left alone from then on
    run_id: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return object_uri(self.bucket, self.key)

    @property
    def version_id(self) -> str | None:
        """What S3 calls the version; None in an unversioned bucket."""
        return self.version if self.version != self.etag else None

    def becomes(self, outcome: Outcome, **changes: object) -> Self:
        """The same report with another outcome."""
        return self.model_copy(update={"outcome": outcome, **changes})


class Asset(Frozen):
    """A row of `assets`: the newest valid version of a key, or the tombstone of a deleted one."""

    bucket: str
    file: str  # the key
    version: str
    day: str  # partition of arrival
    last_modified: Timestamp
    judged_at: Timestamp  # when S3 was asked; the latest look wins
    channel_count: int | None = None
    frame_count: int | None = None
    sample_rate: int | None = None
    bits_per_sample: int | None = None
    duration: str | None = None
    deleted_at: Timestamp | None = None  # set: a tombstone


class Receipt(Frozen):
    """An SQS message in flight, and the objects whose outcomes it waits for."""

    message_id: str
    handle: str  # receipt handle: what deletes the message
    objects: tuple[ObjectRef, ...]
    receive_count: int = 1  # how often it has been delivered, this time included


class ReceiptBatch(Frozen):
    """A row of `ingest_receipts`: the messages that one run answers for, or a part of them."""

    batch: str  # the run's batch; of further parts with "/1", "/2" and so on behind it
    created_at: Timestamp
    receipts: tuple[Receipt, ...]
    parts: int = 1  # rows of the batch in all; told by the first


class Rendition(Frozen):
    """A row of `renditions`: what a preset made of one version of a video."""

    bucket: str  # of the video
    key: str
    version: str
    preset: str
    day: str  # partition of the video's arrival
    rendition_bucket: str
    rendition_key: str
    content_type: str  # of the rendition
    poster_key: str | None = None  # in the rendition's bucket, as the thumbnails are
    thumbnail_keys: tuple[str, ...] = ()
    size: int  # bytes
    duration_seconds: float
    width: int  # pixels
    height: int
    bit_rate: int  # bits per second
    video_codec: str | None = None  # ffmpeg's names: "h264", "vp9", ...
    audio_codec: str | None = None
    engine: str  # what transcoded it
    seconds_taken: float
    checks: tuple[str, ...] = ()  # what was found right of it
    made_at: Timestamp
    run_id: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the video."""
        return object_uri(self.bucket, self.key)


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

    bucket: str  # of the object
    key: str
    version: str
    day: str  # partition of the object's arrival
    kind: Kind
    preview_bucket: str
    preview_key: str | None = None  # waveform, poster or thumbnail
    strip_key: str | None = None  # of a video: some frames in a row
    content_type: str | None = None  # of both pictures
    width: int | None = None  # pixels
    height: int | None = None
    size: int | None = None  # bytes
    reason: Reason | None = None  # why there is no picture
    made_at: Timestamp
    run_id: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the object."""
        return object_uri(self.bucket, self.key)


class ImageLabels(Frozen):
    """A row of `image_labels`: what a model sees on one version of an image, or why nothing."""

    bucket: str
    key: str
    version: str
    day: str  # partition of the image's arrival
    model: str  # which, with its settings: another one makes another row
    model_checksum: str | None = None  # of its weights, where they are known
    max_labels: int
    min_confidence: float  # percent
    labels: tuple[Label, ...] = ()
    top: tuple[Label, ...] = ()  # what the model says before any threshold
    reason: Reason | None = None  # why it was not labelled
    made_at: Timestamp
    run_id: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the image."""
        return object_uri(self.bucket, self.key)


class Post(Frozen):
    """A row of `posts`; the attributes are the ones that the photo clients know."""

    user: str  # `USER#<user>`
    id: str  # `POST#<uuid4>`
    title: str
    body: str
    image: str | None = None  # S3 key in the bucket of photos
    image_type: str | None = None  # `image/jpeg`, by its content
    image_at: Timestamp | None = None  # when it was uploaded; the latest wins
    labels: tuple[str, ...] = ()


class ArrivalDay(Frozen):
    """A row of `arrival_days`: something arrived on this day."""

    listing: str = "all"
    day: str  # `YYYY-MM-DD`


class VideoResponse(Frozen):
    """A row of `responses`: the video with which a person answers a step of a project.

    The fields are named as the table's attributes, which older systems share.
    """

    ProjectStep: str  # `<project>-<step>`
    Mail: str
    video: str  # S3 key in the bucket of uploads; the object may not have come yet


_UNSETTLED = {Outcome.PENDING, Outcome.FAILED}


def is_settled(report: Report) -> bool:
    """Whether an outcome is final: its message may go."""
    return report.outcome not in _UNSETTLED


def ref_of(report: Report) -> ObjectRef:
    """The version that a report is of."""
    return ObjectRef(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        etag=report.etag,
        size=report.size,
        arrived=report.last_modified or report.judged_at,
    )

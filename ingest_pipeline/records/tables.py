"""The tables: which row type each holds, under which key, and which write wins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from ingest_pipeline.records.model import (
    ArrivalDay,
    Asset,
    ImageLabels,
    Outcome,
    Post,
    Preview,
    ReceiptBatch,
    Rendition,
    Report,
    TranscodeJob,
    Transcript,
    UnfinishedDay,
    VideoResponse,
)
from ingest_pipeline.values import Frozen

Row = TypeVar("Row", bound=Frozen)
_RECEIPTS_KEPT = timedelta(days=5)  # a day longer than SQS keeps the messages themselves
_JOBS_KEPT = timedelta(days=90)  # as the service keeps them; of a video deleted meanwhile
_TOMBSTONES_KEPT = timedelta(days=90)  # far longer than an event can be late: 4 + 14 days


@dataclass(frozen=True)
class Index:
    """A table's index and its partition attribute; `name=None` is the table itself."""

    name: str | None
    attribute: str


BY_DAY = Index("by_day", "day")  # of arrival: how a partition's rows are found
REPORTS_BY_OBJECT = Index(None, "object")
REJECTIONS = Index("rejections", "rejected_bucket")
ASSETS_BY_BUCKET = Index(None, "bucket")
RENDITIONS_BY_OBJECT = Index(None, "object")
PREVIEWS_BY_OBJECT = Index(None, "object")
TRANSCODE_JOBS_BY_OBJECT = Index(None, "object")
IMAGE_LABELS_BY_OBJECT = Index(None, "object")
TRANSCRIPTS_BY_OBJECT = Index(None, "object")
POSTS_BY_USER = Index(None, "user")
ARRIVAL_DAYS = Index(None, "listing")
RESPONSES_BY_MAIL = Index("by_mail", "Mail")
MOST_WORDS = 50_000  # characters of a transcript that are searched; an hour has as many


@dataclass(frozen=True)
class Condition:
    """A DynamoDB condition expression with its names and plain values."""

    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def _no_attributes(_row: Any) -> dict[str, Any]:  # noqa: ANN401 - fits every row type
    return {}


def _unconditional(_row: Any) -> None:  # noqa: ANN401 - fits every row type
    return None


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A DynamoDB table of rows of one type.

    `key` gives a row's primary key, `index` what its indexes and TTL need beside the row's own
    fields. A row with a `condition` that the stored row does not meet is passed over: the stored
    row wins.
    """

    name: str
    row_type: type[Row]
    key: Callable[[Row], dict[str, str]]
    index: Callable[[Row], dict[str, Any]] = _no_attributes
    condition: Callable[[Row], Condition | None] = _unconditional


def report_key(uri: str, version: str) -> dict[str, str]:
    """The primary key of a report."""
    return {"object": uri, "version": version}


def rendition_key(uri: str, version: str, preset: str) -> dict[str, str]:
    """The primary key of a rendition."""
    return {"object": uri, "version_preset": f"{version}#{preset}"}


def _keeps_its_end(job: TranscodeJob) -> Condition | None:
    """A job may have ended before its submitter wrote down what the service calls it."""
    if job.end is not None:
        return None
    return Condition(
        "attribute_not_exists(#end) OR #token <> :token",
        names={"#end": "end", "#token": "token"},
        values={":token": job.token},
    )


def image_labels_key(uri: str, version: str, model: str) -> dict[str, str]:
    """The primary key of an image's labels."""
    return {"object": uri, "version_model": f"{version}#{model}"}


def transcript_key(uri: str, version: str, model: str) -> dict[str, str]:
    """The primary key of a recording's transcript."""
    return {"object": uri, "version_model": f"{version}#{model}"}


def _report_index(report: Report) -> dict[str, Any]:
    """What reports are found by.

    Only rejections carry `rejected_bucket`, so the index `rejections` holds nothing else.
    """
    found_by = {"name": report.key.casefold()}
    if report.outcome is Outcome.REJECTED:
        found_by["rejected_bucket"] = report.bucket
    return found_by


def _label_index(labels: ImageLabels) -> dict[str, Any]:
    """Every word for what is seen, in one text: DynamoDB looks for text in a text only."""
    words = {word for label in labels.labels for word in (label.name, *label.parents)}
    return {"words": "\n".join(sorted(words)).casefold()}


def _transcript_index(transcript: Transcript) -> dict[str, Any]:
    """What is said, in lower case, for a search of a part of it."""
    return {"words": transcript.line.casefold()[:MOST_WORDS]}


def _says_more(report: Report) -> Condition | None:
    """A version that was not read (gone, replaced, failed) never hides what was read of it.

    Nor is a deletion that was carried out asked for again.
    """
    if report.outcome is Outcome.DELETING:
        return Condition(
            "attribute_not_exists(outcome) OR outcome <> :deleted",
            values={":deleted": Outcome.DELETED.value},
        )
    if report.probe is not None:
        return None
    return Condition(
        "attribute_not_exists(#probe) OR outcome IN (:failed, :pending)",
        names={"#probe": "probe"},
        values={":failed": Outcome.FAILED.value, ":pending": Outcome.PENDING.value},
    )


def _latest_look(asset: Asset) -> Condition:
    """Whoever looked at the key last knows best: S3's reads are strongly consistent.

    A run that saw an object before it was deleted or overwritten, and writes after, is refused;
    a tombstone gives way to an object that was seen standing after the deletion.
    """
    return Condition(
        "attribute_not_exists(#file) OR judged_at <= :judged_at",
        names={"#file": "file"},
        values={":judged_at": asset.model_dump(mode="json")["judged_at"]},
    )


def _asset_expiry(asset: Asset) -> dict[str, Any]:
    if asset.deleted_at is None:
        return {}
    return {"expires_at": int((asset.deleted_at + _TOMBSTONES_KEPT).timestamp())}


REPORTS = Table(
    "probe_reports",
    Report,
    key=lambda report: report_key(report.uri, report.version),
    index=_report_index,
    condition=_says_more,
)
ASSETS = Table(
    "assets",
    Asset,
    key=lambda asset: {"bucket": asset.bucket, "file": asset.file},
    index=_asset_expiry,
    condition=_latest_look,
)
RECEIPTS = Table(
    "ingest_receipts",
    ReceiptBatch,
    key=lambda batch: {"batch": batch.batch},
    index=lambda batch: {"expires_at": int((batch.created_at + _RECEIPTS_KEPT).timestamp())},
)
RENDITIONS = Table(
    "renditions",
    Rendition,
    key=lambda rendition: rendition_key(rendition.uri, rendition.version, rendition.preset),
)
RESPONSES = Table(
    "responses",
    VideoResponse,
    key=lambda response: {"ProjectStep": response.ProjectStep, "Mail": response.Mail},
)
TRANSCODE_JOBS = Table(
    "transcode_jobs",
    TranscodeJob,
    key=lambda job: rendition_key(job.uri, job.version, job.preset),
    index=lambda job: {"expires_at": int((job.submitted_at + _JOBS_KEPT).timestamp())},
    condition=_keeps_its_end,
)
PREVIEWS = Table(
    "previews",
    Preview,
    key=lambda preview: report_key(preview.uri, preview.version),
)
IMAGE_LABELS = Table(
    "image_labels",
    ImageLabels,
    key=lambda labels: image_labels_key(labels.uri, labels.version, labels.model),
    index=_label_index,
)
TRANSCRIPTS = Table(
    "transcripts",
    Transcript,
    key=lambda each: transcript_key(each.uri, each.version, each.model),
    index=_transcript_index,
)
POSTS = Table("posts", Post, key=lambda post: {"user": post.user, "id": post.id})
DAYS = Table("arrival_days", ArrivalDay, key=lambda day: {"listing": day.listing, "day": day.day})
UNFINISHED_DAYS = Table(
    DAYS.name, UnfinishedDay, key=lambda day: {"listing": day.listing, "day": day.day}
)

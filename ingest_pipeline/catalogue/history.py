"""The whole story of a key: every version that was met there, and what became of each."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue

from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectState,
    object_state,
)
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import (
    Kind,
    Quality,
    Reason,
)
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    Transcript,
    Verdict,
)
from ingest_pipeline.records.order import newest_first
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
    REPORTS_BY_OBJECT,
    TRANSCRIPTS,
    TRANSCRIPTS_BY_OBJECT,
)
from ingest_pipeline.values import (
    Frozen,
    Timestamp,
    object_uri,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WAITING: Literal["waiting"] = "waiting"  # it stands in the bucket, no run has answered for it yet
UNKNOWN: Literal["unknown"] = "unknown"  # nothing on record, and nothing in the bucket


class Findings(Frozen):
    """What is known of the content of a version; None where the file or S3 did not tell."""

    channel_count: int | None = None
    frame_count: int | None = None
    sample_rate: int | None = None  # Hz
    bits_per_sample: int | None = None
    duration: str | None = None  # seconds
    container: str | None = None
    codec: str | None = None
    sample_format: str | None = None
    valid_bits: int | None = None
    channel_layout: tuple[str, ...] | None = None
    block_align: int | None = None  # bytes of one frame
    data_bytes: int | None = None  # of audio
    bit_rate: int | None = None  # bits a second of compressed audio
    quality: Quality | None = None  # where a rule of the source speaks of it
    size: int | None = None  # bytes
    etag: str | None = None
    last_modified: Timestamp | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    bytes_read: int = 0
    calls: int = 0  # AWS calls that the probe took


class Said(Frozen):
    """What is said in a version, as far as anybody listened."""

    text: str  # a segment a line; empty where nothing was understood
    language: str | None = None
    model: str
    reason: Reason | None = None  # why there is no text


class VersionStory(Frozen):
    """What became of one version, and why."""

    kind: Kind | None = None  # None: never read
    verdict: Verdict = Verdict.UNJUDGED
    outcome: Outcome | Literal["waiting", "unknown"]
    reasons: tuple[Reason, ...] = ()
    version: str | None = None
    report: Findings = Findings()
    day: str | None = None  # partition of arrival
    judged_at: Timestamp | None = None
    deleted_at: Timestamp | None = None
    restored_at: Timestamp | None = None
    run_id: str | None = None
    run_url: str | None = None  # the run in the Dagster UI


class History(VersionStory):
    """The newest version's story at the top, and below it each version's, newest first."""

    bucket: str
    key: str
    said: Said | None = None  # in the newest version; None: nobody listened to it
    indexed: bool  # whether the index has a live row of this key
    history: tuple[VersionStory, ...]


def history(
    s3: "S3Client", tables: Tables, ingest_queue: Queue, ui_url: str, *, bucket: str, key: str
) -> History:
    """Tell the story of a key from the records, and from S3 where they are not complete yet.

    A version that stands in the bucket without a report is `waiting`; a key of which neither the
    records nor the bucket know anything is `unknown` and has an empty history.
    """
    standing = _standing(s3, bucket, key)  # first: what it shows may be on record by now
    reports = newest_first(tables.query(REPORTS, REPORTS_BY_OBJECT, object_uri(bucket, key)))
    reports.sort(key=lambda report: _stands(report, standing), reverse=True)
    stories = [_story(report, ui_url) for report in reports]
    if standing and standing.row_version not in {report.version for report in reports}:
        stories.insert(0, _waiting(standing, ingest_queue))
    newest = stories[0] if stories else _unknown()
    asset = tables.get(ASSETS, {"bucket": bucket, "file": key})
    return History(
        **dict(newest),
        bucket=bucket,
        key=key,
        said=_said(tables, object_uri(bucket, key), newest.version),
        indexed=asset is not None and asset.deleted_at is None,
        history=tuple(stories),
    )


def latest_transcript(tables: Tables, uri: str, version: str) -> Transcript | None:
    """What is said in a version, by the model that listened last."""
    rows = tables.query(TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT, uri)
    mine = (row for row in rows if row.version == version)
    return max(mine, key=lambda row: row.made_at, default=None)


def _said(tables: Tables, uri: str, version: str | None) -> Said | None:
    row = latest_transcript(tables, uri, version) if version else None
    if row is None:
        return None
    return Said(text=row.text, language=row.language, model=row.model, reason=row.reason)


def run_url(ui_url: str, run_id: str | None) -> str | None:
    """Where the Dagster UI shows a run."""
    return f"{ui_url}/runs/{run_id}" if run_id else None


def _standing(s3: "S3Client", bucket: str, key: str) -> ObjectState | None:
    try:
        return object_state(s3, bucket, key)
    except ObjectGoneError:
        return None


def _stands(report: Report, standing: ObjectState | None) -> bool:
    """S3 itself says which version is the newest, as long as one stands there."""
    return standing is not None and report.version == standing.row_version


def _story(report: Report, ui_url: str) -> VersionStory:
    return VersionStory(
        kind=report.probe.kind if report.probe else None,
        verdict=report.verdict,
        outcome=report.outcome,
        reasons=report.reasons,
        version=report.version,
        report=_findings(report),
        day=report.day,
        judged_at=report.judged_at,
        deleted_at=report.deleted_at,
        restored_at=report.restored_at,
        run_id=report.run_id,
        run_url=run_url(ui_url, report.run_id),
    )


def _findings(report: Report) -> Findings:
    probe = report.probe
    audio: dict[str, Any] = dict(probe.audio) if probe and probe.audio else {}
    return Findings(
        **audio,
        container=probe.container if probe else None,
        codec=probe.codec if probe else None,
        metadata=probe.metadata if probe else {},
        warnings=probe.warnings if probe else (),
        size=report.size,
        etag=report.etag,
        last_modified=report.last_modified,
        bytes_read=report.bytes_read,
        calls=report.calls,
    )


def _waiting(standing: ObjectState, queue: Queue) -> VersionStory:
    depth = queue.depth()
    found = (
        f"in the bucket, its message still on the way: {queue.name} has "
        f"{depth.waiting} waiting and {depth.in_flight} in flight"
    )
    return VersionStory(
        outcome=WAITING,
        reasons=(Reason(rule="examined", found=found, wanted="a run's report"),),
        version=standing.row_version,
        report=Findings(
            size=standing.size, etag=standing.etag, last_modified=standing.last_modified
        ),
    )


def _unknown() -> VersionStory:
    found = "nothing on record, and nothing in the bucket"
    reason = Reason(rule="present", found=found, wanted="an object at the key")
    return VersionStory(outcome=UNKNOWN, reasons=(reason,))

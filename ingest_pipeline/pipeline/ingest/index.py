"""From reports to rows of the index: the valid live, the deleted as tombstones."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from ingest_pipeline.pipeline.result import Done, Refused, Result, RetryLater
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict


def index(reports: Iterable[Report], standing: Iterable[Asset] = ()) -> list[Result[Asset]]:
    """The row that each report wants in the index; which one of a key stands, the table decides.

    A version that was read and is not valid, and a deleted one, take an older valid one out of the
    index: the bucket no longer shows that one either. `standing` are the rows that these replace:
    a row remembers which version's place it took until what was made of that one is gone.
    """
    before = {asset.uri: asset for asset in standing}
    return [_replacing(_answer(report), before.get(report.uri)) for report in reports]


def _replacing(result: Result[Asset], before: Asset | None) -> Result[Asset]:
    row = result.value
    if row is None or before is None:
        return result
    replaces = before.replaces if before.is_deleted else before.version
    if replaces == row.version and not row.is_deleted:
        replaces = before.replaces
    return replace(result, value=row.model_copy(update={"replaces": replaces}))


def _answer(report: Report) -> Result[Asset]:
    if report.outcome is Outcome.FAILED:
        return RetryLater(report.ref, report.why)
    if report.verdict is Verdict.VALID and report.outcome is Outcome.PENDING:
        return Done(report.ref, _live(report))
    if report.outcome in {Outcome.DELETING, Outcome.DELETED}:
        return Done(report.ref, tombstone(report))
    if report.probe is not None and report.verdict is not Verdict.VALID:
        return Refused(report.ref, report.why, tombstone(report))
    return Done(report.ref)


def _live(report: Report) -> Asset:
    if report.last_modified is None or report.probe is None:
        raise ValueError(f"{report.uri} is valid but was never read")
    audio = report.probe.audio
    return Asset(
        bucket=report.bucket,
        file=report.key,
        version=report.version,
        day=report.day,
        last_modified=report.last_modified,
        judged_at=report.judged_at,
        channel_count=audio.channel_count if audio else None,
        frame_count=audio.frame_count if audio else None,
        sample_rate=audio.sample_rate if audio else None,
        bits_per_sample=audio.bits_per_sample if audio else None,
        duration=audio.duration if audio else None,
    )


def tombstone(report: Report) -> Asset:
    """The row that keeps a late run from bringing a deleted version back."""
    return Asset(
        bucket=report.bucket,
        file=report.key,
        version=report.version,
        day=report.day,
        last_modified=report.last_modified or report.judged_at,
        judged_at=report.judged_at,
        deleted_at=report.deleted_at or datetime.now(UTC),
    )

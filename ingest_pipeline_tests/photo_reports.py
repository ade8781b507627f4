"""Outcomes of photos as S3 tells of them now, for tests of what posts make of outcomes."""

from datetime import UTC, datetime

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.media.model import Kind, Probe, Reason, Verdict
from ingest_pipeline.records.model import Outcome, Report

REASON = Reason(rule="pixels", found=90_000_000, wanted="at most 50000000")


def indexed(clients: Clients, bucket: str, key: str) -> Report:
    """The report of what stands at a key, taken for a valid JPEG."""
    state = object_state(clients.s3, bucket, key)
    return Report(
        bucket=bucket,
        key=key,
        version=state.row_version,
        day=f"{state.last_modified:%Y-%m-%d}",
        etag=state.etag,
        size=state.size,
        last_modified=state.last_modified,
        probe=Probe(kind=Kind.IMAGE, container="jpeg"),
        verdict=Verdict.VALID,
        outcome=Outcome.INDEXED,
        judged_at=datetime.now(UTC),
    )


def refused(report: Report) -> Report:
    """The same photo, had it broken a rule."""
    return report.becomes(Outcome.REJECTED, verdict=Verdict.REJECTED, reasons=(REASON,))

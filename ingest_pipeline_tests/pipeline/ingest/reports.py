"""Reports and rows of one key, for tests that need no bucket."""

from datetime import UTC, datetime

from ingest_pipeline.media.model import AudioInfo, Kind, Probe, Reason
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUDIO = AudioInfo(
    channel_count=2,
    frame_count=480,
    sample_rate=48_000,
    bits_per_sample=24,
    duration="0.01",
    block_align=6,
    data_bytes=2880,
)
REASON = Reason(rule="sample_rate", found=44_100, wanted=48_000)


def report(
    verdict: Verdict = Verdict.VALID, outcome: Outcome = Outcome.PENDING, version: str = "v1"
) -> Report:
    return Report(
        bucket="ingest",
        key="a.wav",
        version=version,
        day="2026-03-01",
        last_modified=NOW,
        probe=Probe(kind=Kind.AUDIO, audio=AUDIO),
        verdict=verdict,
        reasons=(REASON,) if verdict is Verdict.REJECTED else (),
        outcome=outcome,
        judged_at=NOW,
    )


def unread(outcome: Outcome) -> Report:
    return report(Verdict.UNJUDGED, outcome).model_copy(update={"probe": None})


def asset(version: str = "v1", *, is_deleted: bool = False) -> Asset:
    return Asset(
        bucket="ingest",
        file="a.wav",
        version=version,
        day="2026-03-01",
        last_modified=NOW,
        judged_at=NOW,
        deleted_at=NOW if is_deleted else None,
    )

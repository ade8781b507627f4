from datetime import UTC, datetime

from ingest_pipeline.defs.ingest.metadata import (
    IngestTally,
    asset_tally,
    describe_assets,
    describe_reports,
    describe_rows,
    report_tally,
)
from ingest_pipeline.media.model import Reason
from ingest_pipeline.pipeline.ingest.pipeline import Ingested
from ingest_pipeline.pipeline.result import Done, Refused
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict
from ingest_pipeline_tests.defs.runs import records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(key: str, verdict: Verdict, outcome: Outcome, *reasons: Reason) -> Report:
    return Report(
        bucket="b",
        key=key,
        version="v1",
        day="2026-03-01",
        verdict=verdict,
        reasons=reasons,
        outcome=outcome,
        bytes_read=65536,
        calls=2,
        judged_at=NOON,
    )


def test_a_batch_is_told_by_verdicts_outcomes_costs_and_its_first_objects() -> None:
    reason = Reason(rule="sample_rate", found="44100", wanted="48000")
    tally = report_tally()
    tally.add([report("a.wav", Verdict.VALID, Outcome.INDEXED)])
    tally.add([report("b.wav", Verdict.REJECTED, Outcome.REJECTED, reason)])
    shown = describe_reports(tally, "http://localhost")
    assert shown["objects"].value == 2
    assert shown["verdicts"].value == {"valid": 1, "rejected": 1}
    assert shown["outcomes"].value == {"indexed": 1, "rejected": 1}
    assert (shown["bytes read"].value, shown["S3 calls"].value) == (131072, 4)
    assert records(shown["table"]) == [
        ["b/a.wav", "valid", "indexed", ""],
        ["b/b.wav", "rejected", "rejected", "sample_rate 44100, wanted 48000"],
    ]
    assert str(shown["in the catalogue"].value).count("http://localhost/catalogue/b?key=") == 2


def test_an_empty_batch_is_told_too() -> None:
    shown = describe_reports(report_tally(), "http://localhost")
    assert (shown["objects"].value, shown["verdicts"].value) == (0, {})
    assert records(shown["table"]) == []


def test_rows_into_the_index_and_out_of_it_are_told_apart() -> None:
    row = Asset(
        bucket="b", file="k", version="v1", day="2026-03-01", last_modified=NOON, judged_at=NOON
    )
    tally = asset_tally()
    tally.add([row, row, row.model_copy(update={"deleted_at": NOON})])
    shown = describe_assets(tally)
    assert (shown["valid"].value, shown["taken out"].value) == (2, 1)


def test_what_a_run_ingested_adds_up_step_by_step() -> None:
    judged = report("a.wav", Verdict.VALID, Outcome.PENDING)
    removed = report("b.wav", Verdict.REJECTED, Outcome.REJECTED)
    tally = IngestTally()
    for _ in range(2):
        tally.add(
            Ingested(
                judged=[judged, removed],
                judged_rows=1,
                indexed=[],
                indexed_rows=0,
                rejected=[removed],
                results=[
                    Done(judged.ref, judged.becomes(Outcome.INDEXED)),
                    Refused(removed.ref, "", removed),
                ],
            )
        )
    steps = (tally.judged, tally.indexed, tally.rejected, tally.outcomes)
    assert [each.rows for each in steps] == [4, 0, 2, 4]
    assert tally.outcomes.counts["outcome"] == {"indexed": 2, "rejected": 2}
    assert (tally.judged_rows, tally.indexed_rows) == (2, 0)
    assert tally.wrongly_removed == ["s3://b/b.wav"] * 2, "there is no broken rule on record"


def test_rows_that_were_written_and_those_that_gave_way_are_told() -> None:
    shown = describe_rows(3, 5)
    told = {name: value.value for name, value in shown.items()}
    assert told == {"dagster/row_count": 3, "rows written": 3, "rows that gave way": 2}

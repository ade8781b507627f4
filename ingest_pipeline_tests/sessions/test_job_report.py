import subprocess
import sys
from datetime import date, datetime

import pytest

from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import SessionOutcome, SessionState, SkipReason, TagProblem
from ingest_pipeline.sessions.tree import Timeframe
from ingest_pipeline.settings import PROJECT_ROOT

MOMENT = datetime(2023, 7, 17)  # noqa: DTZ001


def outcome(session_id: str, state: SessionState, **fields: object) -> SessionOutcome:
    return SessionOutcome.model_validate(
        {"session_id": session_id, "folder": f"s3://b/{session_id}/", "state": state, **fields}
    )


REPORT = JobReport(
    timeframe=Timeframe(start=MOMENT, end=MOMENT),
    outcomes=(
        outcome(
            "quiet",
            SessionState.SKIPPED,
            reason=SkipReason.NO_EVENTS,
            detail="none",
            country="SE",
        ),
        outcome("broken", SessionState.SKIPPED, reason=SkipReason.MALFORMED_REPORT, detail="why"),
        outcome(
            "good",
            SessionState.PROCESSED,
            country="DE",
            events=3,
            new_events=2,
            timeless_events=1,
        ),
        outcome(
            "fair",
            SessionState.PROCESSED,
            events=1,
            problems=(
                TagProblem(audio_tag="a", reason="x"),
                TagProblem(audio_tag="b", reason="y"),
            ),
        ),
        outcome("old", SessionState.UNCHANGED),
        outcome("young", SessionState.AWAITED),
    ),
)
EMPTY = JobReport(timeframe=REPORT.timeframe, outcomes=())


def test_sessions_without_events_are_a_table() -> None:
    assert REPORT.no_events.rows == (("quiet", "SE", "s3://b/quiet/"),)


def test_skipped_sessions_are_a_table_with_their_reasons() -> None:
    assert REPORT.skipped.rows == (("broken", "ND", "s3://b/broken/", "Malformed report", "why"),)


def test_processed_sessions_are_a_table_with_their_problems() -> None:
    assert REPORT.processed.rows == (
        ("good", "DE", "s3://b/good/", 3, 2, 1, ""),
        ("fair", "ND", "s3://b/fair/", 1, 0, 0, "a: x; b: y"),
    )


def test_the_summary_counts_events_and_sessions_that_the_run_worked_on() -> None:
    assert REPORT.summary.table.rows == (("events", 2, 4, 6), ("sessions", 2, 2, 4))
    assert EMPTY.summary.table.rows == (("events", 0, 0, 0), ("sessions", 0, 0, 0))


def test_sessions_are_counted_by_day_and_vehicle() -> None:
    folders = ["V1/240201/100000/a", "V1/240201/110000/b", "V2/240201/100000/c", "V1/240202/0/d"]
    outcomes = (outcome(folder, SessionState.AWAITED) for folder in folders)
    report = JobReport(timeframe=REPORT.timeframe, outcomes=tuple(outcomes))
    first, second = date(2024, 2, 1), date(2024, 2, 2)
    expected = {(first, "V1"): 2, (first, "V2"): 1, (second, "V1"): 1}
    assert report.by_day_and_vehicle == expected
    assert EMPTY.by_day_and_vehicle == {}


def test_each_is_a_dataframe() -> None:
    summary = REPORT.summary.as_dataframe()
    assert summary.to_dict("records") == [
        {"Counted": "events", "Skipped": 2, "Processed": 4, "Total": 6},
        {"Counted": "sessions", "Skipped": 2, "Processed": 2, "Total": 4},
    ]
    processed = REPORT.processed.as_dataframe()
    assert list(processed.columns) == list(REPORT.processed.columns)
    assert processed["events"].tolist() == [3, 1]


@pytest.mark.parametrize("name", ["no_events", "skipped", "processed"])
def test_an_empty_table_has_its_columns(name: str) -> None:
    table = getattr(EMPTY, name)
    assert table.rows == ()
    assert list(table.as_dataframe().columns) == list(table.columns)


def test_pandas_is_loaded_only_for_tables() -> None:
    program = (
        "import sys, ingest_pipeline.sessions.ingest, ingest_pipeline.sessions.export\n"
        "import ingest_pipeline.sessions.event_db.open\n"
        "sys.exit(bool({'pandas', 'dagster'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == 0

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.partitions import session_days
from ingest_pipeline_tests.defs.runs import selected_by


def test_the_job_finds_and_ingests_sessions_and_answers() -> None:
    assert selected_by("ingest_sessions") == {
        "session_reports",
        "session_events",
        "session_receipts",
    }


def test_its_days_are_those_of_vehicles_clocks() -> None:
    assert defs().resolve_job_def("ingest_sessions").partitions_def == session_days

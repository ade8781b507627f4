"""Sessions through a run; how one is read stands in the tests of `sessions`."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest_pipeline.aws.events import ParsedBody, ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.pipeline.result import Done, Refused, RetryLater
from ingest_pipeline.pipeline.sessions import (
    SessionIngest,
    missing_events,
    parse_report,
    results,
)
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import SessionOutcome, SessionState, SkipReason
from ingest_pipeline.sessions.records import SESSION_OUTCOMES
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import Timeframe
from ingest_pipeline_tests.sessions.trees import Tree
from ingest_pipeline_tests.world import World, some_ref

FOLDER = "V236/230717/111649/AV11_V236_230717_111649_62100/"
DAYS = Timeframe.of_days(date(2024, 2, 1), date(2024, 2, 29))


def parsed(*keys: str) -> ParsedBody:
    bodies = [ingest_body(some_ref("sessions", key)) for key in keys]
    records = (body[len('{"Records": [') : -len("]}")] for body in bodies)
    body = '{"Records": [' + ", ".join(records) + "]}"
    return parse_report(
        Message(id="m", body=body, handle="h", sent_at=datetime.now(UTC), receive_count=1)
    )


def test_a_report_names_its_sessions_folder_on_the_sessions_own_date() -> None:
    found = parsed(f"{FOLDER}x_logged_Upload_Report.json")
    assert found.problems == ()
    (ref,) = found.objects
    assert (ref.bucket, ref.key, ref.day) == ("sessions", FOLDER, "2023-07-17")


def test_where_the_folder_is_no_time_the_ids_own_counts() -> None:
    folder = FOLDER.replace("/111649/", "/256199/")
    (ref,) = parsed(f"{folder}x_logged_Upload_Report.json").objects
    assert (ref.key, ref.arrived) == (folder, datetime(2023, 7, 17, 11, 16, 49, tzinfo=UTC))


def test_other_files_of_a_session_are_passed_over() -> None:
    found = parsed(f"{FOLDER}nv0/S/audio_tags/1_0_hard.wav", f"{FOLDER}log.txt")
    assert (found.objects, found.problems) == ((), ())


@pytest.mark.parametrize(
    "folder",
    [
        "",
        "V236/",
        "V236/230732/111649/AV11_V236_230732_111649_62100/",
        "V236/230717/251649/AV11_V236_230717_251649_62100/",
        "V236/141231/111649/AV11_V236_141231_111649_62100/",
        f"V236/{datetime.now(UTC) + timedelta(days=3):%y%m%d}/111649/x/",
    ],
)
def test_a_report_elsewhere_is_a_problem_and_its_neighbours_are_none(folder: str) -> None:
    found = parsed(f"{folder}x_logged_Upload_Report.json", f"{FOLDER}x_logged_Upload_Report.json")
    assert [ref.key for ref in found.objects] == [FOLDER]
    (problem,) = found.problems
    assert problem.startswith(f"s3://sessions/{folder}x_logged_Upload_Report.json: ")


def outcome(number: int, state: SessionState, **fields: object) -> SessionOutcome:
    name = f"AV11_V236_240201_100000_{number}"
    known = {
        "session_id": name,
        "folder": f"s3://sessions/V236/240201/100000/{name}/",
        "state": state,
    }
    return SessionOutcome.model_validate(known | fields)


def report(*outcomes: SessionOutcome) -> JobReport:
    return JobReport(timeframe=DAYS, outcomes=outcomes, problems=())


def test_a_skipped_session_is_refused_unless_s3_was_the_reason() -> None:
    states = [
        outcome(1, SessionState.PROCESSED),
        outcome(2, SessionState.UNCHANGED),
        outcome(3, SessionState.SKIPPED, reason=SkipReason.NO_EVENTS, detail="no tag"),
        outcome(4, SessionState.SKIPPED, reason=SkipReason.UNREADABLE, detail="503"),
    ]
    answers = results(report(*states))
    assert [type(each) for each in answers] == [Done, Done, Refused, RetryLater]
    assert [each.ref.key for each in answers] == [
        each.folder.removeprefix("s3://sessions/") for each in states
    ]
    assert {each.ref.day for each in answers} == {"2024-02-01"}
    assert [each.reason for each in answers if not isinstance(each, Done)] == [
        "No Events: no tag",
        "Unreadable in S3: 503",
    ]


def test_events_are_missed_of_processed_sessions_alone() -> None:
    outcomes = [
        outcome(1, SessionState.PROCESSED, events=3),
        outcome(2, SessionState.PROCESSED, events=3),
        outcome(3, SessionState.PROCESSED, events=1),
        outcome(4, SessionState.UNCHANGED, events=9),
    ]
    counts = {outcomes[0].session_id: 3, outcomes[1].session_id: 4}
    assert missing_events(report(*outcomes), counts) == [
        "AV11_V236_240201_100000_2: 4 instead of 3",
        "AV11_V236_240201_100000_3: 0 instead of 1",
    ]


def test_what_a_killed_run_left_undone_is_this_runs_own(
    world: World, tree: Tree, tmp_path: Path
) -> None:
    sample = SampleSession("V236", datetime(2024, 2, 1, 10), 1)  # noqa: DTZ001 - the vehicle's clock
    tree.put_session(sample)
    ingested: list[str] = []

    def take(refs: Sequence[ObjectRef]) -> None:
        ingested.extend(ref.key.removeprefix(sample.prefix) for ref in refs)

    def die(_refs: Sequence[ObjectRef]) -> None:
        raise InterruptedError

    database = open_event_db(f"sqlite:///{tmp_path}/events.db")
    try:
        killed = SessionIngest(tree.s3, world.tables, database, die, "killed")
        with pytest.raises(InterruptedError):
            killed.ingest(tree.found(), DAYS)
        folder = f"s3://{tree.bucket}/{sample.prefix}"
        assert world.tables.get(SESSION_OUTCOMES, {"folder": folder}) is None
        again = SessionIngest(tree.s3, world.tables, database, take, "again")
        (found,) = again.ingest(tree.found(), DAYS).outcomes
        assert (found.state, found.events, found.new_events) == (SessionState.PROCESSED, 3, 0)
        assert sorted(ingested) == sorted(sample.audio_tags)
        row = world.tables.get(SESSION_OUTCOMES, {"folder": folder})
        assert row is not None
        assert (row.run_id, row.day, row.is_complete) == ("again", "2024-02-01", True)
        (unchanged,) = again.ingest(tree.found(), DAYS).outcomes
        assert unchanged.state is SessionState.UNCHANGED
        assert len(ingested) == len(sample.audio_tags), "once"
    finally:
        database.close()

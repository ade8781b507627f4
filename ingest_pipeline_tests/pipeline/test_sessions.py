"""Sessions through a run; how one is read stands in the tests of `sessions`."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest_pipeline.aws.events import ParsedBody, ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.media.model import Spoken
from ingest_pipeline.pipeline.result import Done, Refused, RetryLater
from ingest_pipeline.pipeline.sessions import (
    SessionIngest,
    SessionNews,
    comments_into,
    lacking,
    missing_events,
    missing_files,
    overdue,
    results,
)
from ingest_pipeline.records.model import ObjectRef, Transcript
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.event_sink.elasticsearch import opened_event_sink
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import (
    Event,
    Session,
    SessionOutcome,
    SessionState,
    SkipReason,
    TagProblem,
)
from ingest_pipeline.sessions.records import SESSION_OUTCOMES
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import Timeframe
from ingest_pipeline_tests.sessions.bulk_server import elastic
from ingest_pipeline_tests.sessions.trees import Tree
from ingest_pipeline_tests.world import World, some_ref

FOLDER = "V236/230717/111649/AV11_V236_230717_111649_62100/"
SESSION = "AV11_V236_230717_111649_62100"
DAYS = Timeframe.of_days(date(2024, 2, 1), date(2024, 2, 29))


def parsed(world: World, *keys: str) -> ParsedBody:
    bodies = [ingest_body(some_ref(world.session_bucket, key)) for key in keys]
    records = (body[len('{"Records": [') : -len("]}")] for body in bodies)
    body = '{"Records": [' + ", ".join(records) + "]}"
    return SessionNews(world.clients.s3, world.tables).parse(
        Message(id="m", body=body, handle="h", sent_at=datetime.now(UTC), receive_count=1)
    )


def test_a_report_names_its_sessions_folder_on_the_sessions_own_date(world: World) -> None:
    found = parsed(world, f"{FOLDER}x_logged_Upload_Report.json")
    assert found.problems == ()
    (ref,) = found.objects
    assert (ref.bucket, ref.key, ref.day) == (world.session_bucket, FOLDER, "2023-07-17")


def test_where_the_folder_is_no_time_the_ids_own_counts(world: World) -> None:
    folder = FOLDER.replace("/111649/", "/256199/")
    (ref,) = parsed(world, f"{folder}x_logged_Upload_Report.json").objects
    assert (ref.key, ref.arrived) == (folder, datetime(2023, 7, 17, 11, 16, 49, tzinfo=UTC))


def test_other_files_of_a_session_are_passed_over(world: World) -> None:
    found = parsed(world, f"{FOLDER}nv0/S/audio_tags/1_0_hard.wav", f"{FOLDER}log.txt")
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
def test_a_report_elsewhere_is_a_problem_and_its_neighbours_are_none(
    world: World, folder: str
) -> None:
    found = parsed(
        world, f"{folder}x_logged_Upload_Report.json", f"{FOLDER}x_logged_Upload_Report.json"
    )
    assert [ref.key for ref in found.objects] == [FOLDER]
    (problem,) = found.problems
    assert problem.startswith(f"s3://{world.session_bucket}/{folder}x_logged_Upload_Report.json: ")


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


def test_what_a_run_found_counts_before_what_is_on_record() -> None:
    half = TagProblem(audio_tag="1_1_a.wav", reason="not in the bucket", is_passing=True)
    odd = TagProblem(audio_tag="odd.wav", reason="no form")
    on_record = [
        outcome(1, SessionState.PROCESSED, problems=(half,)),
        outcome(2, SessionState.PROCESSED, problems=(half, odd)),
        outcome(3, SessionState.AWAITED),
    ]
    report_ = report(
        outcome(2, SessionState.UNCHANGED, is_complete=True),
        outcome(4, SessionState.PROCESSED, events=3, database_events=4),
        outcome(5, SessionState.SKIPPED, reason=SkipReason.NO_EVENTS),
    )
    found = lacking(on_record, report_).values()
    assert [each.session_id[-1] for each in found] == ["1", "3", "4"]
    assert missing_files(found) == [f"{on_record[0].folder}1_1_a.wav: not in the bucket"]
    assert missing_events(found) == ["AV11_V236_240201_100000_4: 4 instead of 3"]
    first, second = outcome(1, SessionState.PROCESSED).folder, on_record[2].folder
    hours = [datetime(2024, 2, 2, hour, tzinfo=UTC) for hour in (9, 11)]
    assert [line.split(": ")[0] for line in overdue(found, hours[0])] == [
        first,
        report_.outcomes[1].folder,
    ]
    assert f"{second}: its upload report" in overdue(found, hours[1])


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


SAMPLE = SampleSession("V236", datetime(2024, 2, 1, 10), 1)  # noqa: DTZ001 - the vehicle's clock
LATE = SAMPLE.audio_tags[1]


@pytest.fixture
def ingest(tree: Tree, world: World, tmp_path: Path) -> Iterator[SessionIngest]:
    database = open_event_db(f"sqlite:///{tmp_path}/events.db")
    try:
        yield SessionIngest(tree.s3, world.tables, database, lambda _refs: None)
    finally:
        database.close()


def told(tree: Tree, world: World, path: str) -> list[str]:
    """The folders that are to be read once the bucket has announced a file of the session."""
    body = ingest_body(some_ref(tree.bucket, SAMPLE.prefix + path))
    message = Message(id="m", body=body, handle="h", sent_at=datetime.now(UTC), receive_count=1)
    found = SessionNews(tree.s3, world.tables).parse(message)
    assert found.problems == ()
    return [ref.key for ref in found.objects]


def only(ingest: SessionIngest, tree: Tree) -> SessionOutcome:
    (found,) = ingest.ingest([tree.only()], DAYS).outcomes
    return found


def test_a_recording_that_lands_after_the_report_asks_for_its_session(
    tree: Tree, world: World, ingest: SessionIngest
) -> None:
    tree.put_session(SAMPLE, {LATE: None, "Report.json": None})
    assert told(tree, world, LATE) == [], "the report is still to come, and will ask"
    tree.put_session(SAMPLE, {LATE: None})
    assert told(tree, world, LATE) == [SAMPLE.prefix], "a run may be reading the session"
    assert not only(ingest, tree).is_complete
    assert told(tree, world, LATE.replace(".wav", ".WAV")) == [SAMPLE.prefix]
    tree.put_session(SAMPLE)
    done = only(ingest, tree)
    assert (done.new_events, done.is_complete) == (1, True)
    assert told(tree, world, LATE) == [], "a complete session lacks no recording"
    assert told(tree, world, "x_logged_Upload_Report.json") == [SAMPLE.prefix]


def report_of(*tags: str) -> bytes:
    listed = {**SAMPLE.report, "FileList": [{"file": tag} for tag in tags]}
    return json.dumps(listed).encode()


def test_a_report_that_is_newer_than_the_complete_session_is_read_and_nothing_is_lost(
    tree: Tree, world: World, ingest: SessionIngest
) -> None:
    first, second, third = SAMPLE.audio_tags
    tree.put_session(SAMPLE, {"Report.json": report_of(first, second)})
    assert (only(ingest, tree).events, only(ingest, tree).state) == (2, SessionState.UNCHANGED)
    time.sleep(1.1)  # S3 tells moments to the second
    tree.put_one(f"{SAMPLE.prefix}new_logged_Upload_Report.json", report_of(second, third))
    assert told(tree, world, third) == [SAMPLE.prefix]
    done = only(ingest, tree)
    assert (done.state, done.events, done.new_events) == (SessionState.PROCESSED, 3, 1)
    assert done.detail == (
        "2 reports, the newest counts: new_logged_Upload_Report.json; "
        "read again by a newer report: 1 events in addition to 2"
    )
    assert ingest.database.event_counts([SAMPLE.session_id]) == {SAMPLE.session_id: 3}
    assert only(ingest, tree).state is SessionState.UNCHANGED


def test_a_recording_that_a_newer_report_lists_may_come_after_it(
    tree: Tree, world: World, ingest: SessionIngest
) -> None:
    first, *others = SAMPLE.audio_tags
    tree.put_session(SAMPLE, {LATE: None, "Report.json": report_of(first)})
    assert only(ingest, tree).is_complete
    time.sleep(1.1)  # S3 tells moments to the second
    tree.put_one(f"{SAMPLE.prefix}new_logged_Upload_Report.json", report_of(first, *others))
    assert not only(ingest, tree).is_complete
    assert told(tree, world, LATE) == [SAMPLE.prefix]
    tree.put_session(SAMPLE)
    done = only(ingest, tree)
    assert (done.events, done.new_events, done.is_complete) == (3, 1, True)


def test_a_session_that_another_program_took_in_is_not_added_a_second_time(
    tree: Tree, ingest: SessionIngest
) -> None:
    tree.put_session(SAMPLE)
    ingest.database.upload(Session(session_id=SAMPLE.session_id, events=()))
    assert only(ingest, tree).is_complete
    time.sleep(1.1)  # S3 tells moments to the second
    tree.put_one(f"{SAMPLE.prefix}new_logged_Upload_Report.json", report_of(*SAMPLE.audio_tags))
    assert only(ingest, tree).state is SessionState.UNCHANGED
    assert ingest.database.event_counts([SAMPLE.session_id]) == {}


def test_what_is_said_is_the_comment_in_the_database_and_the_sink(tmp_path: Path) -> None:
    tag = "nv0/AV11_V236_230717_111649_62100/audio_tags/1_1_medium.wav"
    session = Session(session_id=SESSION, events=(Event(session_id=SESSION, audio_tag=tag),))
    db = open_event_db(f"sqlite:///{tmp_path / 'events.db'}")
    db.upload(session)
    with elastic() as server, opened_event_sink(server.url) as sink:
        assert sink
        sink.write([session])
        tell = comments_into(lambda: db, "sessions", sink)
        for bucket, key, text in (
            ("ingest", FOLDER + tag, "in another bucket"),
            ("sessions", "a.wav", "of no session"),
            ("sessions", FOLDER + "other.wav", "of no event"),
            ("sessions", FOLDER + tag, "hard braking"),
            ("sessions", FOLDER + tag, ""),
        ):
            tell(said(bucket, key, text))
            comments = set(db.table()["comment"])
            assert comments == ({"hard braking"} if text == "hard braking" else {"ND"})
        documents = {each["audio_tag"]: each["comment"] for each in server.documents.values()}
    assert documents == {tag: "hard braking"}
    db.close()


def said(bucket: str, key: str, text: str) -> Transcript:
    segments = (Spoken(start=0, end=1, text=text, confidence=90),) if text else ()
    return Transcript(
        bucket=bucket,
        key=key,
        version="v",
        day="2023-07-17",
        model="m",
        segments=segments,
        made_at=datetime.now(UTC),
    )

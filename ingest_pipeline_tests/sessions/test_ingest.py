"""Sessions from the bucket into every kind of database, with all that can go wrong on the way."""

import io
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.awsrequest import AWSRequest, AWSResponse, HTTPHeaders
from urllib3 import HTTPResponse

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.sessions.event_db.event_db import (
    EventDb,
    EventDbError,
    EventDbUnavailableError,
    Upload,
)
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.event_db.sql import SqlEventDb
from ingest_pipeline.sessions.event_sink.elasticsearch import opened_event_sink
from ingest_pipeline.sessions.event_sink.event_sink import EventSinkUnavailableError
from ingest_pipeline.sessions.ingest import ingest_session, ingest_sessions, ingest_timeframe
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import Session, SessionOutcome, SessionState, SkipReason
from ingest_pipeline.sessions.sample import SampleSession, sample_sessions
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.sessions.bulk_server import Elastic, elastic
from ingest_pipeline_tests.sessions.event_db.production import (
    make_production_table,
    production_rows,
    put_old_row,
)
from ingest_pipeline_tests.sessions.proxy import Proxy
from ingest_pipeline_tests.sessions.servers import Server, query
from ingest_pipeline_tests.sessions.trees import ALWAYS, CATALOGUE, REPORT, Tree, expected_rows

PROCESSED, SKIPPED = SessionState.PROCESSED, SessionState.SKIPPED


@pytest.fixture
def db(sqlite_url: str) -> Iterator[EventDb]:
    opened = open_event_db(sqlite_url, catalogue_url=CATALOGUE)
    yield opened
    opened.close()


def sample(number: int = 1, **fields: Any) -> SampleSession:
    started = datetime(2023, 7, 17, 11, number // 60, number % 60)  # noqa: DTZ001
    return SampleSession("V236", started, number, **fields)


def ingest(tree: Tree, db: EventDb) -> JobReport:
    return ingest_timeframe(tree.s3, tree.bucket, db, ALWAYS)


def only(report: JobReport) -> SessionOutcome:
    (outcome,) = report.outcomes
    return outcome


def rows(url: str) -> list[dict[str, Any]]:
    """The rows without the moment of their writing, in the order of `expected_rows`."""
    found = query(url, "SELECT * FROM sds")
    ours = {"creation_date", "audio_tag", "event_key", "session_key", "comment_key"}
    for row in found:
        if isinstance(row["timestamp"], str):  # SQLite
            row["timestamp"] = datetime.fromisoformat(row["timestamp"])
    kept = [{name: value for name, value in row.items() if name not in ours} for row in found]
    return sorted(kept, key=str)


def test_rows_are_what_an_independent_reading_gives(tree: Tree, sql_url: str) -> None:
    samples = sample_sessions(40, days=3, tags=4, logs=2, log_lines=30)
    objects = tree.put(each for sample in samples for each in sample.objects())
    db = open_event_db(sql_url, catalogue_url=CATALOGUE)
    report = ingest(tree, db)
    assert (report.summary.processed, report.summary.skipped) == (160, 0)
    assert (report.summary.processed_sessions, report.summary.skipped_sessions) == (40, 0)
    assert len(rows(sql_url)) == 160
    assert rows(sql_url) == expected_rows(objects, tree.bucket)
    again = ingest(tree, db)
    assert {outcome.state for outcome in again.outcomes} == {SessionState.UNCHANGED}
    assert rows(sql_url) == expected_rows(objects, tree.bucket)
    db.close()


def test_a_session_of_twelve_hundred_tags_is_taken_in(tree: Tree, event_db: EventDb) -> None:
    session = sample(tags=1200, log_lines=1500)
    tree.put_session(session)
    outcome = only(ingest(tree, event_db))
    assert (outcome.state, outcome.events, outcome.new_events) == (PROCESSED, 1200, 1200)
    assert outcome.timeless_events == 0
    assert event_db.event_counts([session.session_id]) == {session.session_id: 1200}


def test_an_outcome_tells_all(tree: Tree, db: EventDb) -> None:
    session = sample()
    tree.put_session(session, {"display_00.log": b"nothing"})
    report = tree.only().report
    assert report is not None
    assert only(ingest(tree, db)) == SessionOutcome(
        session_id=session.session_id,
        folder=f"s3://{tree.bucket}/{session.prefix}",
        state=PROCESSED,
        events=3,
        new_events=3,
        timeless_events=3,
        is_complete=True,
        country=session.report["drive_info"]["Data_Info"]["country"],
        report_at=report.modified,
    )


def test_each_bad_session_has_its_reason_and_the_others_go_on(tree: Tree, db: EventDb) -> None:
    changes: list[dict[str, bytes | None]] = [
        {},
        {REPORT: b"no JSON"},
        {REPORT: b'{"FileList": []}'},
        {REPORT: b'{"drive_info": {}}'},
        {REPORT: b'{"drive_info": {}, "FileList": [{"file": "medium.wav"}]}'},
        {REPORT: None},
        {},
    ]
    for number, change in enumerate(changes):
        tree.put_session(sample(number), change)
    tree.put_one(f"{sample(6).prefix}again/{REPORT}", b"{}")
    tree.put_one(f"V236/230717/111649/AV11/{REPORT}", b"{}")
    tree.put_one("V236/991332/111649/S/a", b"")
    report = ingest(tree, db)
    assert [(outcome.state, outcome.reason) for outcome in report.outcomes] == [
        (PROCESSED, None),
        (SKIPPED, SkipReason.MALFORMED_REPORT),
        (SKIPPED, SkipReason.NO_EVENTS),
        (SKIPPED, SkipReason.NO_EVENTS),
        (SKIPPED, SkipReason.NO_EVENT_READABLE),
        (SessionState.AWAITED, None),
        (SKIPPED, SkipReason.NO_EVENTS),
        (SKIPPED, SkipReason.MALFORMED_ID),
    ]
    assert all(outcome.detail for outcome in report.outcomes if outcome.state is SKIPPED)
    assert report.outcomes[6].detail == (
        f"the report lists no audio tag; 2 reports, the newest counts: again/{REPORT}"
    )
    (problem,) = report.outcomes[4].problems
    assert problem.audio_tag == "medium.wav"
    assert [problem.folder for problem in report.problems] == [f"s3://{tree.bucket}/V236/991332/"]


def test_the_outcome_says_which_of_several_reports_counts(tree: Tree, db: EventDb) -> None:
    session = sample()
    tree.put_session(session)
    tree.put_one(f"{session.prefix}again/{REPORT}", json.dumps(session.report).encode())
    outcome = only(ingest(tree, db))
    assert (outcome.state, outcome.events) == (PROCESSED, 3)
    assert outcome.detail == f"2 reports, the newest counts: again/{REPORT}"


def test_one_id_under_two_vehicles_is_two_sessions(tree: Tree, event_db: EventDb) -> None:
    session = sample()
    objects = tree.put_session(session)
    tree.put((key.replace("V236/", "V237/", 1), content) for key, content in objects.items())
    first, second = ingest(tree, event_db).outcomes
    assert (first.session_id, second.session_id) == (
        session.session_id,
        f"V237/{session.session_id}",
    )
    assert [(each.state, each.new_events) for each in (first, second)] == [(PROCESSED, 3)] * 2
    assert len(event_db.table()) == 6
    assert {each.state for each in ingest(tree, event_db).outcomes} == {SessionState.UNCHANGED}
    ids = [first.session_id, second.session_id]
    assert event_db.event_counts(ids) == dict.fromkeys(ids, 3)


def test_in_sql_both_rows_have_the_id_as_it_is(tree: Tree, db: EventDb) -> None:
    session = sample()
    objects = tree.put_session(session)
    tree.put((key.replace("V236/", "V237/", 1), content) for key, content in objects.items())
    ingest(tree, db)
    assert list(db.table()["session_id"]) == [session.session_id] * 6


def test_what_is_mended_is_taken_in_by_the_next_run(tree: Tree, db: EventDb) -> None:
    session = sample()
    tree.put_session(session, {REPORT: b"no JSON"})
    assert only(ingest(tree, db)).state is SKIPPED
    tree.put_session(session)
    assert only(ingest(tree, db)).state is PROCESSED


def test_recordings_that_come_late_are_taken_in_later(tree: Tree, event_db: EventDb) -> None:
    session = sample()
    tree.put_session(session, {"1066_1_hard.wav": None})
    first, second = only(ingest(tree, event_db)), only(ingest(tree, event_db))
    assert (first.state, first.events, first.new_events, first.is_complete) == (
        PROCESSED,
        2,
        2,
        False,
    )
    assert [problem.is_passing for problem in first.problems] == [True]
    assert second == first.model_copy(update={"new_events": 0})
    tree.put_session(session)
    third = only(ingest(tree, event_db))
    assert (third.events, third.new_events, third.is_complete) == (3, 1, True)
    assert only(ingest(tree, event_db)).state is SessionState.UNCHANGED
    assert event_db.event_counts([session.session_id]) == {session.session_id: 3}


def test_a_complete_session_costs_no_call_of_its_own(tree: Tree, db: EventDb) -> None:
    tree.put(each for sample in sample_sessions(20) for each in sample.objects())
    ingest(tree, db)
    with tree.counting() as calls:
        ingest(tree, db)
    assert calls == ["ListObjectsV2"] * 5  # the vehicles, the dates of two, the days of two


def test_a_session_costs_two_calls(tree: Tree, db: EventDb) -> None:
    tree.put(each for sample in sample_sessions(20) for each in sample.objects())
    with tree.counting() as calls:
        ingest(tree, db)
    assert sorted(calls) == ["GetObject"] * 40 + ["ListObjectsV2"] * 5


def test_only_the_timeframe_is_taken_in(tree: Tree, db: EventDb) -> None:
    tree.put(each for sample in sample_sessions(6, days=3) for each in sample.objects())
    day = ALWAYS.of_days(date(2023, 7, 18), date(2023, 7, 18))
    report = ingest_timeframe(tree.s3, tree.bucket, db, day)
    assert report.timeframe == day
    assert {outcome.session_id.split("_")[2] for outcome in report.outcomes} == {"230718"}


def test_one_session_alone(tree: Tree, db: EventDb) -> None:
    tree.put_session(sample())
    found = tree.only()
    assert ingest_session(tree.s3, db, found).state is PROCESSED
    assert ingest_session(tree.s3, db, found).state is SessionState.UNCHANGED


def test_outcomes_come_in_the_order_of_the_sessions(tree: Tree, db: EventDb) -> None:
    for number in (1, 2, 3):
        tree.put_session(sample(number))
    found = tree.found()
    found = [found[2], found[0], found[1]]
    outcomes = ingest_sessions(tree.s3, db, found)
    assert [each.session_id for each in outcomes] == [each.session_id for each in found]
    assert ingest_sessions(tree.s3, db, []) == []


def test_what_s3_refuses_is_a_reason_and_the_others_go_on(
    tree: Tree, db: EventDb, embedded_aws: EmbeddedAws
) -> None:
    for number in (1, 2, 3):
        tree.put_session(sample(number))
    s3 = connect(embedded_aws.settings).s3

    def refuse(request: AWSRequest, **_: Any) -> AWSResponse | None:
        url = request.url or ""
        if sample(2).session_id not in url:
            return None
        body = b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>"
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse(url, 403, HTTPHeaders(), raw)

    # The stubs do not know that an answer of this event is taken instead of the server's.
    s3.meta.events.register("before-send.s3.GetObject", refuse)  # type: ignore[arg-type]
    report = ingest_timeframe(s3, tree.bucket, db, ALWAYS)
    assert [outcome.state for outcome in report.outcomes] == [PROCESSED, SKIPPED, PROCESSED]
    assert report.outcomes[1].reason is SkipReason.UNREADABLE
    assert "not yours" in report.outcomes[1].detail


def test_what_vanished_after_it_was_found_is_a_reason(tree: Tree, db: EventDb) -> None:
    objects = tree.put_session(sample())
    found = tree.only()
    for key in objects:
        tree.s3.delete_object(Bucket=tree.bucket, Key=key)
    outcome = ingest_session(tree.s3, db, found)
    assert (outcome.state, outcome.reason) == (SKIPPED, SkipReason.UNREADABLE)


class PickyDb(SqlEventDb):
    """Refuses one session and has a bug with another."""

    def upload_all(self, sessions: Sequence[Session]) -> list[Upload]:
        ids = {session.session_id for session in sessions}
        if sample(1).session_id in ids:
            raise EventDbError("refused")
        if sample(2).session_id in ids:
            raise LookupError("a bug")
        return super().upload_all(sessions)


def test_what_the_database_refuses_and_what_nobody_foresaw_are_reasons(
    tree: Tree, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2, 3):
        tree.put_session(sample(number))
    db = PickyDb(sqlite_url)
    db.connect()
    report = ingest(tree, db)
    assert [outcome.reason for outcome in report.outcomes] == [
        SkipReason.REFUSED,
        SkipReason.UNDETERMINED,
        None,
    ]
    assert SkipReason.UNDETERMINED.value == "ND"
    assert report.outcomes[1].detail == "LookupError('a bug')"
    assert "Traceback" in caplog.text
    assert sample(2).session_id in caplog.text
    db.close()


class CountingDb(SqlEventDb):
    """Cuts its line after so many uploads."""

    def __init__(self, url: str, proxy: Proxy, uploads: int) -> None:
        super().__init__(url, catalogue_url=CATALOGUE)
        self._proxy = proxy
        self._left = uploads

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        self._left -= 1
        if self._left == 0:
            self._proxy.cut()
        super()._create_sessions(session_ids)


def test_a_database_that_goes_away_in_the_middle_ends_the_run_and_the_next_completes_it(
    tree: Tree, sql_server: Server
) -> None:
    samples = sample_sessions(40, tags=3)
    objects = tree.put(each for sample in samples for each in sample.objects())
    url = sa.make_url(sql_server.url)
    assert url.port
    proxy = Proxy(url.port)
    near = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    db = CountingDb(near, proxy, uploads=2)
    db.connect()
    with pytest.raises(EventDbUnavailableError):
        ingest(tree, db)
    db.close()

    complete = query(sql_server.url, "SELECT session_id FROM sds_sessions")
    assert 0 < len(complete) < 40
    assert len(rows(sql_server.url)) == 3 * len(complete)
    direct = open_event_db(sql_server.url, catalogue_url=CATALOGUE)
    report = ingest(tree, direct)
    assert report.summary.processed_sessions == 40 - len(complete)
    assert rows(sql_server.url) == expected_rows(objects, tree.bucket)
    direct.close()


def test_connections_that_are_killed_in_the_middle_do_not_end_the_run(
    tree: Tree, sql_server: Server
) -> None:
    samples = sample_sessions(40, tags=3)
    objects = tree.put(each for sample in samples for each in sample.objects())

    class KilledDb(SqlEventDb):
        uploads = 0

        def _create_sessions(self, session_ids: Sequence[str]) -> None:
            self.uploads += 1
            if self.uploads in {1, 3}:
                sql_server.kill_connections()
            super()._create_sessions(session_ids)

    db = KilledDb(sql_server.url, catalogue_url=CATALOGUE)
    db.connect()
    outcomes = ingest(tree, db).outcomes
    # One that was killed between its commit and the answer finds itself complete: unchanged.
    assert {outcome.state for outcome in outcomes} <= {PROCESSED, SessionState.UNCHANGED}
    assert [outcome.is_complete for outcome in outcomes] == [True] * 40
    assert rows(sql_server.url) == expected_rows(objects, tree.bucket)
    db.close()


def test_fifteen_hundred_sessions_of_a_day_are_taken_in(tree: Tree, db: EventDb) -> None:
    samples = list(sample_sessions(1500, vehicles=["V236"], tags=0, logs=0))
    tree.put(each for sample in samples for each in sample.objects())
    report = ingest(tree, db)
    assert [outcome.session_id for outcome in report.outcomes] == sorted(
        sample.session_id for sample in samples
    )
    assert {outcome.reason for outcome in report.outcomes} == {SkipReason.NO_EVENTS}


def test_quotes_and_unicode_arrive_as_they_are(tree: Tree, sql_url: str) -> None:
    session = sample()
    comment = "Robert'); DROP TABLE sds;-- \"\\' 🌧\0"
    content = session.report
    content["drive_info"]["Data_Info"]["driver_comment"] = comment
    tree.put_session(session, {REPORT: json.dumps(content).encode()})
    db = open_event_db(sql_url, catalogue_url=CATALOGUE)
    assert only(ingest(tree, db)).state is PROCESSED
    assert {row["mission"] for row in rows(sql_url)} == {comment.replace("\0", "\ufffd")}
    db.close()


# Folder of the time, files below the session with their contents, and what a person reads of them:
# the moment by the annotation, None where no log tells it.
_TAGS = "nv0/S/audio_tags/"
_LOG = "nv0/S/AV_logs/DisplayLogs/a.log"
ODD: list[tuple[str, dict[str, bytes], dict[str, str | None]]] = [
    ("000000", {f"{_TAGS}5_1_m.wav": b"", _LOG: b"D, x 00:00:00, frame: 5"}, {"m": "00:00:00"}),
    (
        "235959",
        {f"{_TAGS}5_1_it's.wav": b"", _LOG: b"D, x 23:59:59, frame: 5"},
        {"it's": "23:59:59"},
    ),
    (
        "030000",
        {f"{_TAGS}nounderscore.wav": b"", f"{_TAGS}8_ok.wav": b"", f"{_TAGS}7_1_ok.wav": b""},
        {"ok": None},
    ),
    (
        "040000",
        {
            "a/b/c/9_1_near.wav": b"",
            "a/b/c/10_1_far.wav": b"",
            "a/AV_logs/DisplayLogs/a.log": b"D, x 04:00:01, frame: 9",
            "AV_logs/DisplayLogs/a.log": b"D, x 05:00:00, frame: 9\nD, x 05:00:01, frame: 10",
        },
        {"near": "04:00:01", "far": None},
    ),
    (
        "050000",
        {
            f"{_TAGS}11_1_comma.wav": b"",
            f"{_TAGS}12_1_hour.wav": b"",
            _LOG: b"D x 11:00:00 frame: 11\nD, x 99:00:00, frame: 12\nD, x 11:00:02, frame: 11",
        },
        {"comma": "11:00:02", "hour": None},
    ),
    (
        "070000",
        {
            f"{_TAGS}15_1_part.wav": b"",
            _LOG: b"D, x 1:0:0, frame: 150\r\nD, x 1:0:1, frame: 1.5\r\nD, x 07:00:02, frame: 0015",
        },
        {"part": "07:00:02"},
    ),
]


@pytest.mark.parametrize("vehicle", ["V236", "車両", "V 2+3%"])
def test_odd_names_and_logs_give_what_a_person_reads(tree: Tree, db: EventDb, vehicle: str) -> None:
    expected = set()
    for moment, files, events in ODD:
        session_id = f"AV 11+x_{vehicle}_230717_{moment}_1"
        folder = f"{vehicle}/230717/{moment}/{session_id}/"
        report = {"drive_info": {}, "FileList": [{"file": path} for path in files]}
        tree.put((folder + path, content) for path, content in files.items())
        tree.put_one(f"{folder}{session_id}_{REPORT}", json.dumps(report).encode())
        start = f"{moment[:2]}:{moment[2:4]}:{moment[4:]}"
        for annotation, clock in events.items():
            expected.add((session_id, vehicle, annotation, f"2023-07-17 {clock or start}"))
    assert ingest(tree, db).summary.processed_sessions == len(ODD)
    table = db.table()
    moments = map(str, table["timestamp"])
    names = zip(table["session_id"], table["vehicle"], table["annotation"], strict=True)
    assert {(*name, moment) for name, moment in zip(names, moments, strict=True)} == expected


@pytest.fixture
def elasticsearch() -> Iterator[Elastic]:
    with elastic() as running:
        yield running


def documents(server: Elastic) -> set[tuple[str, str]]:
    return {(each["session_id"], each["audio_tag"]) for each in server.documents.values()}


def all_events(*samples: SampleSession) -> set[tuple[str, str]]:
    return {(each.session_id, tag) for each in samples for tag in each.audio_tags}


def test_events_are_in_the_sink_as_in_the_database(
    tree: Tree, db: EventDb, elasticsearch: Elastic
) -> None:
    samples = [sample(number) for number in (1, 2)]
    for each in samples:
        tree.put_session(each)
    for state in (PROCESSED, SessionState.UNCHANGED):
        with opened_event_sink(elasticsearch.url) as sink:
            outcomes = ingest_sessions(tree.s3, db, tree.found(), sink=sink)
        assert {each.state for each in outcomes} == {state}
        assert documents(elasticsearch) == all_events(*samples)
    assert elasticsearch.asked.count("PUT /_bulk") == 1


def test_what_the_sink_could_not_take_comes_again_and_nothing_is_lost(
    tree: Tree, db: EventDb, elasticsearch: Elastic
) -> None:
    tree.put_session(sample())
    elasticsearch.item_next = [200, 429]
    with opened_event_sink(elasticsearch.url) as sink:
        with pytest.raises(EventSinkUnavailableError, match="429"):
            ingest_sessions(tree.s3, db, tree.found(), sink=sink)
        assert not db.session_exists(sample().session_id), "it would never be looked at again"
        (outcome,) = ingest_sessions(tree.s3, db, tree.found(), sink=sink)
    assert (outcome.state, outcome.new_events) == (PROCESSED, 3)
    assert documents(elasticsearch) == all_events(sample())


def test_a_run_killed_after_the_sink_was_written_writes_the_same_again(
    tree: Tree, db: EventDb, elasticsearch: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.put_session(sample())

    def die(_sessions: Sequence[Session]) -> list[Upload]:
        raise KeyboardInterrupt

    with opened_event_sink(elasticsearch.url) as sink:
        with monkeypatch.context() as killed:
            killed.setattr(db, "upload_all", die)
            with pytest.raises(KeyboardInterrupt):
                ingest_sessions(tree.s3, db, tree.found(), sink=sink)
        before = dict(elasticsearch.documents)
        (outcome,) = ingest_sessions(tree.s3, db, tree.found(), sink=sink)
    assert outcome.new_events == 3
    assert elasticsearch.documents == before
    assert documents(elasticsearch) == all_events(sample())


def test_a_document_that_is_refused_is_noted_and_keeps_nobody_out(
    tree: Tree, db: EventDb, elasticsearch: Elastic
) -> None:
    tree.put_session(sample(1))
    tree.put_session(sample(2))
    elasticsearch.item_next = [400]
    with opened_event_sink(elasticsearch.url) as sink:
        first, second = ingest_sessions(tree.s3, db, tree.found(), sink=sink)
    assert {first.state, second.state} == {PROCESSED}
    assert first.detail.startswith("1 event is refused by the event sink: ")
    assert "es_rejected_execution_exception: busy" in first.detail
    assert second.detail == ""
    assert db.event_counts([first.session_id]) == {first.session_id: 3}
    assert len(elasticsearch.documents) == 5


def test_sessions_of_the_old_job_are_left_and_it_is_said(tree: Tree, sql_url: str) -> None:
    make_production_table(sql_url)
    old, new = sample(1), sample(2)
    for session in (old, new):
        tree.put_session(session)
    put_old_row(sql_url, old.session_id, old.audio_tags[0].rpartition("/")[2])
    db = open_event_db(sql_url)
    by_id = {each.session_id: each for each in ingest(tree, db).outcomes}
    assert by_id[old.session_id].state is SessionState.UNCHANGED
    assert by_id[old.session_id].detail == "already there, written by the old job"
    assert by_id[old.session_id].is_complete
    assert by_id[new.session_id].state is PROCESSED
    assert len(production_rows(sql_url)) == 1 + 3
    db.close()

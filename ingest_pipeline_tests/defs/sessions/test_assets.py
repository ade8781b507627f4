import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from dagster._core.definitions.sensor_definition import SensorExecutionData
from PIL import Image
from urllib3 import HTTPResponse

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.metadata import links
from ingest_pipeline.defs.common.partitions import session_days
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.sessions.metadata import (
    describe_found_sessions,
    describe_ingested_sessions,
)
from ingest_pipeline.defs.sessions.schedules import ingest_sessions_schedule
from ingest_pipeline.pipeline.queue import leases as receipts_module
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import SessionOutcome, SessionState
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import FolderProblem, Timeframe
from ingest_pipeline.settings import settings
from ingest_pipeline.values import FIRST_DAY
from ingest_pipeline_tests.defs.runs import (
    RANGE_END,
    RANGE_START,
    passed_checks,
    records,
    run_as_requested,
)
from ingest_pipeline_tests.world import World, bodies, some_ref

JOB = "ingest_sessions"
STEP = "ingest_session_events"
DAYS = ("2024-02-01", "2024-02-29")


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts_module, "_RETRY_SECONDS", 0)


def session(number: int, day: int = 1, month: int = 2) -> SampleSession:
    started = datetime.combine(date(2024, month, day), time(10, number))
    return SampleSession("V236", started, number)


def put(world: World, *sessions: SampleSession, without: Iterable[str] = ()) -> None:
    objects = [each for one in sessions for each in one.objects() if not _ends(each[0], without)]

    def put_one(each: tuple[str, bytes]) -> None:
        world.clients.s3.put_object(Bucket=world.session_bucket, Key=each[0], Body=each[1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_one, objects))


def _ends(key: str, ends: Iterable[str]) -> bool:
    return any(key.endswith(end) for end in ends)


def announce(world: World, *keys: str) -> None:
    """What the bucket says of keys; a session's folder stands for its report."""
    names = [f"{key}x_logged_Upload_Report.json" if key.endswith("/") else key for key in keys]
    refs = [some_ref(world.session_bucket, name) for name in names]
    world.system.queues.session.queue.send_all(map(ingest_body, refs))


def ingest(
    instance: dg.DagsterInstance,
    folders: Iterable[str] = (),
    days: tuple[str, str] = DAYS,
) -> dg.ExecuteInProcessResult:
    config = {"ops": {STEP: {"config": {"folders": list(folders)}}}} if folders else None
    return (
        defs()
        .resolve_job_def(JOB)
        .execute_in_process(
            run_config=config,
            instance=instance,
            tags={RANGE_START: days[0], RANGE_END: days[1]},
            raise_on_error=False,
        )
    )


def tick(instance: dg.DagsterInstance) -> SensorExecutionData:
    definitions = defs()
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        definitions=definitions,
        sensor_name="ingest_sessions_sensor",
        resources=resources(settings()).by_name(),
    ) as context:
        return repository.get_sensor_def("ingest_sessions_sensor").evaluate_tick(context)


def requests(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    found = tick(instance).run_requests or []
    return sorted(found, key=lambda request: request.tags[RANGE_START])


def folders(request: dg.RunRequest) -> list[str]:
    return sorted(request.run_config["ops"][STEP]["config"]["folders"])


def stored_tags() -> dict[str, list[str]]:
    """The audio tags in the event database, by session."""
    with resources(settings()).event_db.opened() as database:
        table = database.table()
    return {str(name): sorted(group["audio_tag"]) for name, group in table.groupby("session_id")}


def outcome(world: World, one: SampleSession) -> SessionRow:
    folder = f"s3://{world.session_bucket}/{one.prefix}"
    row = world.tables.get(SESSION_OUTCOMES, {"folder": folder})
    assert row is not None
    return row


def indexed(world: World, one: SampleSession) -> list[str]:
    keys = [one.prefix + tag for tag in one.audio_tags]
    rows = world.tables.get_many(
        ASSETS, [{"bucket": world.session_bucket, "file": key} for key in keys]
    )
    return sorted(row.file.removeprefix(one.prefix) for row in rows)


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (each for each in result.get_asset_check_evaluations() if each.check_name == name)
    return found


def test_a_run_with_folders_takes_in_these_sessions_only(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    named, other = session(1), session(2)
    put(our_world, named, other)
    result = ingest(instance, [named.prefix])
    assert result.success
    assert stored_tags() == {named.session_id: named.audio_tags}
    row = outcome(our_world, named)
    assert (row.state, row.events, row.is_complete) == (SessionState.PROCESSED, 3, True)
    assert (row.day, row.run_id) == ("2024-02-01", result.run_id)
    assert indexed(our_world, named) == named.audio_tags
    assert passed_checks(result) == {
        "files_are_there": True,
        "events_are_in_the_database": True,
    }


def test_a_run_over_days_takes_in_the_sessions_of_all_of_them_and_of_no_other(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    inside = [session(1, day=1), session(2, day=15), session(3, day=29)]
    put(our_world, *inside, session(4, month=1, day=31), session(5, month=3, day=1))
    result = ingest(instance)
    assert result.success
    assert stored_tags() == {each.session_id: each.audio_tags for each in inside}
    partitions = {event.partition for event in result.asset_materializations_for_node(STEP)}
    assert len(partitions) == 29

    again = ingest(instance)
    assert again.success
    assert stored_tags() == {each.session_id: each.audio_tags for each in inside}
    assert outcome(our_world, inside[0]).run_id == result.run_id, "what was done stays on record"


def test_a_missing_recording_is_a_warning_and_completed_by_a_later_run(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    half = session(1)
    missing = half.audio_tags[1]
    put(our_world, half, without=[missing])
    result = ingest(instance)
    assert result.success
    warning = check(result, "files_are_there")
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    folder = f"s3://{our_world.session_bucket}/{half.prefix}"
    assert {name: value.value for name, value in warning.metadata.items()} == {
        "number": 1,
        "the first": [f"{folder}{missing}: the report lists it, but it is not in the bucket"],
    }
    assert check(result, "events_are_in_the_database").passed
    assert not outcome(our_world, half).is_complete

    put(our_world, half)
    assert passed_checks(ingest(instance))["files_are_there"]
    assert stored_tags() == {half.session_id: half.audio_tags}
    assert outcome(our_world, half).is_complete
    assert indexed(our_world, half) == half.audio_tags


def test_what_a_killed_run_had_only_in_the_database_is_finished_by_the_next(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    one = session(1)
    put(our_world, one)
    assert ingest(instance).success
    our_world.tables.delete(SESSION_OUTCOMES, {"folder": outcome(our_world, one).folder})
    for tag in one.audio_tags:
        our_world.tables.delete(
            ASSETS, {"bucket": our_world.session_bucket, "file": one.prefix + tag}
        )
    result = ingest(instance)
    assert passed_checks(result)["events_are_in_the_database"]
    assert indexed(our_world, one) == one.audio_tags
    row = outcome(our_world, one)
    assert (row.state, row.events, row.new_events) == (SessionState.PROCESSED, 3, 0)
    assert row.is_complete


def test_events_that_the_database_holds_beside_the_report_fail_the_check(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    half = session(1)
    put(our_world, half, without=[half.audio_tags[0]])
    assert check(ingest(instance), "events_are_in_the_database").passed
    # The recording that was read is gone, another has come: the database now holds three of two.
    our_world.clients.s3.delete_object(
        Bucket=our_world.session_bucket, Key=half.prefix + half.audio_tags[1]
    )
    put(our_world, half, without=half.audio_tags[1:])
    wrong = check(ingest(instance), "events_are_in_the_database")
    assert not wrong.passed
    assert wrong.metadata["number"].value == 1
    assert wrong.metadata["the first"].value == [f"{half.session_id}: 3 instead of 2"]


def test_the_metadata_of_a_run_are_the_tables_that_people_read(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    complete, without_events = session(1), SampleSession("V237", datetime(2024, 2, 2), 2, tags=0)  # noqa: DTZ001
    put(our_world, complete, without_events)
    our_world.clients.s3.put_object(
        Bucket=our_world.session_bucket, Key="V238/240231/100000/x/file", Body=b""
    )
    result = ingest(instance)
    assert result.success
    reports, events = shown(result, "session_reports"), shown(result, "session_events")
    assert reports["sessions"] == 2
    assert reports["states"] == {"processed": 1, "skipped": 1}
    alternative, content = reports["by day and vehicle"].split("](data:image/png;base64,")
    assert alternative == "![sessions by day and vehicle"
    pixels = Image.open(io.BytesIO(base64.b64decode(content.removesuffix(")")))).convert("RGB")
    colours = {colour for number, colour in pixels.getcolors(1 << 16) or [] if number > 1000}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} < colours, "a bar for each vehicle"
    assert reports["folders that are no date or time"] == [
        f"s3://{our_world.session_bucket}/V238/240231/: '240231' is no date YYMMDD"
    ]
    assert events["events"] == 3
    assert records(events["summary"]) == [[1, 1, 2]]
    assert without_events.session_id in {
        cell for row in records(events["no events"]) for cell in row
    }
    assert records(events["skipped"]) == []
    assert records(events["processed"])[0][0] == complete.session_id


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What the UI shows of an asset, on each of its days."""
    first, *_ = (
        event
        for event in result.asset_materializations_for_node(STEP)
        if event.asset_key == dg.AssetKey(asset)
    )
    return {
        name: value if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in first.metadata.items()
    }


def test_both_assets_tell_their_columns_and_how_fresh_they_must_be() -> None:
    with resources(settings()).event_db.opened() as database:
        events = database.table().columns
    expected = {"session_reports": list(SessionRow.model_fields), "session_events": list(events)}
    for name, columns in expected.items():
        spec = defs().get_assets_def(name).get_asset_spec(dg.AssetKey(name))
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns] == columns
        assert all(column.description for column in schema.columns)
        assert spec.freshness_policy is not None
        assert spec.description


def test_names_from_outside_do_not_act_in_the_tables_and_long_tables_are_cut() -> None:
    name = "<script>|`a`|[x](http://y)"
    outcomes = tuple(
        SessionOutcome(
            session_id=f"{name}{number}",
            folder=f"s3://sessions/{name.replace('/', '')}/240201/100000/{number}/",
            state=SessionState.PROCESSED,
        )
        for number in range(150)
    )
    report = JobReport(
        timeframe=Timeframe.of_days(date(2024, 2, 1), date(2024, 2, 1)),
        outcomes=outcomes,
        problems=tuple(FolderProblem(folder=f"s3://sessions/{n}", reason="x") for n in range(150)),
    )
    found, ingested = describe_found_sessions(report), describe_ingested_sessions(report)
    rows = records(ingested["processed"])
    assert rows[0][0] == f"{name}0", "the cells of a table are text: they need no escapes"
    assert len({len(row) for row in rows}) == 1
    assert rows[-1][0] == "and 50 more"
    assert len(rows) == 101
    shown = str(links([some_ref("ingest", name)], "http://localhost").value)
    assert not {"<", "`"} & set(shown)
    assert shown.count("[") == shown.count("](") == 1
    assert name not in str(found["by day and vehicle"].value)
    problems = found["folders that are no date or time"].value
    assert isinstance(problems, list)
    assert len(problems) == 100


def test_the_schedule_asks_for_the_last_seven_days_in_one_run() -> None:
    assert ingest_sessions_schedule.cron_schedule == "*/20 * * * 1-6"
    assert ingest_sessions_schedule.execution_timezone == "UTC"
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2024, 3, 2, 23, 40, tzinfo=UTC)
    )
    (request,) = ingest_sessions_schedule.evaluate_tick(context).run_requests or []
    assert request.tags[RANGE_START] == "2024-02-25"
    assert request.tags[RANGE_END] == "2024-03-02"
    assert request.partition_key is None
    assert not request.run_config


def test_what_the_schedule_asks_for_completes_a_session_of_today(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    now = datetime.now(UTC)
    one = SampleSession("V236", datetime.combine(now.date(), time.min), 1)
    put(our_world, one)
    context = dg.build_schedule_context(scheduled_execution_time=now)
    (request,) = ingest_sessions_schedule.evaluate_tick(context).run_requests or []
    assert run_as_requested(instance, JOB, request).success
    assert stored_tags() == {one.session_id: one.audio_tags}


def test_sessions_of_a_month_share_a_run_over_their_days(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    sessions = [session(1, day=3), session(2, day=3), session(3, day=20)]
    put(our_world, *sessions)
    announce(our_world, *(each.prefix for each in sessions))
    (request,) = requests(instance)
    assert folders(request) == [each.prefix for each in sessions]
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2024-02-03", "2024-02-20")
    assert request.run_key == request.tags[BATCH_TAG]

    assert run_as_requested(instance, JOB, request).success
    assert stored_tags() == {each.session_id: each.audio_tags for each in sessions}
    assert our_world.system.queues.session.queue.depth() == Depth(waiting=0, in_flight=0)


def test_each_month_has_a_run_of_its_own(our_world: World, instance: dg.DagsterInstance) -> None:
    sessions = [session(1, month=2, day=29), session(2, month=3, day=1)]
    announce(our_world, *(each.prefix for each in sessions))
    february, march = requests(instance)
    assert (folders(february), folders(march)) == ([sessions[0].prefix], [sessions[1].prefix])
    assert {february.tags[RANGE_START], february.tags[RANGE_END]} == {"2024-02-29"}
    assert {march.tags[RANGE_START], march.tags[RANGE_END]} == {"2024-03-01"}


def test_other_files_of_a_session_start_nothing(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    announce(our_world, *(key for key, _ in session(1).objects() if not key.endswith(".json")))
    assert tick(instance).skip_message == "no messages"
    assert our_world.system.queues.session.queue.depth() == Depth(waiting=0, in_flight=0)
    assert our_world.system.queues.session.dead_letters.depth().waiting == 0


def in_two_days() -> str:
    return f"V236/{datetime.now(UTC) + timedelta(days=2):%y%m%d}/000000/session/"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("logged_Upload_Report.json", "is not below <VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/"),
        ("V236/240201/logged_Upload_Report.json", "is not below"),
        ("V236/991332/100000/session/", "'991332' is no date YYMMDD"),
        ("V236/240201/250000/session/", "'250000' is no time HHMMSS"),
        ("V236/141231/100000/session/", "2014-12-31 lies before 2015 or in the future"),
        pytest.param(in_two_days(), "lies before 2015 or in the future", id="in-two-days"),
    ],
)
def test_a_report_whose_place_tells_no_day_goes_to_the_dead_letters(
    our_world: World, instance: dg.DagsterInstance, key: str, problem: str
) -> None:
    good = session(1)
    announce(our_world, key, good.prefix)
    (request,) = requests(instance)
    assert folders(request) == [good.prefix]
    (dead,) = our_world.clients.sqs.receive_message(
        QueueUrl=our_world.system.queues.session.dead_letters.url, MessageAttributeNames=["All"]
    )["Messages"]
    assert problem in dead["MessageAttributes"]["problem"]["StringValue"]


def test_a_vehicle_whose_clock_is_ahead_of_utc_is_not_in_the_future(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    in_the_far_east = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=13)
    one = SampleSession("V236", in_the_far_east, 1)
    put(our_world, one)
    announce(our_world, one.prefix)
    (request,) = requests(instance)
    assert run_as_requested(instance, JOB, request).success
    assert stored_tags() == {one.session_id: one.audio_tags}


def test_the_message_of_a_session_that_s3_did_not_show_comes_again(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    one = session(1)
    put(our_world, one)
    announce(our_world, one.prefix)
    (request,) = requests(instance)

    def refuse(request: Any, **_: Any) -> AWSResponse:
        body = b"<Error><Code>AccessDenied</Code><Message>not now</Message></Error>"
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse(str(request.url), 403, HTTPHeaders(), raw)

    events = resources(settings()).aws.s3.meta.events
    # The stubs do not know that an answer of this event is taken instead of the server's.
    events.register("before-send.s3.GetObject", refuse)  # type: ignore[arg-type]
    try:
        result = run_as_requested(instance, JOB, request)
        assert not result.success, "its last step says what is to be tried again"
    finally:
        events.unregister("before-send.s3.GetObject", refuse)  # type: ignore[arg-type]
    assert outcome(our_world, one).state is SessionState.SKIPPED
    assert our_world.system.queues.session.queue.depth() == Depth(waiting=1, in_flight=0)

    (again,) = requests(instance)
    assert run_as_requested(instance, JOB, again).success
    assert stored_tags() == {one.session_id: one.audio_tags}
    assert bodies(our_world.system.queues.session.queue) == []


def test_there_is_a_partition_for_each_day_a_session_can_be_dated() -> None:
    keys = session_days.get_partition_keys()
    assert keys[0] == f"{FIRST_DAY:%Y-%m-%d}"
    assert f"{datetime.now(UTC) + timedelta(hours=14):%Y-%m-%d}" in keys

import io
import json
from typing import Any

import dagster as dg
from botocore.awsrequest import AWSResponse, HTTPHeaders
from urllib3 import HTTPResponse

from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.sessions.model import SessionState
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.defs.runs import (
    passed_checks,
    run_as_requested,
)
from ingest_pipeline_tests.defs.sessions.helpers import (
    JOB,
    STEP,
    announce,
    check,
    indexed,
    ingest,
    outcome,
    put,
    requests,
    session,
    stored_tags,
)
from ingest_pipeline_tests.world import World, bodies


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
        "sessions_are_complete": True,
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


def test_a_recording_with_an_odd_name_is_not_missing(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    one = session(1)
    listed = {**one.report, "FileList": [{"file": path} for path in ("odd.wav", *one.audio_tags)]}
    put(our_world, one)
    for path, body in (("odd.wav", b""), ("x_logged_Upload_Report.json", json.dumps(listed))):
        our_world.clients.s3.put_object(
            Bucket=our_world.session_bucket, Key=one.prefix + path, Body=body
        )
    result = ingest(instance)
    assert passed_checks(result)["files_are_there"]
    assert [each.audio_tag for each in outcome(our_world, one).problems] == ["odd.wav"]


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


def test_a_run_that_finds_nothing_does_not_paint_green_what_another_found(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    half = session(1)
    put(our_world, half, without=[half.audio_tags[0]])
    assert not passed_checks(ingest(instance))["files_are_there"]
    empty = ingest(instance, days=("2024-03-01", "2024-03-07"))
    assert passed_checks(empty) == {
        "files_are_there": False,
        "sessions_are_complete": False,
        "events_are_in_the_database": True,
    }
    assert check(empty, "sessions_are_complete").metadata["number"].value == 1
    put(our_world, half)
    ingest(instance)
    assert all(passed_checks(ingest(instance, days=("2024-03-01", "2024-03-07"))).values())

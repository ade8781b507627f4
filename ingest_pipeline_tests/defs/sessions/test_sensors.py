from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline_tests.defs.runs import (
    RANGE_END,
    RANGE_START,
    run_as_requested,
)
from ingest_pipeline_tests.defs.sessions.helpers import (
    JOB,
    announce,
    folders,
    put,
    requests,
    session,
    stored_tags,
    tick,
)
from ingest_pipeline_tests.world import World


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

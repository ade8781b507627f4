import json
import time

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.records.model import (
    Outcome,
)
from ingest_pipeline.records.tables import (
    RECEIPTS,
)
from ingest_pipeline.settings import settings
from ingest_pipeline.values import FIRST_DAY
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import (
    objects_config,
    requests,
    run_as_requested,
    tick,
    wait_to_start,
)
from ingest_pipeline_tests.world import World, some_ref


def test_an_empty_queue_is_skipped(our_world: World, instance: dg.DagsterInstance) -> None:
    assert our_world.system.queues.ingest.queue.depth().waiting == 0
    for name in ("ingest_objects_sensor", "delete_objects_sensor"):
        assert tick(instance, name).skip_message == "no messages"


def test_a_run_is_asked_for_by_day_with_its_objects_and_its_batch(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = [our_world.put(f"dir/{n}.wav", wavs.valid()) for n in range(4)]
    our_world.send(*refs)
    (request,) = requests(instance)
    batch = request.tags[BATCH_TAG]
    row = our_world.tables.get(RECEIPTS, {"batch": batch})
    assert row is not None
    assert len(row.receipts) == 4
    assert (request.run_key, request.partition_key) == (batch, refs[0].day)
    objects = request.run_config["ops"]["ingest_batch"]["config"]["objects"]
    assert sorted(each["key"] for each in objects) == [ref.key for ref in refs]
    named = {ref.key: objects_config([ref]) for ref in refs}
    for each in objects:
        assert {"ops": {"ingest_batch": {"config": {"objects": [each]}}}} == named[each["key"]]
    assert request.tags["ingest/objects"] == "4"
    assert request.tags["ingest/files"].count(".wav") == 3


def test_what_is_asked_for_runs(our_world: World, instance: dg.DagsterInstance) -> None:
    ref = our_world.put("Übung 1+1%\n.wav", wavs.valid())
    our_world.send(ref)
    (request,) = requests(instance)
    assert run_as_requested(instance, "ingest_objects", request).success
    assert our_world.report(ref).outcome is Outcome.INDEXED
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)


def test_tags_stay_short_and_plain(our_world: World, instance: dg.DagsterInstance) -> None:
    our_world.send(*(some_ref(our_world.bucket, f"{n}{'ü' * 500}") for n in range(5)))
    (request,) = requests(instance)
    assert all(value.isascii() for value in request.tags.values())
    assert sum(len(name) + len(value) for name, value in request.tags.items()) < 1000


def test_each_day_has_a_run_of_its_own(our_world: World, instance: dg.DagsterInstance) -> None:
    days = ["2026-03-01", "2026-03-02"]
    our_world.send(*(some_ref(our_world.bucket, day, arrived=f"{day}T12:00:00Z") for day in days))
    assert sorted(str(request.partition_key) for request in requests(instance)) == days


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00Z", "2014-12-31T23:59:59Z", "2999-01-01T00:00:00Z"]
)
def test_an_event_of_any_time_has_a_partition(
    our_world: World, instance: dg.DagsterInstance, time: str
) -> None:
    body = json.loads(ingest_body(some_ref(our_world.bucket, "a.wav")))
    body["Records"][0]["eventTime"] = time
    our_world.system.queues.ingest.queue.send(json.dumps(body))
    (request,) = requests(instance)
    assert request.partition_key
    assert request.partition_key >= f"{FIRST_DAY:%Y-%m-%d}"


def test_messages_stay_in_the_queue_while_enough_runs_wait_to_start(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    our_world.send(some_ref(our_world.bucket, "a.wav"))
    for _ in range(settings().max_queued_runs):
        wait_to_start(instance, "ingest_objects", "ingest_consumer")
    assert tick(instance).skip_message == "4 runs wait to start: messages stay in SQS meanwhile"
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=1, in_flight=0)


def test_messages_of_a_run_that_waits_to_start_stay_hidden(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_VISIBILITY_SECONDS", "10")
    settings.cache_clear()
    queue = our_world.system.queues.ingest.queue
    our_world.send(some_ref(our_world.bucket, "a.wav"))
    (request,) = requests(instance)
    (batch,) = our_world.tables.get_many(RECEIPTS, [{"batch": request.tags[BATCH_TAG]}])
    queue.hide([receipt.handle for receipt in batch.receipts], 2)  # nearly over
    definition = defs().resolve_job_def("ingest_objects")
    instance.create_run_for_job(
        definition, status=dg.DagsterRunStatus.NOT_STARTED, tags=dict(request.tags)
    )
    found = tick(instance)
    assert found.cursor
    assert not found.run_requests
    time.sleep(3)
    assert queue.depth() == Depth(waiting=0, in_flight=1)


def test_batches_of_repeated_messages_grow_with_every_run_that_went_well(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_MAX_OBJECTS_PER_RUN", "16")
    settings.cache_clear()
    refs = [our_world.put(f"{n}.wav", wavs.valid()) for n in range(30)]
    our_world.send(*refs)
    queue = our_world.system.queues.ingest.queue
    for _ in range(3):
        died = queue.receive(60)  # by a run that died
        queue.hide([message.handle for message in died], 3)
    time.sleep(4)
    sizes = []
    while found := requests(instance):
        sizes += [int(request.tags["ingest/objects"]) for request in found]
        for request in found:
            assert run_as_requested(instance, "ingest_objects", request).success
    assert sizes[:5] == [2] * 5, "ten messages are received at a time"
    assert sizes[5:] == [16, 4], "and all of these went well"


def test_runs_of_the_other_job_do_not_count(our_world: World, instance: dg.DagsterInstance) -> None:
    our_world.send(some_ref(our_world.bucket, "a.wav"))
    for _ in range(settings().max_queued_runs):
        wait_to_start(instance, "delete_objects", "delete_consumer")
    assert len(requests(instance)) == 1


def test_a_tick_takes_no_more_than_free_runs_can_work_on(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_MAX_OBJECTS_PER_RUN", "10")
    settings.cache_clear()
    our_world.send(*(some_ref(our_world.bucket, f"{n}.wav") for n in range(50)))
    for _ in range(settings().max_queued_runs - 1):
        wait_to_start(instance, "ingest_objects", "ingest_consumer")
    assert len(requests(instance)) == 1
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=40, in_flight=10)


def test_junk_starts_nothing_and_is_put_aside(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    our_world.system.queues.ingest.queue.send_all(["junk", '{"Event": "s3:TestEvent"}', "[]"])
    assert tick(instance).skip_message == "no messages"
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)
    assert our_world.system.queues.ingest.dead_letters.depth().waiting == 2

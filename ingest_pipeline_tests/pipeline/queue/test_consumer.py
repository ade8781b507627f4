import json

import pytest

from ingest_pipeline.aws.events import delete_order_body, ingest_body
from ingest_pipeline.aws.queues import Depth, Queue
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.records.model import ReceiptBatch
from ingest_pipeline.records.tables import RECEIPTS
from ingest_pipeline.trace import working_for
from ingest_pipeline_tests.world import World, some_ref


def send_refs(world: World, count: int, **fields: object) -> None:
    world.send(*(some_ref(world.bucket, f"{n:03}.wav", **fields) for n in range(count)))


def receipts_on_record(world: World, batch: Batch) -> ReceiptBatch:
    row = world.tables.get(RECEIPTS, {"batch": batch.id})
    assert row is not None
    return row


def dead_letters(world: World, queue: Queue) -> list[tuple[str, str]]:
    """Bodies and problems."""
    messages = world.clients.sqs.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages", [])
    return [
        (message["Body"], message["MessageAttributes"]["problem"]["StringValue"])
        for message in messages
    ]


def test_an_empty_queue_makes_no_batch(world: World) -> None:
    assert world.wired.ingest_consumer.consumer.poll(slots=2) == []


def test_the_receipts_of_each_batch_are_on_record_before_anything_is_started(world: World) -> None:
    send_refs(world, 25)
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=2)
    assert len(batch.objects) == 25
    assert receipts_on_record(world, batch).receipts == batch.receipts
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=25)


def test_no_more_is_received_than_can_be_started(world: World) -> None:
    config = world.settings.model_copy(update={"max_objects_per_run": 10})
    send_refs(world, 75)
    batches = resources(config).ingest_consumer.consumer.poll(slots=2)
    assert [len(batch.objects) for batch in batches] == [10, 10]
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=55, in_flight=20)


def test_many_small_batches_end_a_tick_too(world: World) -> None:
    world.send(
        *(
            some_ref(world.bucket, f"{day}", arrived=f"2026-03-{day}T00:00:00Z")
            for day in range(10, 30)
        )
    )
    batches = world.wired.ingest_consumer.consumer.poll(slots=2)
    assert 2 < len(batches) <= 10
    assert world.system.queues.ingest.queue.depth().waiting == 10


@pytest.mark.parametrize("body", ["junk", "[]", json.dumps({"Records": []})])
def test_junk_goes_to_the_dead_letters_at_once_with_the_problem(world: World, body: str) -> None:
    world.system.queues.ingest.queue.send(body)
    send_refs(world, 1)
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=2)
    assert [ref.key for ref in batch.objects] == ["000.wav"]
    ((dead, problem),) = dead_letters(world, world.system.queues.ingest.dead_letters)
    assert dead == body
    assert problem
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=1)


def test_messages_that_name_nothing_are_done_with(world: World) -> None:
    world.system.queues.ingest.queue.send(json.dumps({"Event": "s3:TestEvent"}))
    assert world.wired.ingest_consumer.consumer.poll(slots=2) == []
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)
    assert dead_letters(world, world.system.queues.ingest.dead_letters) == []


def test_the_good_records_of_a_half_bad_message_are_taken_in(world: World) -> None:
    good = json.loads(ingest_body(some_ref(world.bucket, "good.wav")))["Records"]
    body = json.dumps({"Records": [*good, {"eventName": "ObjectCreated:Put"}]})
    world.system.queues.ingest.queue.send(body)
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=2)
    assert [ref.key for ref in batch.objects] == ["good.wav"]
    ((dead, problem),) = dead_letters(world, world.system.queues.ingest.dead_letters)
    assert (dead, problem[:8]) == (body, "record 2")


def test_an_event_without_a_time_keeps_its_day_when_it_comes_again(world: World) -> None:
    record = json.loads(ingest_body(some_ref(world.bucket, "a.wav")))["Records"][0]
    del record["eventTime"]
    world.system.queues.ingest.queue.send(json.dumps({"Records": [record]}))
    arrivals = set()
    for _ in range(3):
        (batch,) = world.wired.ingest_consumer.consumer.poll(slots=2)
        arrivals |= {ref.arrived for ref in batch.objects}
        world.system.queues.ingest.queue.hide([batch.receipts[0].handle], 0)
    assert len(arrivals) == 1


def test_what_comes_again_comes_in_smaller_batches(world: World) -> None:
    send_refs(world, 30)
    for expected in ([30], [30], [7, 7, 7, 7, 2], [1] * 30):
        batches = world.wired.ingest_consumer.consumer.poll(slots=100)
        assert [len(batch.objects) for batch in batches] == expected
        world.system.queues.ingest.queue.hide(
            [receipt.handle for batch in batches for receipt in batch.receipts], 0
        )


def test_orders_for_our_objects_are_taken_and_foreign_ones_refused(world: World) -> None:
    ours, foreign = (delete_order_body(bucket, "a.wav") for bucket in (world.bucket, "foreign"))
    world.system.queues.delete.queue.send_all([ours, foreign, "junk"])
    (batch,) = world.wired.delete_consumer.consumer.poll(slots=2)
    assert [(ref.bucket, ref.key) for ref in batch.objects] == [(world.bucket, "a.wav")]
    problems = dict(dead_letters(world, world.system.queues.delete.dead_letters))
    assert problems.keys() == {foreign, "junk"}
    assert problems[foreign] == "refused: s3://foreign/a.wav lies in no source"


def test_a_batch_tells_the_requests_that_asked_for_it(world: World) -> None:
    queue = world.system.queues.ingest.queue
    for number in range(7):
        with working_for(f"r-{number // 2}"):
            queue.send(ingest_body(some_ref(world.bucket, f"{number}.wav")))
    queue.send(ingest_body(some_ref(world.bucket, "odd.wav")), request_id="not\ta token")
    send_refs(world, 1)
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=1)
    assert sorted(batch.requests.split(" ")) == ["r-0", "r-1", "r-2", "r-3"]
    assert "r-0" not in receipts_on_record(world, batch).model_dump_json(), "older versions read it"

import pytest

from ingest_pipeline.aws.queues import Depth, Message, Queue
from ingest_pipeline.trace import working_for
from ingest_pipeline_tests.world import World, bodies

HIDDEN = 600  # seconds: longer than any test


@pytest.fixture
def queue(world: World) -> Queue:
    return world.system.queues.ingest.queue


def handles(messages: list[Message]) -> list[str]:
    return [message.handle for message in messages]


def received(queue: Queue) -> list[Message]:
    found: list[Message] = []
    while messages := queue.receive(HIDDEN):
        found += messages
    return found


@pytest.mark.parametrize("count", [0, 1, 10, 11, 35])
def test_messages_of_any_number_are_sent_and_received_once(queue: Queue, count: int) -> None:
    sent = [f"body {number} Übung\n" for number in range(count)]
    assert queue.send_all(iter(sent)) == count
    assert queue.depth() == Depth(waiting=count, in_flight=0)
    messages = received(queue)
    assert sorted(message.body for message in messages) == sorted(sent)
    assert len({message.id for message in messages}) == count
    assert {message.receive_count for message in messages} <= {1}
    assert queue.depth() == Depth(waiting=0, in_flight=count)


def test_a_deleted_message_does_not_come_again(queue: Queue) -> None:
    queue.send_all(f"{number}" for number in range(25))
    messages = received(queue)
    queue.delete(handles(messages[:12]))
    queue.hide(handles(messages), 0)
    assert sorted(bodies(queue)) == sorted(message.body for message in messages[12:])
    assert queue.depth() == Depth(waiting=0, in_flight=0)


def test_a_message_that_is_shown_again_counts_its_deliveries(queue: Queue) -> None:
    queue.send("body")
    for delivery in (1, 2, 3):
        (message,) = queue.receive(HIDDEN)
        assert (message.body, message.receive_count) == ("body", delivery)
        assert queue.receive(HIDDEN) == []
        queue.hide([message.handle], 0)


def test_handles_that_are_no_longer_good_are_passed_over(queue: Queue) -> None:
    queue.send_all(["1", "2"])
    messages = received(queue)
    queue.delete(handles(messages[:1]))
    queue.delete(handles(messages))
    queue.hide(handles(messages), 0)
    queue.delete([])
    queue.hide([], 0)
    assert bodies(queue) == []


def test_attributes_go_with_a_message(world: World, queue: Queue) -> None:
    queue.send("body", problem="record 1: Übung")
    (message,) = world.clients.sqs.receive_message(
        QueueUrl=queue.url, MessageAttributeNames=["All"]
    )["Messages"]
    assert message["MessageAttributes"]["problem"]["StringValue"] == "record 1: Übung"


def test_a_batch_that_sqs_refuses_is_an_error(queue: Queue) -> None:
    with pytest.raises(RuntimeError, match="refused 1 messages"):
        queue.send_all(["", "fine"])


def test_a_queue_that_does_not_exist_is_an_error(world: World) -> None:
    with pytest.raises(world.clients.sqs.exceptions.QueueDoesNotExist):
        Queue(world.clients.sqs, "no such queue").receive(HIDDEN)


def test_messages_tell_the_request_that_they_come_of(queue: Queue) -> None:
    with working_for("r-1"):
        queue.send("one", problem="odd")
        queue.send_all(["two"])
    queue.send("three")
    told = {message.body: dict(message.attributes) for message in received(queue)}
    assert told == {
        "one": {"problem": "odd", "request_id": "r-1"},
        "two": {"request_id": "r-1"},
        "three": {},
    }

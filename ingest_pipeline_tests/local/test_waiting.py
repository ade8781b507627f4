"""Receives that wait at the queues of the embedded AWS."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.local.test_embedded_aws import BUCKET, arrivals, url

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

INGEST = "s3-ingest-messages"


@pytest.fixture
def queue(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """A queue of its own."""
    sqs = embedded_aws.clients.sqs
    made = sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    yield made
    sqs.delete_queue(QueueUrl=made)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def receive(
    clients: Clients, queue: str, wait: int = 19, hidden: int = 30
) -> tuple[list["MessageTypeDef"], float]:
    """What came, and when."""
    answer = clients.sqs.receive_message(
        QueueUrl=queue, WaitTimeSeconds=wait, VisibilityTimeout=hidden
    )
    return answer.get("Messages", []), time.monotonic()


def waits(
    pool: ThreadPoolExecutor, clients: Clients, queue: str
) -> Future[tuple[list["MessageTypeDef"], float]]:
    """A receive that is at the queue by now."""
    future = pool.submit(receive, clients, queue)
    time.sleep(0.5)
    assert not future.done()
    return future


def send(clients: Clients, queue: str) -> None:
    clients.sqs.send_message(QueueUrl=queue, MessageBody="x")


def send_batch(clients: Clients, queue: str) -> None:
    clients.sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": "0", "MessageBody": "x", "DelaySeconds": 0}]
    )


@pytest.mark.parametrize("give", [send, send_batch])
def test_a_message_wakes_who_waits(
    embedded_aws: EmbeddedAws,
    pool: ThreadPoolExecutor,
    queue: str,
    give: Callable[[Clients, str], None],
) -> None:
    waiting = waits(pool, embedded_aws.clients, queue)
    begun = time.monotonic()
    give(embedded_aws.clients, queue)
    messages, at = waiting.result(30)
    assert [message["Body"] for message in messages] == ["x"]
    assert at - begun < 1


def test_an_upload_wakes_who_waits_at_once(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    aws = EmbeddedAws(tmp_path)
    aws.start()
    try:
        aws.wait_ready()
        clients, ingest, late = aws.clients, url(aws.clients, INGEST), []
        arrivals(clients)
        for number in range(10):
            waiting = waits(pool, clients, ingest)
            clients.s3.put_object(Bucket=BUCKET, Key=f"{number}.wav", Body=b"x")
            put = time.monotonic()
            (message,), at = waiting.result(30)
            assert (
                json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == f"{number}.wav"
            )
            late.append(at - put)
        assert sorted(late)[5] < 0.05, "ten looks a second find it after 0.05 s on average"
    finally:
        aws.stop()


def test_a_message_that_comes_back_wakes_who_waits(
    embedded_aws: EmbeddedAws, pool: ThreadPoolExecutor, queue: str
) -> None:
    clients = embedded_aws.clients
    send(clients, queue)
    begun = time.monotonic()
    receive(clients, queue, hidden=3)
    messages, at = waits(pool, clients, queue).result(30)
    assert len(messages) == 1
    assert 2.5 < at - begun < 6


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_message_that_is_shown_sooner_wakes_who_waits(
    embedded_aws: EmbeddedAws, pool: ThreadPoolExecutor, queue: str, seconds: int
) -> None:
    clients = embedded_aws.clients
    send(clients, queue)
    (message,), _ = receive(clients, queue, hidden=600)
    waiting, begun = waits(pool, clients, queue), time.monotonic()
    clients.sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
    )
    messages, at = waiting.result(30)
    assert len(messages) == 1
    assert seconds - 0.1 < at - begun < seconds + 2


def test_a_wait_ends_when_it_was_asked_to(embedded_aws: EmbeddedAws, queue: str) -> None:
    begun = time.monotonic()
    messages, at = receive(embedded_aws.clients, queue, wait=1)
    assert messages == []
    assert 0.9 < at - begun < 3


def test_a_client_that_is_gone_gets_no_message(embedded_aws: EmbeddedAws, queue: str) -> None:
    clients = embedded_aws.clients
    asked: dict[str, Any] = {"QueueUrl": queue, "WaitTimeSeconds": 19, "VisibilityTimeout": 600}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            str(embedded_aws.settings.aws_endpoint),
            headers={"x-amz-target": "AmazonSQS.ReceiveMessage"},
            json=asked,
            timeout=1,
            trust_env=False,
        )
    time.sleep(0.5)
    send(clients, queue)
    assert len(receive(clients, queue, wait=3)[0]) == 1, "it was hidden for ten minutes"


def test_who_waits_at_empty_queues_costs_next_to_nothing(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    aws = EmbeddedAws(tmp_path)
    aws.start()
    try:
        aws.wait_ready()
        queues = aws.clients.sqs.list_queues()["QueueUrls"][:6]
        for queue in queues:
            aws.clients.sqs.purge_queue(QueueUrl=queue)  # what S3 says of a new notification
        waiting = [pool.submit(receive, aws.clients, queue) for queue in queues]
        process = psutil.Process(aws.pid)
        written = settled_writes(process)
        before = process.cpu_times()
        time.sleep(8)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        assert used < 0.4, "a twentieth of a core; a hundredth where nothing else runs"
        assert process.io_counters().write_bytes == written
        begun = time.monotonic()
        assert aws.stop() == 0
        assert time.monotonic() - begun < 10, "a stop does not wait for them"
        assert [future.result(1)[0] for future in waiting] == [[]] * 6
    finally:
        aws.stop()


def settled_writes(process: psutil.Process) -> int:
    """The bytes written once the saves of the start are over: none for eight seconds."""
    for _ in range(10):
        written: int = process.io_counters().write_bytes
        time.sleep(8)
        if process.io_counters().write_bytes == written:
            return written
    raise TimeoutError("it goes on writing")

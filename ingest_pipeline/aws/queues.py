"""An SQS queue: messages in, receipts out."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

from more_itertools import chunked

from ingest_pipeline.aws.resources import queue_url
from ingest_pipeline.trace import REQUEST_ATTRIBUTE, request_id

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_BATCH = 10  # SQS's limit of entries in one call
_AT_ONCE = 4  # calls: most of their time is waiting
_RECEIVES_AT_ONCE = 8


@dataclass(frozen=True)
class Message:
    """A received message; `handle` deletes it, and is good for this delivery only."""

    id: str
    handle: str
    body: str
    receive_count: int
    sent_at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)  # the sender's own


@dataclass(frozen=True)
class Depth:
    """Approximate numbers of messages: waiting, and received but not yet deleted."""

    waiting: int
    in_flight: int


class Queue:
    """A queue by name; its URL is asked for once."""

    def __init__(self, sqs: "SQSClient", name: str) -> None:
        self._sqs = sqs
        self.name = name

    @cached_property
    def url(self) -> str:
        """The queue's URL."""
        return queue_url(self._sqs, self.name)

    def receive(self, visibility_seconds: int, wait_seconds: int = 0) -> list[Message]:
        """Up to ten messages, hidden from others for so long; empty when none come in time."""
        response = self._sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=visibility_seconds,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        return [
            Message(
                id=message["MessageId"],
                handle=message["ReceiptHandle"],
                body=message["Body"],
                receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
                sent_at=datetime.fromtimestamp(
                    int(message["Attributes"]["SentTimestamp"]) / 1000, UTC
                ),
                attributes={
                    name: attribute["StringValue"]
                    for name, attribute in message.get("MessageAttributes", {}).items()
                    if "StringValue" in attribute
                },
            )
            for message in response.get("Messages", [])
        ]

    def receive_many(self, visibility_seconds: int, wanted: int) -> list[Message]:
        """About so many messages of those that wait, by some calls side by side."""
        calls = min(_RECEIVES_AT_ONCE, ceil(wanted / _BATCH))
        with ThreadPoolExecutor(calls) as pool:
            received = pool.map(lambda _: self.receive(visibility_seconds), range(calls))
            return [message for messages in received for message in messages]

    def send(self, body: str, **attributes: str) -> None:
        """Send one message with string attributes, and with the request that it comes of."""
        self._sqs.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageAttributes=_attributes(attributes | _request()),
        )

    def send_all(self, bodies: Iterable[str]) -> int:
        """Send many messages; how many were sent.

        Raises:
            RuntimeError: SQS refused some; the message names the first reason.
        """
        sent = 0
        for batch in chunked(bodies, _BATCH):
            response = self._sqs.send_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {
                        "Id": str(n),
                        "MessageBody": body,
                        "MessageAttributes": _attributes(_request()),
                    }
                    for n, body in enumerate(batch)
                ],
            )
            if failed := response.get("Failed"):
                raise RuntimeError(f"{self.name} refused {len(failed)} messages: {failed[0]}")
            sent += len(batch)
        return sent

    def delete(self, handles: Iterable[str]) -> None:
        """Delete messages; handles that are no longer good are passed over.

        Such a message comes again and finds its outcome on record.
        """
        url = self.url
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(
                lambda batch: self._sqs.delete_message_batch(QueueUrl=url, Entries=_entries(batch)),
                chunked(handles, _BATCH),
            ):
                pass

    def hide(self, handles: Iterable[str], seconds: int) -> None:
        """Hide messages for so many seconds from now; 0 shows them again at once."""
        for batch in chunked(handles, _BATCH):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=_entries(batch, VisibilityTimeout=seconds),
            )

    def depth(self) -> Depth:
        """How many messages wait and are in flight, as SQS estimates it."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
        return Depth(
            waiting=int(attributes["ApproximateNumberOfMessages"]),
            in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )


def _request() -> dict[str, str]:
    request = request_id()
    return {REQUEST_ATTRIBUTE: request} if request else {}


def _attributes(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def _entries(handles: list[str], **fields: int) -> list[Any]:
    return [{"Id": str(n), "ReceiptHandle": handle, **fields} for n, handle in enumerate(handles)]

"""What a sensor's tick does with a queue: receive, understand, batch, keep the receipts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest_pipeline.aws.events import ParsedBody, parse_ingest_body
from ingest_pipeline.aws.queues import Message, Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalog.model import Receipt, ReceiptBatch
from ingest_pipeline.catalog.tables import RECEIPTS
from ingest_pipeline.steps.batching import Batch, Delivery, plan_batches


@dataclass(frozen=True)
class Intake:
    """Receives from a queue as much as can be started, and not more.

    Junk goes to the dead-letter queue at once with the problem as an attribute: five deliveries
    would not make it better, and its neighbours would wait.
    """

    understand: Callable[[Message], ParsedBody]
    queue: Queue
    dead_letters: Queue
    tables: Tables
    visibility_seconds: int
    max_objects: int

    def take(self, slots: int) -> list[Batch]:
        """Batches for about so many runs, their receipts on record."""
        deliveries: list[Delivery] = []
        batches: list[Batch] = []
        while len(batches) <= slots and len(deliveries) < slots * self.max_objects:
            messages = self.queue.receive(self.visibility_seconds)
            if not messages:
                break
            deliveries.extend(self._understood(messages))
            batches = plan_batches(deliveries, self.max_objects)
        self.tables.put(RECEIPTS, map(_receipt_row, batches))
        return batches

    def _understood(self, messages: list[Message]) -> Iterator[Delivery]:
        done: list[str] = []
        for message in messages:
            parsed = self.understand(message)
            if parsed.problems:
                self.dead_letters.send(message.body, problem="; ".join(parsed.problems)[:1000])
            if parsed.objects:
                receipt = Receipt(
                    message_id=message.id, handle=message.handle, objects=parsed.objects
                )
                yield Delivery(receipt, message.receive_count)
            else:
                done.append(message.handle)
        self.queue.delete(done)


def understand_event(message: Message) -> ParsedBody:
    """The objects that a message of the ingest queue names."""
    return parse_ingest_body(message.body, message.sent_at)


def _receipt_row(batch: Batch) -> ReceiptBatch:
    return ReceiptBatch(batch=batch.id, created_at=datetime.now(UTC), receipts=batch.receipts)

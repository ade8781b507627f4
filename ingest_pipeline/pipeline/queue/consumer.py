"""What a sensor's tick does with a queue: poll, parse, batch, put the receipts on record."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.events import ParsedBody, parse_ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.queue.batching import Batch, by_day, plan_batches, runs_needed
from ingest_pipeline.pipeline.queue.leases import receipt_rows
from ingest_pipeline.pipeline.queue.queues import ConsumedQueue
from ingest_pipeline.records.model import ObjectRef, Receipt
from ingest_pipeline.records.tables import RECEIPTS
from ingest_pipeline.trace import REQUEST_ATTRIBUTE, known_id

_A_FLOOD = 5  # messages received at once
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consumer:
    """Receives from a queue as much as can be started, and not more.

    Junk goes to the dead-letter queue at once with the problem as an attribute: five deliveries
    would not make it better, and its neighbours would wait.
    """

    source: ConsumedQueue
    tables: Tables
    parse: Callable[[Message], ParsedBody]
    max_objects: int  # of a batch
    group_of: Callable[[ObjectRef], str] = by_day

    def poll(self, slots: int, growth: int = 1, wait_seconds: int = 0) -> list[Batch]:
        """Batches for about so many runs, their receipts on record; the first may be waited for."""
        receipts: list[Receipt] = []
        queue, hidden = self.source.queue, self.source.visibility_seconds
        messages = queue.receive(hidden, wait_seconds)
        while messages:
            receipts.extend(self._parsed(messages))
            room = slots * self.max_objects - len(receipts)
            if room <= 0 or runs_needed(receipts, self.max_objects, self.group_of, growth) > slots:
                break
            # Half of what a call may bring is a flood: 2,000 messages one call after another would
            # wait 4 s for SQS alone.
            messages = queue.receive_many(hidden, room if len(messages) >= _A_FLOOD else 1)
        batches = plan_batches(receipts, self.max_objects, self.group_of, growth, slots)
        for batch in batches:
            self.tables.put(RECEIPTS, receipt_rows(batch.id, batch.receipts))
        return batches

    def _parsed(self, messages: list[Message]) -> Iterator[Receipt]:
        done: list[str] = []
        for message in messages:
            parsed = self.parse(message)
            explained = self._set_aside(message, parsed.problems) if parsed.problems else True
            if parsed.objects:
                yield Receipt(
                    message_id=message.id,
                    handle=message.handle,
                    objects=parsed.objects,
                    receive_count=message.receive_count,
                    request=known_id(message.attributes.get(REQUEST_ATTRIBUTE)),
                )
            elif explained:
                done.append(message.handle)
        self.source.queue.delete(done)

    def _set_aside(self, message: Message, problems: tuple[str, ...]) -> bool:
        """Whether the dead-letter queue took the message with its problem.

        A body near SQS's limit has no room for the attribute: that one gets there without it,
        after its fifth delivery.
        """
        queue, dead_letters = self.source.queue, self.source.dead_letters
        try:
            dead_letters.send(message.body, problem="; ".join(problems)[:1000])
        except AWS_ERRORS:
            _log.warning("message %s stays in %s: %s", message.id, queue.name, problems[0])
            return False
        return True


def parse_event(message: Message) -> ParsedBody:
    """The objects that a message of the ingest queue names."""
    return parse_ingest_body(message.body, message.sent_at)

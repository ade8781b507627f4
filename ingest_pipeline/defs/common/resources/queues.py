"""A queue as its sensor sees it, and as a run does that answers for its messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from ingest_pipeline.aws.events import ParsedBody
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.defs.common.resources.aws import AwsResource
from ingest_pipeline.pipeline.queue.batching import by_day
from ingest_pipeline.pipeline.queue.consumer import Consumer, parse_event
from ingest_pipeline.pipeline.queue.leases import Leases, leased
from ingest_pipeline.pipeline.queue.queues import ConsumedQueue
from ingest_pipeline.records.model import ObjectRef

if TYPE_CHECKING:
    pass

BATCH_TAG = "ingest/batch"


class ConsumerResource(dg.ConfigurableResource["ConsumerResource"]):
    """A queue that a sensor consumes: its messages name objects, as S3 announces them."""

    aws: dg.ResourceDependency[AwsResource]
    queue: str = Field(description="Name of the queue.")
    dead_letters: str = Field(description="Name of the queue of what was given up on.")
    visibility_seconds: int = Field(description="How soon a dead run's messages come again.")
    max_objects: int = Field(description="Messages of one run, at most.")
    max_queued_runs: int = Field(description="Above it, messages stay in the queue.")

    @property
    def consumer(self) -> Consumer:
        """What polls it."""
        return Consumer(
            ConsumedQueue(
                self.aws.queue(self.queue),
                self.aws.queue(self.dead_letters),
                self.visibility_seconds,
            ),
            self.aws.tables,
            self.parse,
            self.max_objects,
            self.group_of,
        )

    def leases(self, batch: str) -> Leases:
        """The messages of a batch whose run has not started yet."""
        queue = self.aws.queue(self.queue)
        return Leases(queue, self.aws.tables, batch, self.visibility_seconds)

    def parse(self, message: Message) -> ParsedBody:
        """The objects that a message names."""
        return parse_event(message)

    def group_of(self, ref: ObjectRef) -> str:
        """What the objects of one run have in common."""
        return by_day(ref)


class LeasesResource(dg.ConfigurableResource["LeasesResource"]):
    """The messages of the batch that the run's tags name, leased while the run works.

    A run launched by hand or by a backfill names no batch, and has no message to answer for.
    """

    aws: dg.ResourceDependency[AwsResource]
    queue: str = Field(description="Name of the queue that the messages came from.")
    visibility_seconds: int = Field(description="How soon a dead run's messages come again.")

    _leases: Leases | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LeasesResource"]:
        """Lease them for the length of the run."""
        batch = context.run.tags.get(BATCH_TAG) if context.run else None
        queue = self.aws.queue(self.queue)
        with leased(queue, self.aws.tables, batch, self.visibility_seconds) as leases:
            self._leases = leases
            yield self

    @property
    def leases(self) -> Leases:
        """The messages, while a run executes."""
        if self._leases is None:
            raise RuntimeError("messages are leased only while a run executes")
        return self._leases


class DeadLettersResource(dg.ConfigurableResource["DeadLettersResource"]):
    """The queues of messages that were given up on."""

    aws: dg.ResourceDependency[AwsResource]
    queues: list[str] = Field(description="Their names.")

    def waiting(self) -> dict[str, int]:
        """How many messages wait in each."""
        return {name: self.aws.queue(name).depth().waiting for name in self.queues}

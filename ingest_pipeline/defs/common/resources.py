"""Resources: AWS, and the queue messages that a run answers for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import dagster as dg
from pydantic import Field, PrivateAttr

from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.pipeline.queue.leases import HeldReceipts
from ingest_pipeline.sessions.event_db.event_db import EventDb
from ingest_pipeline.settings import Settings, settings
from ingest_pipeline.system import System

BATCH_TAG = "ingest/batch"


@cache
def _system_of_this_process(config: Settings) -> System:
    """One for all resources and ticks: making the clients costs 0.2 s, three times a run."""
    return System(config)


class AwsResource(dg.ConfigurableResource["AwsResource"]):
    """The embedded or the real AWS, as the environment says (INGEST_AWS and AWS_*)."""

    @property
    def system(self) -> System:
        """The parts put together, connecting when first used."""
        return _system_of_this_process(settings())


class EventDbResource(dg.ConfigurableResource["EventDbResource"]):
    """The database of session events (INGEST_EVENT_DB, or the file INGEST_EVENT_DB_FILE names)."""

    aws: dg.ResourceDependency[AwsResource]

    @contextmanager
    def opened(self) -> Iterator[EventDb]:
        """The database, its tables up to date, for the length of a block."""
        from ingest_pipeline.sessions.event_db.open import open_event_db  # noqa: PLC0415 - 0.35 s for others' runs

        database = open_event_db(settings().event_db_url, self.aws.system.clients.dynamodb)
        try:
            yield database
        finally:
            database.close()


class HeldReceiptsResource(dg.ConfigurableResource["HeldReceiptsResource"]):
    """The messages of the batch that the run's tags name, held while the run works.

    A run launched by hand or by a backfill names no batch, and has no message to answer.
    """

    aws: dg.ResourceDependency[AwsResource]
    queue: str = Field(description="Name of the queue that the messages came from.")

    _held: HeldReceipts | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start holding."""
        batch = context.run.tags.get(BATCH_TAG) if context.run else None
        system = self.aws.system
        queue = Queue(system.clients.sqs, self.queue)
        self._held = system.held_receipts(queue, batch).__enter__()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Stop holding; what was not answered comes again."""
        if self._held:
            self._held.__exit__(None, None, None)

    @property
    def held(self) -> HeldReceipts:
        """The messages, while a run executes."""
        if self._held is None:
            raise RuntimeError("receipts are held only while a run executes")
        return self._held

"""What sessions are found in and written to."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.events import ParsedBody
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.defs.common.resources.aws import AwsResource
from ingest_pipeline.defs.common.resources.queues import ConsumerResource
from ingest_pipeline.pipeline.queue.batching import by_month
from ingest_pipeline.pipeline.sessions import SessionNews
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.sessions.event_db.event_db import EventDb
from ingest_pipeline.sessions.event_sink.elasticsearch import opened_event_sink
from ingest_pipeline.sessions.event_sink.event_sink import EventSink
from ingest_pipeline.settings import settings


class SessionBucketResource(dg.ConfigurableResource["SessionBucketResource"]):
    """The bucket that vehicles upload their sessions to."""

    aws: dg.ResourceDependency[AwsResource]
    name: str = Field(description="Its name.")


class SessionConsumerResource(ConsumerResource):
    """The queue on which the session bucket announces what has landed."""

    aws: dg.ResourceDependency[AwsResource]  # again, for the type checker

    def parse(self, message: Message) -> ParsedBody:
        """The session folders whose upload reports, or late recordings, have landed."""
        return SessionNews(self.aws.clients.s3, self.aws.tables).parse(message)

    def group_of(self, ref: ObjectRef) -> str:
        """Sessions of one month share a run."""
        return by_month(ref)


class EventDbResource(dg.ConfigurableResource["EventDbResource"]):
    """The database of session events: SQLite, MySQL, MariaDB, PostgreSQL or DynamoDB."""

    aws: dg.ResourceDependency[AwsResource]
    kind: str = Field(description="Which; its address, which may hold a password, is not shown.")

    @contextmanager
    def opened(self) -> Iterator[EventDb]:
        """The database, its tables up to date, for the length of a block."""
        from ingest_pipeline.sessions.event_db.open import (  # noqa: PLC0415 - 0.35 s others spare
            open_event_db,
        )

        config = settings()
        database = open_event_db(
            config.event_db_url, self.aws.clients.dynamodb, catalogue_url=config.catalogue_link
        )
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def when_needed(self) -> Iterator[Callable[[], EventDb]]:
        """What opens the database when first called; it stays open for the length of a block."""
        lock, databases = Lock(), list[EventDb]()
        with ExitStack() as stack:

            def database() -> EventDb:
                with lock:
                    if not databases:
                        databases.append(stack.enter_context(self.opened()))
                    return databases[0]

            yield database


class EventSinkResource(dg.ConfigurableResource["EventSinkResource"]):
    """Where session events go beside the database, for those who search them there."""

    kind: str = Field(
        description="Which, or none; its address, which may hold a password, is not shown."
    )

    def opened(self) -> AbstractContextManager[EventSink | None]:
        """The sink for the length of a block; None where there is none."""
        return opened_event_sink(settings().event_sink_url)

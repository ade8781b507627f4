"""What sessions are found in and written to."""

from collections.abc import Iterator
from contextlib import contextmanager

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

        database = open_event_db(settings().event_db_url, self.aws.clients.dynamodb)
        try:
            yield database
        finally:
            database.close()

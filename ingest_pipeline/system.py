"""The parts put together for one process: what the API and the commands work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.catalogue.history import History, history
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.media.rules.sources import Sources, load_sources
from ingest_pipeline.pipeline.ingest.reconcile import Reconciler
from ingest_pipeline.pipeline.ingest.restore import Restorer
from ingest_pipeline.pipeline.queue.queues import Queues
from ingest_pipeline.settings import Settings

if TYPE_CHECKING:
    from ingest_pipeline.sessions.event_db.event_db import EventDb


class System:
    """Made once a process; connects when used."""

    def __init__(self, config: Settings) -> None:
        self.config = config

    @cached_property
    def clients(self) -> Clients:
        """The AWS clients."""
        return connect(self.config)

    @cached_property
    def tables(self) -> Tables:
        """The DynamoDB tables."""
        return Tables(self.clients.dynamodb)

    @cached_property
    def queues(self) -> Queues:
        """The queues that the sensors consume."""
        return Queues(self.clients.sqs, self.config.queues)

    @cached_property
    def sources(self) -> Sources:
        """What each bucket takes."""
        return load_sources(self.config.sources)

    def posts(self) -> Posts:
        """What people share with a photo."""
        return Posts(
            self.clients.s3,
            self.clients.dynamodb,
            self.delete_requests(),
            self.config.photo_bucket,
        )

    def delete_requests(self) -> DeleteRequests:
        """Asks for deletions."""
        return DeleteRequests(self.tables, self.queues.delete.queue)

    def restorer(self) -> Restorer:
        """Brings objects back."""
        return Restorer(self.clients.s3, self.tables, self.queues.ingest.queue)

    def reconciler(self) -> Reconciler:
        """Compares buckets and tables."""
        queues = self.queues
        return Reconciler(self.clients.s3, self.tables, queues.ingest.queue, queues.delete.queue)

    @contextmanager
    def event_db(self) -> Iterator["EventDb"]:
        """The database of session events, its tables up to date, for the length of a block."""
        from ingest_pipeline.sessions.event_db.open import (  # noqa: PLC0415 - 0.35 s others spare
            open_event_db,
        )

        database = open_event_db(self.config.event_db_url, self.clients.dynamodb)
        try:
            yield database
        finally:
            database.close()

    def history(self, bucket: str, key: str) -> History:
        """What became of a key, and why."""
        return history(
            self.clients.s3,
            self.tables,
            self.queues.ingest.queue,
            self.config.dagster_link,
            bucket=bucket,
            key=key,
        )

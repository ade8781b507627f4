"""The queues that sensors consume, each with where its messages end that are given up on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ingest_pipeline.aws.queues import Queue

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from ingest_pipeline.settings import QueueNames, QueueTable


@dataclass(frozen=True)
class ConsumedQueue:
    """A queue, its dead letters, and for how long a message is hidden from others once received."""

    queue: Queue
    dead_letters: Queue
    visibility_seconds: int


class Queues:
    """Every queue by what its messages ask for, as the table of the settings has it."""

    def __init__(self, sqs: "SQSClient", table: "QueueTable") -> None:
        self._sqs = sqs
        self._table = table

    def __iter__(self) -> Iterator[ConsumedQueue]:
        return map(self._opened, self._table)

    @cached_property
    def ingest(self) -> ConsumedQueue:
        """Where every object enters."""
        return self._opened(self._table.ingest)

    @cached_property
    def delete(self) -> ConsumedQueue:
        """Where clients ask for deletions."""
        return self._opened(self._table.delete)

    @cached_property
    def rendition(self) -> ConsumedQueue:
        """Where indexed videos wait for their renditions."""
        return self._opened(self._table.rendition)

    @cached_property
    def transcode(self) -> ConsumedQueue:
        """Where MediaConvert's jobs are told to have ended."""
        return self._opened(self._table.transcode)

    @cached_property
    def enrichment(self) -> ConsumedQueue:
        """Where indexed objects wait for their previews and labels."""
        return self._opened(self._table.enrichment)

    @cached_property
    def session(self) -> ConsumedQueue:
        """Where the session bucket announces upload reports."""
        return self._opened(self._table.session)

    def _opened(self, names: "QueueNames") -> ConsumedQueue:
        return ConsumedQueue(
            Queue(self._sqs, names.queue),
            Queue(self._sqs, names.dead_letters),
            names.visibility_seconds,
        )

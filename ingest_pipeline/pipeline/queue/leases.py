"""The messages that a run answers for: leased while it works, then acknowledged or released."""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from more_itertools import constrained_batches, map_reduce

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.result import Result, RetryLater
from ingest_pipeline.records.model import ObjectRef, Receipt, ReceiptBatch, is_settled
from ingest_pipeline.records.tables import RECEIPTS, REPORTS, report_key

_log = logging.getLogger(__name__)
_ROW_BYTES = 200_000  # of receipts as JSON: DynamoDB takes 400 KB an item
# How soon a message comes again whose object failed for a passing reason: 10 s, then 40, 160 and
# 640. All at 10 s, an outage of a minute would send a whole bucket to the dead-letter queue.
_RETRY_SECONDS = 10
_RETRY_GROWTH = 4
_RETRY_MOST = 900


def receipt_rows(batch: str, receipts: Sequence[Receipt]) -> list[ReceiptBatch]:
    """The receipts of a batch in as many rows as they need."""
    pieces = list(
        constrained_batches(
            receipts,
            _ROW_BYTES,
            get_len=lambda receipt: len(receipt.model_dump_json()),
            strict=False,
        )
    )
    now = datetime.now(UTC)
    return [
        ReceiptBatch(
            batch=f"{batch}/{n}" if n else batch, created_at=now, receipts=piece, parts=len(pieces)
        )
        for n, piece in enumerate(pieces)
    ]


class Leases:
    """The messages of one run's batch. Made by `leased`, which also extends and releases them."""

    def __init__(
        self, queue: Queue, tables: Tables, batch: str | None, visibility_seconds: int
    ) -> None:
        self._queue = queue
        self._tables = tables
        self._visibility_seconds = visibility_seconds
        self._rows = self._load(batch) if batch else []
        self._leased = {each.message_id: each for row in self._rows for each in row.receipts}

    def _load(self, batch: str) -> list[ReceiptBatch]:
        first = self._tables.get(RECEIPTS, {"batch": batch})
        if first is None:
            return []
        keys = [{"batch": f"{batch}/{n}"} for n in range(1, first.parts)]
        return [first, *self._tables.get_many(RECEIPTS, keys)]

    def acknowledge(self, results: Iterable[Result[Any]]) -> list[Receipt]:
        """Delete the messages all of whose objects are done or refused; which ones went.

        Call it only after the outcomes are written: a message that is gone cannot come again.
        """
        results = list(results)
        again = {each.ref.uri for each in results if isinstance(each, RetryLater)}
        final = {each.ref.uri for each in results} - again
        answered = [
            receipt
            for receipt in self._leased.values()
            if again.isdisjoint(ref.uri for ref in receipt.objects)
            and self._are_final([ref for ref in receipt.objects if ref.uri not in final])
        ]
        self._queue.delete(receipt.handle for receipt in answered)
        for receipt in answered:
            del self._leased[receipt.message_id]
        if not self._leased:
            for row in self._rows:
                self._tables.delete(RECEIPTS, {"batch": row.batch})
        return answered

    def _are_final(self, refs: list[ObjectRef]) -> bool:
        """Whether objects outside this run's batch (of another day) have their outcomes."""
        keys = [report_key(ref.uri, ref.row_version) for ref in refs]
        return sum(map(is_settled, self._tables.get_many(REPORTS, keys))) == len(keys)

    def extend(self) -> None:
        """Hide what is leased for another whole visibility time."""
        self._hide(list(self._leased.values()), self._visibility_seconds)

    def release(self) -> None:
        """Have what was not acknowledged come again soon, later each time."""
        for seconds, receipts in map_reduce(self._leased.values(), _retry_seconds).items():
            self._hide(receipts, seconds)

    def _hide(self, receipts: list[Receipt], seconds: int) -> None:
        handles = [receipt.handle for receipt in receipts]
        try:
            self._queue.hide(handles, seconds)
        except AWS_ERRORS:  # at worst a message comes twice
            _log.warning("could not hide %d messages for %d s", len(handles), seconds)


@contextmanager
def leased(
    queue: Queue, tables: Tables, batch: str | None, visibility_seconds: int
) -> Iterator[Leases]:
    """The messages of a batch, hidden from others for as long as the block works.

    A thread extends the visibility three times within each time-out. On leaving, whatever was not
    acknowledged is released; after a kill -9 it is shown again when its time is up. A run that was
    launched by hand has no batch, and no message to answer for.
    """
    leases = Leases(queue, tables, batch, visibility_seconds)
    done = threading.Event()
    heartbeat = threading.Thread(
        target=_keep, args=(leases, done, visibility_seconds / 3), name="visibility", daemon=True
    )
    if batch:
        heartbeat.start()
    try:
        yield leases
    finally:
        done.set()
        if batch:
            heartbeat.join()
        leases.release()


def _keep(leases: Leases, done: threading.Event, seconds: float) -> None:
    while not done.wait(seconds):
        leases.extend()


def _retry_seconds(receipt: Receipt) -> int:
    seconds: int = _RETRY_SECONDS * _RETRY_GROWTH ** (receipt.receive_count - 1)
    return min(_RETRY_MOST, seconds)

"""Holding on to messages while their run works, and letting go of those that are answered."""

import logging
import threading
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError
from more_itertools import constrained_batches, map_reduce

from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import (
    ObjectRef,
    Receipt,
    ReceiptBatch,
    Report,
    is_settled,
)
from ingest_pipeline.records.tables import (
    RECEIPTS,
    REPORTS,
    report_key,
)

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


class HeldReceipts:
    """The receipts of one run, hidden from others for as long as the run works.

    A context manager: a thread extends the visibility three times within each time-out. At the
    end whatever was not answered is shown again soon; after a kill -9, when its time is up.
    """

    def __init__(
        self, queue: Queue, tables: Tables, batch: str | None, visibility_seconds: int
    ) -> None:
        self._queue = queue
        self._tables = tables
        self._batch = batch
        self._visibility_seconds = visibility_seconds
        self._rows: list[ReceiptBatch] = []
        self._held: dict[str, Receipt] = {}
        self._stop = threading.Event()
        self._heartbeat = threading.Thread(target=self._extend, name="visibility", daemon=True)

    def __enter__(self) -> Self:
        self._rows = self._load(self._batch) if self._batch else []
        self._held = {each.message_id: each for row in self._rows for each in row.receipts}
        if self._held:
            self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._heartbeat.ident:
            self._heartbeat.join()
        for seconds, receipts in map_reduce(self._held.values(), _retry_seconds).items():
            self._hide(receipts, seconds)

    def _load(self, batch: str) -> list[ReceiptBatch]:
        first = self._tables.get(RECEIPTS, {"batch": batch})
        if first is None:
            return []
        keys = [{"batch": f"{batch}/{n}"} for n in range(1, first.parts)]
        return [first, *self._tables.get_many(RECEIPTS, keys)]

    def _extend(self) -> None:
        while not self._stop.wait(self._visibility_seconds / 3):
            self._hide(list(self._held.values()), self._visibility_seconds)

    def _hide(self, receipts: list[Receipt], seconds: int) -> None:
        handles = [receipt.handle for receipt in receipts]
        try:
            self._queue.hide(handles, seconds)
        except (BotoCoreError, ClientError):  # at worst a message comes twice
            _log.warning("could not hide %d messages for %d s", len(handles), seconds)

    def answer(self, reports: Iterable[Report]) -> list[Receipt]:
        """Delete the messages all of whose objects have an outcome on record; which ones went.

        Call it only after the reports are written: a message that is gone cannot come again.
        """
        reports = list(reports)
        unsettled = {report.uri for report in reports if not is_settled(report)}
        settled = {report.uri for report in reports} - unsettled
        answered = [
            receipt for receipt in self._held.values() if self._is_answered(receipt, settled)
        ]
        self._let_go(answered)
        return answered

    def answer_but(self, refs: Iterable[ObjectRef]) -> list[Receipt]:
        """Delete the messages that name none of these objects; which ones went."""
        uris = {ref.uri for ref in refs}
        answered = [
            receipt
            for receipt in self._held.values()
            if uris.isdisjoint(ref.uri for ref in receipt.objects)
        ]
        self._let_go(answered)
        return answered

    def answer_all(self) -> None:
        """Delete every message: all that they asked for is done and on record."""
        self._let_go(list(self._held.values()))

    def _let_go(self, receipts: list[Receipt]) -> None:
        self._queue.delete(receipt.handle for receipt in receipts)
        for receipt in receipts:
            del self._held[receipt.message_id]
        if not self._held:
            for row in self._rows:
                self._tables.delete(RECEIPTS, {"batch": row.batch})

    def _is_answered(self, receipt: Receipt, settled: Collection[str]) -> bool:
        elsewhere = [ref for ref in receipt.objects if ref.uri not in settled]
        return not elsewhere or self._all_on_record(elsewhere)

    def _all_on_record(self, refs: list[ObjectRef]) -> bool:
        """Whether objects outside this run's batch (of another day) have their outcomes."""
        keys = [report_key(ref.uri, ref.row_version) for ref in refs]
        return sum(map(is_settled, self._tables.get_many(REPORTS, keys))) == len(keys)


def _retry_seconds(receipt: Receipt) -> int:
    seconds: int = _RETRY_SECONDS * _RETRY_GROWTH ** (receipt.receive_count - 1)
    return min(_RETRY_MOST, seconds)

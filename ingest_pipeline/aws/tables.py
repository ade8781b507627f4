"""Rows of any number into and out of DynamoDB, typed both ways."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from more_itertools import chunked

from ingest_pipeline.aws.items import Items, Page, fields_of, item_of
from ingest_pipeline.errors import TransientError
from ingest_pipeline.records.tables import (
    Condition,
    Index,
    Row,
    Table,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_WRITE_BATCH = 25  # BatchWriteItem's limit
_READ_BATCH = 100  # BatchGetItem's limit
_AT_ONCE = 4  # calls of one put: most of their time is waiting
_TRANSACTION = 50  # TransactWriteItems takes 100; half keeps 50 rows of 64 KiB below its 4 MB
_MAX_ATTEMPTS = 8  # with doubling pauses from 50 ms: about 6 s before giving up
_REFUSED = "ConditionalCheckFailed"
_PASSING = {_REFUSED, "None", "TransactionConflict", "ThrottlingError"}


class ThrottledError(TransientError):
    """DynamoDB left items unprocessed after every attempt; passing, the run may be repeated."""


class Tables:
    """Reads and writes rows of `records.tables`."""

    def __init__(self, dynamodb: "DynamoDBClient") -> None:
        self._dynamodb = dynamodb

    def put(self, table: Table[Row], rows: Iterable[Row]) -> int:
        """Write rows, those with a condition only where it is met; how many were written."""
        unique = {tuple(table.key(row).values()): row for row in rows}  # the last one wins
        free, bound = [], []
        for row in unique.values():
            condition = table.condition(row)
            if condition is None:
                free.append(row)
            else:
                bound.append(_conditional_put(table, row, condition))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            batches = pool.map(partial(self._put_batch, table), chunked(free, _WRITE_BATCH))
            written = pool.map(self._put_transaction, chunked(bound, _TRANSACTION))
            return sum(batches) + sum(written)

    def get(self, table: Table[Row], key: Mapping[str, str]) -> Row | None:
        """The row under a key, as last written."""
        return next(iter(self.get_many(table, [key])), None)

    def get_many(self, table: Table[Row], keys: Iterable[Mapping[str, str]]) -> list[Row]:
        """The rows under these keys, as last written; unknown keys are left out."""
        unique = {tuple(key.values()): key for key in keys}
        return [
            _row(table, item)
            for batch in chunked(unique.values(), _READ_BATCH)
            for item in self._get_batch(table, batch)
        ]

    def query(
        self,
        table: Table[Row],
        index: Index,
        value: str,
        *,
        within: Condition | None = None,
        condition: Condition | None = None,
    ) -> Iterator[Row]:
        """Every row of one partition of the table or of an index, in its order.

        `within` and `condition` leave rows out as those of a page do.
        """
        cursor: str | None = None
        while True:
            page = self.page(
                table, index, value, limit=1000, cursor=cursor, within=within, condition=condition
            )
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def page(
        self,
        table: Table[Row],
        index: Index,
        value: str,
        *,
        limit: int,
        cursor: str | None = None,
        newest_first: bool = False,
        within: Condition | None = None,
        condition: Condition | None = None,
    ) -> Page[Row]:
        """Up to `limit` rows of one partition, from where `cursor` points.

        With `within`, a condition on the sort key, rows that do not meet it are not even read.
        With a `condition` rows that do not meet it are left out after DynamoDB counted them:
        a page may be short, or empty, and still have a next one.

        Raises:
            InvalidCursorError: the cursor is none that a page of this partition gave.
        """
        found = self._items(table).page(
            index,
            value,
            limit=limit,
            cursor=cursor,
            newest_first=newest_first,
            within=within,
            condition=condition,
        )
        return _typed(table, found)

    def scan(
        self,
        table: Table[Row],
        *,
        key: Collection[str],
        limit: int,
        cursor: str | None = None,
        condition: Condition | None = None,
    ) -> Page[Row]:
        """Up to `limit` rows wherever they lie, in no order, from where `cursor` points.

        `key` names the attributes of the table's key. A `condition` leaves rows out as that of a
        page does.

        Raises:
            InvalidCursorError: the cursor is none that a scan of this table gave.
        """
        found = self._items(table).scan(key=key, limit=limit, cursor=cursor, condition=condition)
        return _typed(table, found)

    def count(
        self,
        table: Table[Row],
        index: Index,
        value: str,
        condition: Condition,
        within: Condition | None = None,
    ) -> int:
        """How many rows of one partition meet a condition, and one on the sort key.

        As last written, where the partition is one of the table itself.
        """
        return self._items(table).count(index, value, condition, within)

    def delete(self, table: Table[Row], key: Mapping[str, str]) -> None:
        """Delete the row under a key, if there is one."""
        self._dynamodb.delete_item(TableName=table.name, Key=item_of(key))

    def _items(self, table: Table[Row]) -> Items:
        return Items(self._dynamodb, table.name, only=table.row_type.model_fields)

    def _put_batch(self, table: Table[Row], rows: Sequence[Row]) -> int:
        waiting: Mapping[str, Any] = {
            table.name: [{"PutRequest": {"Item": _item_of_row(table, row)}} for row in rows]
        }
        for pause in _pauses():
            waiting = self._dynamodb.batch_write_item(RequestItems=waiting)["UnprocessedItems"]
            if not waiting:
                return len(rows)
            time.sleep(pause)
        raise ThrottledError(f"{table.name}: {len(waiting[table.name])} rows were not written")

    def _get_batch(
        self, table: Table[Row], keys: Sequence[Mapping[str, str]]
    ) -> Iterator[Mapping[str, Any]]:
        waiting: Mapping[str, Any] = {
            table.name: {"Keys": [item_of(key) for key in keys], "ConsistentRead": True}
        }
        for pause in _pauses():
            response = self._dynamodb.batch_get_item(RequestItems=waiting)
            yield from response["Responses"].get(table.name, [])
            waiting = response["UnprocessedKeys"]
            if not waiting:
                return
            time.sleep(pause)
        raise ThrottledError(f"{table.name}: {len(waiting[table.name]['Keys'])} keys not read")

    def _put_transaction(self, puts: list[Any]) -> int:
        """Conditional puts in one call: alone each would cost a call of its own.

        A transaction is all or nothing, so one that a condition refused is sent again without
        the rows that were refused.
        """
        for pause in _pauses():
            if not puts:
                return 0
            try:
                self._dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts])
            except self._dynamodb.exceptions.TransactionCanceledException as error:
                codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
                if not _PASSING.issuperset(codes):
                    raise
                if _REFUSED not in codes:
                    time.sleep(pause)
                puts = [put for put, code in zip(puts, codes, strict=True) if code != _REFUSED]
            else:
                return len(puts)
        raise ThrottledError(f"{len(puts)} rows stayed in conflict: {puts[0]['TableName']}")


def _conditional_put(table: Table[Row], row: Row, condition: Condition) -> dict[str, Any]:
    return {
        "TableName": table.name,
        "Item": _item_of_row(table, row),
        "ConditionExpression": condition.expression,
        "ExpressionAttributeNames": dict(condition.names),
        "ExpressionAttributeValues": item_of(condition.values),
    }


def _item_of_row(table: Table[Row], row: Row) -> dict[str, Any]:
    fields = row.model_dump(mode="json", exclude_none=True)
    return item_of(fields | table.key(row) | table.index(row))


def _row(table: Table[Row], item: Mapping[str, Any]) -> Row:
    return table.row_type.model_validate(fields_of(item, table.row_type.model_fields))


def _typed(table: Table[Row], found: Page[dict[str, Any]]) -> Page[Row]:
    return Page([table.row_type.model_validate(fields) for fields in found.rows], found.cursor)


def _pauses() -> Iterator[float]:
    return (0.05 * 2**attempt for attempt in range(_MAX_ATTEMPTS))

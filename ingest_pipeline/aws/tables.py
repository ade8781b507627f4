"""Rows of any number into and out of DynamoDB, typed both ways."""

import base64
import binascii
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Generic

from botocore.exceptions import ClientError
from more_itertools import chunked

from ingest_pipeline.records.tables import (
    Condition,
    Index,
    Row,
    Table,
)

if TYPE_CHECKING:
    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
    from types_boto3_dynamodb import DynamoDBClient

_WRITE_BATCH = 25  # BatchWriteItem's limit
_READ_BATCH = 100  # BatchGetItem's limit
_AT_ONCE = 4  # calls of one put: most of their time is waiting
_TRANSACTION = 50  # TransactWriteItems takes 100; half keeps 50 rows of 64 KiB below its 4 MB
_MAX_ATTEMPTS = 8  # with doubling pauses from 50 ms: about 6 s before giving up
_REFUSED = "ConditionalCheckFailed"
_PASSING = {_REFUSED, "None", "TransactionConflict", "ThrottlingError"}


class InvalidCursorError(ValueError):
    """A page cursor that this API did not give out."""


class ThrottledError(RuntimeError):
    """DynamoDB left items unprocessed after every attempt; passing, the run may be repeated."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, and where the next page starts; None when this was the last."""

    rows: list[Row]
    cursor: str | None


class Tables:
    """Reads and writes rows of `catalog.tables`."""

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

    def query(self, table: Table[Row], index: Index, value: str) -> Iterator[Row]:
        """Every row of one partition of the table or of an index, in its order."""
        cursor: str | None = None
        while True:
            page = self.page(table, index, value, limit=1000, cursor=cursor)
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
        request: dict[str, Any] = {
            "TableName": table.name,
            "KeyConditionExpression": "#partition = :partition",
            "ExpressionAttributeNames": {"#partition": index.attribute},
            "ExpressionAttributeValues": {":partition": {"S": value}},
            "Limit": limit,
            "ScanIndexForward": not newest_first,
        }
        if index.name:
            request["IndexName"] = index.name
        if within:
            request["KeyConditionExpression"] += f" AND {within.expression}"
        if condition:
            request["FilterExpression"] = condition.expression
        for each in filter(None, (within, condition)):
            request["ExpressionAttributeNames"] |= each.names
            request["ExpressionAttributeValues"] |= _item(each.values)
        if cursor:
            request["ExclusiveStartKey"] = _decode_cursor(cursor, index.attribute, value)
        try:
            response = self._dynamodb.query(**request)
        except ClientError as error:
            if cursor and error.response["Error"]["Code"] == "ValidationException":
                raise InvalidCursorError("the cursor is none that this list gave") from error
            raise
        return Page(
            rows=[_row(table, item) for item in response["Items"]],
            cursor=_encode_cursor(response.get("LastEvaluatedKey")),
        )

    def delete(self, table: Table[Row], key: Mapping[str, str]) -> None:
        """Delete the row under a key, if there is one."""
        self._dynamodb.delete_item(TableName=table.name, Key=_item(key))

    def _put_batch(self, table: Table[Row], rows: Sequence[Row]) -> int:
        waiting: Mapping[str, Any] = {
            table.name: [{"PutRequest": {"Item": _item_of(table, row)}} for row in rows]
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
            table.name: {"Keys": [_item(key) for key in keys], "ConsistentRead": True}
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
        "Item": _item_of(table, row),
        "ConditionExpression": condition.expression,
        "ExpressionAttributeNames": dict(condition.names),
        "ExpressionAttributeValues": _item(condition.values),
    }


def _item_of(table: Table[Row], row: Row) -> dict[str, Any]:
    fields = row.model_dump(mode="json", exclude_none=True)
    return _item(fields | table.key(row) | table.index(row))


@cache
def _types() -> "tuple[TypeSerializer, TypeDeserializer]":
    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer  # noqa: PLC0415 - 0.15 s

    return TypeSerializer(), TypeDeserializer()


def _item(fields: Mapping[str, Any]) -> dict[str, Any]:
    to_dynamodb, _ = _types()
    return {name: to_dynamodb.serialize(_storable(value)) for name, value in fields.items()}


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """DynamoDB has no binary floats: they go as the decimal that Python prints."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value


def _row(table: Table[Row], item: Mapping[str, Any]) -> Row:
    _, from_dynamodb = _types()
    fields = {
        name: _plain(from_dynamodb.deserialize(value))
        for name, value in item.items()
        if name in table.row_type.model_fields
    }
    return table.row_type.model_validate(fields)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _pauses() -> Iterator[float]:
    return (0.05 * 2**attempt for attempt in range(_MAX_ATTEMPTS))


def cursor_behind(key: Mapping[str, str]) -> str:
    """The cursor of what follows a row: its key in the table, and in the index that is walked."""
    return _encoded(_item(key))


def _encode_cursor(key: Mapping[str, Any] | None) -> str | None:
    return _encoded(key) if key else None


def _encoded(key: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode_cursor(cursor: str, attribute: str, value: str) -> dict[str, Any]:
    try:
        key = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCursorError("the cursor is none that this list gave") from error
    if not isinstance(key, dict) or not all(map(_is_text, key.values())):
        raise InvalidCursorError("the cursor is none that this list gave")
    if key.get(attribute) != {"S": value}:
        raise InvalidCursorError("the cursor belongs to another list")
    return key


def _is_text(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether this is a DynamoDB string: the keys of every table and index are."""
    return isinstance(value, dict) and [*value] == ["S"] and isinstance(value["S"], str)

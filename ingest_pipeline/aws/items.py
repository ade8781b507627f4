"""Items of one table as plain values, with DynamoDB's own answers.

For tables whose items others write, too; rows of ours, typed, are read and written by `Tables`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from botocore.exceptions import ClientError
from pydantic import Field, TypeAdapter

from ingest_pipeline.aws import cursors
from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.records.tables import Condition, Index

if TYPE_CHECKING:
    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
    from types_boto3_dynamodb import DynamoDBClient

_T = TypeVar("_T")

# The keys of every table and index are DynamoDB's strings: `{"S": "text"}`.
_Text = Annotated[dict[Literal["S"], str], Field(min_length=1)]
_KEY: TypeAdapter[dict[str, _Text]] = TypeAdapter(dict[str, _Text])


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Rows, and where the next page starts; None when this was the last."""

    rows: list[_T]
    cursor: str | None


@dataclass(frozen=True)
class Items:
    """The items of a table; of each only these fields are told where they are named."""

    dynamodb: "DynamoDBClient"
    table: str
    only: Collection[str] | None = None

    def put(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Write an item; DynamoDB's answer."""
        return {**self.dynamodb.put_item(TableName=self.table, Item=item_of(fields))}

    def get(self, key: Mapping[str, str]) -> dict[str, Any] | None:
        """The item under a key, as last written; None: there is none."""
        found = self.dynamodb.get_item(
            TableName=self.table, Key=item_of(key), ConsistentRead=True
        ).get("Item")
        return fields_of(found, self.only) if found else None

    def update(
        self, key: Mapping[str, str], fields: Mapping[str, Any], condition: Condition
    ) -> bool:
        """Set fields of an item; False, and nothing changed, where it does not meet a condition."""
        names = {f"#set{n}": name for n, name in enumerate(fields)}
        values = {f":set{n}": value for n, value in enumerate(fields.values())}
        changes = ", ".join(f"#set{n} = :set{n}" for n in range(len(fields)))
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=item_of(key),
                UpdateExpression=f"SET {changes}",
                ConditionExpression=condition.expression,
                **_named([condition, Condition("", names, values)]),
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete(self, key: Mapping[str, str], condition: Condition) -> dict[str, Any] | None:
        """Delete an item; DynamoDB's answer, None where the item does not meet the condition."""
        try:
            answer = self.dynamodb.delete_item(
                TableName=self.table,
                Key=item_of(key),
                ConditionExpression=condition.expression,
                **_named([condition]),
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return {**answer}

    def page(
        self,
        index: Index,
        value: str,
        *,
        limit: int,
        cursor: str | None = None,
        newest_first: bool = False,
        within: Condition | None = None,
        condition: Condition | None = None,
        consistent: bool = False,
    ) -> Page[dict[str, Any]]:
        """Up to `limit` items of one partition, from where `cursor` points.

        With `within`, a condition on the sort key, items that do not meet it are not even read.
        With a `condition` items that do not meet it are left out after DynamoDB counted them:
        a page may be short, or empty, and still have a next one.

        Raises:
            InvalidCursorError: the cursor is none that a page of this partition gave.
        """
        conditions = [_in_partition(index, value), *filter(None, [within])]
        request = self._request(limit, condition, conditions, consistent=consistent) | {
            "KeyConditionExpression": " AND ".join(each.expression for each in conditions),
            "ScanIndexForward": not newest_first,
        }
        if index.name:
            request["IndexName"] = index.name
        if cursor:
            start = cursors.decode(cursor, _KEY)
            if start.get(index.attribute) != {"S": value}:
                raise InvalidCursorError("the cursor belongs to another list")
            request["ExclusiveStartKey"] = start
        return self._read(self.dynamodb.query, request)

    def scan(
        self,
        *,
        key: Collection[str],
        limit: int,
        cursor: str | None = None,
        condition: Condition | None = None,
        consistent: bool = False,
    ) -> Page[dict[str, Any]]:
        """Up to `limit` items wherever they lie, in no order, from where `cursor` points.

        `key` names the attributes of the table's key, which are a cursor's, too. A `condition`
        leaves items out as that of a page does.

        Raises:
            InvalidCursorError: the cursor is none that a scan of this table gave.
        """
        request = self._request(limit, condition, [], consistent=consistent)
        if cursor:
            start = cursors.decode(cursor, _KEY)
            if start.keys() != set(key):  # the embedded AWS would take it
                raise InvalidCursorError("the cursor belongs to another list")
            request["ExclusiveStartKey"] = start
        return self._read(self.dynamodb.scan, request)

    def count(
        self, index: Index, value: str, condition: Condition, within: Condition | None = None
    ) -> int:
        """How many items of one partition meet a condition, and one on the sort key.

        As last written, where the partition is one of the table itself: indexes follow.
        """
        conditions = [_in_partition(index, value), *filter(None, [within])]
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=" AND ".join(each.expression for each in conditions),
            FilterExpression=condition.expression,
            Select="COUNT",
            **({"IndexName": index.name} if index.name else {"ConsistentRead": True}),
            **_named([*conditions, condition]),
        )
        return sum(page["Count"] for page in pages)

    def _request(
        self,
        limit: int,
        condition: Condition | None,
        conditions: Sequence[Condition],
        *,
        consistent: bool,
    ) -> dict[str, Any]:
        filters = {"FilterExpression": condition.expression} if condition else {}
        return {
            "TableName": self.table,
            "Limit": limit,
            "ConsistentRead": consistent,
            **filters,
            **_named([*conditions, *filter(None, [condition])]),
        }

    def _read(self, operation: Any, request: dict[str, Any]) -> Page[dict[str, Any]]:  # noqa: ANN401 - boto3's
        try:
            response = operation(**request)
        except ClientError as error:
            is_malformed = error.response["Error"]["Code"] == "ValidationException"
            if is_malformed and "ExclusiveStartKey" in request:
                raise InvalidCursorError("the cursor is none that this list gave") from error
            raise
        last = response.get("LastEvaluatedKey")
        return Page(
            rows=[fields_of(item, self.only) for item in response["Items"]],
            cursor=cursors.encode(last) if last else None,
        )


@cache
def _types() -> "tuple[TypeSerializer, TypeDeserializer]":
    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer  # noqa: PLC0415 - 0.15 s

    return TypeSerializer(), TypeDeserializer()


def item_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as DynamoDB's."""
    to_dynamodb, _ = _types()
    return {name: to_dynamodb.serialize(_storable(value)) for name, value in fields.items()}


def fields_of(item: Mapping[str, Any], only: Collection[str] | None = None) -> dict[str, Any]:
    """DynamoDB's values as plain ones; those of these names where they are given."""
    _, from_dynamodb = _types()
    return {
        name: _plain(from_dynamodb.deserialize(value))
        for name, value in item.items()
        if only is None or name in only
    }


def cursor_behind(key: Mapping[str, str]) -> str:
    """The cursor of what follows a row: its key in the table, and in the index that is walked."""
    return cursors.encode(item_of(key))


def _in_partition(index: Index, value: str) -> Condition:
    return Condition(
        "#partition = :partition", {"#partition": index.attribute}, {":partition": value}
    )


def _named(conditions: Sequence[Condition]) -> dict[str, Any]:
    """What the expressions name: DynamoDB refuses a mapping with nothing in it."""
    names = {name: of for each in conditions for name, of in each.names.items()}
    values = {name: value for each in conditions for name, value in each.values.items()}
    request: dict[str, Any] = {}
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = item_of(values)
    return request


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """DynamoDB has no binary floats: they go as the decimal that Python prints."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue

from ingest_pipeline.aws import cursors
from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.aws.items import Items, Page, cursor_behind, fields_of, item_of
from ingest_pipeline.records.tables import POSTS, POSTS_BY_USER, Condition
from ingest_pipeline_tests.embedded import EmbeddedAws

KEY = ("user", "id")
IS_THERE = Condition("attribute_exists(title)")


@pytest.fixture
def items(embedded_aws: EmbeddedAws) -> Items:
    return Items(embedded_aws.clients.dynamodb, POSTS.name)


@pytest.fixture
def user() -> str:
    return f"user {uuid4().hex}"


def key(user: str, number: int = 0) -> dict[str, str]:
    return {"user": user, "id": f"{number:03}"}


def pages(read: Callable[[str | None], Page[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    cursor: str | None = None
    while True:
        page = read(cursor)
        yield page.rows
        if (cursor := page.cursor) is None:
            return


def test_an_item_comes_back_as_it_was_written(items: Items, user: str) -> None:
    fields = key(user) | {
        "title": "Übung 🎵",
        "number": 7,
        "rate": 29.97,
        "is_there": True,
        "nothing": None,
        "labels": ["Cup", "Coffee"],
        "deep": {"list": [{"x": 1.5}]},
    }
    answer = items.put(fields)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert items.get(key(user)) == fields
    assert items.get(key("nobody")) is None


def test_only_the_fields_that_are_named_are_told(items: Items, user: str) -> None:
    items.put(key(user) | {"title": "x", "body": "y"})
    few = Items(items.dynamodb, items.table, only=("id", "title"))
    assert few.get(key(user)) == {"id": "000", "title": "x"}
    assert few.page(POSTS_BY_USER, user, limit=1).rows == [{"id": "000", "title": "x"}]


def test_an_item_is_changed_where_it_meets_the_condition(items: Items, user: str) -> None:
    changes = {"title": "new", "labels": ["Cup"]}
    assert not items.update(key(user), changes, IS_THERE)
    assert items.get(key(user)) is None
    items.put(key(user) | {"title": "old", "body": "kept"})
    is_old = Condition("#title = :wanted", {"#title": "title"}, {":wanted": "old"})
    assert items.update(key(user), changes, is_old)
    assert items.get(key(user)) == key(user) | changes | {"body": "kept"}
    assert not items.update(key(user), {"title": "newer"}, is_old)


def test_an_item_is_deleted_once(items: Items, user: str) -> None:
    items.put(key(user) | {"title": "x"})
    answer = items.delete(key(user), IS_THERE)
    assert answer is not None
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert items.delete(key(user), IS_THERE) is None
    assert items.get(key(user)) is None


@pytest.mark.parametrize("consistent", [True, False])
def test_a_partition_comes_in_pages(items: Items, user: str, *, consistent: bool) -> None:
    for n in range(5):
        items.put(key(user, n) | ({"title": "x"} if n != 1 else {}))
    found = list(
        pages(
            lambda cursor: items.page(
                POSTS_BY_USER,
                user,
                limit=2,
                cursor=cursor,
                condition=IS_THERE,
                consistent=consistent,
            )
        )
    )
    assert [[row["id"] for row in page] for page in found] == [["000"], ["002", "003"], ["004"]]


def test_the_whole_table_comes_in_pages(items: Items, user: str) -> None:
    written = [key(user, n) | {"title": "x"} for n in range(5)]
    for fields in written:
        items.put(fields)
    mine = Condition("#user = :user", {"#user": "user"}, {":user": user})
    found = [
        row
        for page in pages(
            lambda cursor: items.scan(
                key=KEY, limit=3, cursor=cursor, condition=mine, consistent=True
            )
        )
        for row in page
    ]
    assert sorted(found, key=lambda row: row["id"]) == written


def test_items_of_a_partition_are_counted(items: Items, user: str) -> None:
    for n in range(3):
        items.put(key(user, n) | ({"title": "x"} if n else {}))
    assert items.count(POSTS_BY_USER, user, IS_THERE) == 2
    assert items.count(POSTS_BY_USER, "nobody", IS_THERE) == 0


def test_a_list_goes_on_behind_any_item(items: Items, user: str) -> None:
    for n in range(3):
        items.put(key(user, n))
    page = items.page(POSTS_BY_USER, user, limit=9, cursor=cursor_behind(key(user, 1)))
    assert [row["id"] for row in page.rows] == ["002"]


@pytest.mark.parametrize(
    "place",
    [
        {},
        ["user", "000"],
        {"user": {"S": "somebody"}},
        {"user": {"S": "other"}, "id": {"S": "000"}},
        {"user": {"S": "somebody"}, "id": {"N": "1"}},
        {"user": {"S": "somebody"}, "id": {}},
        {"user": {"S": "somebody"}, "id": {"S": "000", "N": "1"}},
        {"user": {"S": "somebody"}, "id": "000"},
    ],
)
def test_a_cursor_that_no_page_of_the_partition_gave_is_refused(
    items: Items, place: JsonValue
) -> None:
    with pytest.raises(InvalidCursorError):
        items.page(POSTS_BY_USER, "somebody", limit=1, cursor=cursors.encode(place))


@pytest.mark.parametrize(
    "place",
    [{}, {"user": {"S": "a"}}, {"ProjectStep": {"S": "a"}, "Mail": {"S": "b"}}, ["user", "id"]],
)
def test_a_cursor_that_no_scan_of_the_table_gave_is_refused(items: Items, place: JsonValue) -> None:
    with pytest.raises(InvalidCursorError):
        items.scan(key=KEY, limit=1, cursor=cursors.encode(place))


def test_numbers_come_back_whole_or_with_their_fraction() -> None:
    found = fields_of(item_of({"whole": 3, "fraction": 0.1, "large": 2**60}))
    assert found == {"whole": 3, "fraction": 0.1, "large": 2**60}
    assert [type(value) for value in found.values()] == [int, float, int]

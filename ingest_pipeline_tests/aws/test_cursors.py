import base64
import re

import pytest
from pydantic import JsonValue, TypeAdapter

from ingest_pipeline.aws import cursors
from ingest_pipeline.aws.cursors import InvalidCursorError

PAIR = TypeAdapter(tuple[str, str | None])


def raw(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode()


@pytest.mark.parametrize(
    "place",
    [["2026-03-01", None], ["Übung/日本語 100%.wav", "🎵"], ["", "?>~"], ["a" * 1000, "b" * 1000]],
)
def test_a_place_comes_back_as_it_was(place: JsonValue) -> None:
    cursor = cursors.encode(place)
    first, second = cursors.decode(cursor, PAIR)
    assert [first, second] == place
    assert re.fullmatch("[A-Za-z0-9_=-]+", cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "Übung",
        "AAAA",
        "=",
        cursors.encode(["a", None])[:-1],
        cursors.encode(["a", None]).replace("=", ""),
        raw(b""),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw(b'["a", null] x'),
        raw(b'["\\ud800", null]'),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError, match="none that this list gave"):
        cursors.decode(cursor, PAIR)


@pytest.mark.parametrize("place", [None, "a", {}, [], ["a"], ["a", "b", "c"], [1, None], ["a", 2]])
def test_a_place_of_another_shape_is_refused(place: JsonValue) -> None:
    with pytest.raises(InvalidCursorError, match="none that this list gave"):
        cursors.decode(cursors.encode(place), PAIR)

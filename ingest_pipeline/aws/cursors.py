"""Cursors: where the next page starts, as a text that a client hands back."""

import base64
import json
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from ingest_pipeline.errors import RefusedError

_T = TypeVar("_T")


class InvalidCursorError(RefusedError):
    """A page cursor that this API did not give out."""


def encode(place: JsonValue) -> str:
    """A place as a cursor, of characters that a query string takes as they are, `=` aside."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def decode(cursor: str, shape: TypeAdapter[_T]) -> _T:
    """The place that a cursor tells, which must have the shape of those that were encoded.

    A place of the right shape may still be of another list: that is for the caller to see.

    Raises:
        InvalidCursorError: nobody encoded it so.
    """
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        return shape.validate_json(text)
    except ValueError as error:
        raise InvalidCursorError("the cursor is none that this list gave") from error

"""Where the next page of a list starts, told in headers: the bodies are fixed by the contract."""

from typing import Any
from urllib.parse import urlencode

NEXT_PAGE: dict[str, Any] = {
    "X-Next-Cursor": {"description": "Absent on the last page.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page, as `rel="next"`.', "schema": {"type": "string"}},
}


def next_page(path: str, query: dict[str, str | int], cursor: str | None) -> dict[str, str]:
    """The headers that lead on from a page of `path`; none when it was the last."""
    if cursor is None:
        return {}
    link = f'<{path}?{urlencode(query | {"cursor": cursor})}>; rel="next"'
    return {"X-Next-Cursor": cursor, "Link": link}

"""S3 keys in URLs and bodies."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator
from starlette.convertors import Convertor, register_url_convertor

_MOST_BYTES = 1024  # of UTF-8


class KeyConvertor(Convertor[str]):
    """`{name:key}` in a route: any key, once percent-decoded.

    Starlette's own `path` stops at a newline, and drops one at the end.
    """

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        """Take the key as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Give the key as it is."""
        return value


register_url_convertor("key", KeyConvertor())


def fits(key: str) -> bool:
    """Whether a key is short enough for S3 and for a sort key of DynamoDB."""
    return len(key.encode()) <= _MOST_BYTES


def _fitting(key: str) -> str:
    if not fits(key):
        raise ValueError(f"a key has at most {_MOST_BYTES} bytes in UTF-8")
    return key


ObjectKey = Annotated[str, AfterValidator(_fitting)]
IN_PATH = Path(
    description="The object's key, percent-encoded; `/` may stand as it is, `+` is a plus.",
    examples=["interviews/monday+1.wav"],
)

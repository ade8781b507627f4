"""The extras of this package: what an installation may do without, and says so when it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingest_pipeline.errors import MistakeError


class MissingExtraError(MistakeError, ImportError):
    """A feature is used whose packages are not installed; the message names the extra."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Import in this block what the extra `name` brings; `what` is done with it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs the extra {name!r}: pip install 'ingest_pipeline[{name}]'"
        ) from error

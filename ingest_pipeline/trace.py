"""The request of the API that asked for a piece of work: log lines, messages and runs tell it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

REQUEST_TAG = "ingest/request_id"  # of runs
REQUEST_ATTRIBUTE = "request_id"  # of messages
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=/-]{0,63}")

_request: ContextVar[str | None] = ContextVar("request", default=None)


def request_id() -> str | None:
    """The id of the request that is being worked for; None where no request asked."""
    return _request.get()


def accept_id(given: str | None) -> str:
    """The id that a client gave, if it is a plain token of at most 64 signs; a new one otherwise.

    Others could hold a newline, or a page of text in each line of the log.
    """
    return known_id(given) or uuid4().hex


def known_id(given: str | None) -> str | None:
    """An id that a message or a client tells, if it is sane."""
    return given if given and _SANE.fullmatch(given) else None


def begin(request: str) -> None:
    """Work for this request from here on, to the end of the task that is under way."""
    _request.set(request)


@contextmanager
def working_for(request: str | None) -> Iterator[None]:
    """Work for this request in the block; threads that it starts know nothing of it."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)

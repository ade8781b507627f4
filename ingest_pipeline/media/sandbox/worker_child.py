"""The child's side of a worker: the loop that answers requests, and the parent's file in it.

Runs in the child, so it knows the standard library alone: whatever is imported here is paid for
by every start.
"""

import io
import json
import math
import os
import resource
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple, TypeVar

from ingest_pipeline.media.sandbox import wire

File = TypeVar("File", bound="ServedFile")


class Answer(NamedTuple):
    """What goes back: what JSON can say, and bytes."""

    facts: object
    body: bytes = b""


def in_words(error: Exception) -> str:
    """Say what was raised; of an exception without words, its name alone."""
    return f"{type(error).__name__}: {error}".strip().removesuffix(":")


class ServedFile(io.RawIOBase):
    """A file of the parent's: what is read of it is asked for over the pipe."""

    def __init__(self, size: int, given: IO[bytes], asks: IO[bytes]) -> None:
        """`size` is the whole file's, in bytes."""
        super().__init__()
        self.size = size
        self.is_spent = False  # the parent gave less than there is
        self._given = given
        self._asks = asks
        self._position = 0

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer, as in `io`
        """Read some bytes: at least one, but at the end or where the parent gives no more."""
        content = self.next_bytes(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def next_bytes(self, most: int) -> bytes:
        """What `readinto` reads."""
        wanted = min(most, max(0, self.size - self._position), wire.MOST_READ_BYTES)
        if not wanted:
            return b""
        wire.send(self._asks, wire.READ, json.dumps([self._position, wanted]).encode())
        content = wire.receive(self._given, wire.GIVEN).body
        self.is_spent = self.is_spent or len(content) < wanted
        self._position += len(content)
        return content

    def seekable(self) -> bool:
        """Whether the position can be moved: the parent hears nothing of that."""
        return True

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, which may lie behind the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self) -> int:
        """The byte position."""
        return self._position


class Request(NamedTuple):
    """What the parent wants, and the pipes through which its file is read."""

    facts: Mapping[str, Any]
    body: bytes
    given: IO[bytes]
    asks: IO[bytes]

    def open(self, kind: type[File]) -> File:
        """Open the file that the parent serves with this request."""
        return kind(self.facts["file_bytes"], self.given, self.asks)


def serve(answer: Callable[[Request], Answer]) -> None:
    """Answer requests until the input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not become an answer
    while (message := _next(requests)) is not None:
        facts = json.loads(message.facts)
        if "cpu_seconds" in facts:
            _allow_cpu(facts["cpu_seconds"])
        found = answer(Request(facts, message.body, requests, answers))
        wire.send(answers, wire.ANSWER, json.dumps(found.facts).encode(), found.body)


def _next(requests: IO[bytes]) -> wire.Message | None:
    try:
        return wire.receive(requests, wire.REQUEST)
    except EOFError:
        return None


def _allow_cpu(seconds: int) -> None:
    """Allow that much more from now on, where the parent cannot do so from outside: on macOS."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )

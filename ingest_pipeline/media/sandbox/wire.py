"""How a worker and its parent talk: the one format of the messages on their pipes.

A message is a letter, the lengths of a JSON text and of a body (4 bytes each, little-endian), the
text and the body:

    Q   a request: what is wanted, and a file where it goes along whole
    R   the child asks for bytes of a file that the parent serves: [offset, size]
    G   these bytes; fewer than were asked for where no more is fetched
    A   the answer

Known to both sides, so it knows the standard library alone.
"""

import struct
from typing import IO, NamedTuple

from ingest_pipeline.errors import RefusedError

REQUEST, READ, GIVEN, ANSWER = b"Q", b"R", b"G", b"A"
MOST_READ_BYTES = 1024 * 1024  # that a child may ask for at a time
_HEADER = struct.Struct("<cII")


class Message(NamedTuple):
    """A message as it came."""

    letter: bytes
    facts: bytes  # JSON
    body: bytes


class NonsenseError(RefusedError, ValueError):
    """What came is no message that may be sent here."""


def send(pipe: IO[bytes], letter: bytes, facts: bytes, body: bytes = b"") -> None:
    """Send a message; raises `OSError` where nobody listens any more."""
    pipe.write(_HEADER.pack(letter, len(facts), len(body)) + facts)
    pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes], letters: bytes, most_bytes: int | None = None) -> Message:
    """Receive a message that begins with one of the letters.

    Raises:
        NonsenseError: another letter, or a part of more than `most_bytes`.
        EOFError: the pipe ends.
    """
    letter, *sizes = _HEADER.unpack(read_all(pipe, _HEADER.size))
    if letter not in letters or (most_bytes is not None and max(sizes) > most_bytes):
        wanted = f"wanted an answer of at most {most_bytes} bytes"
        raise NonsenseError(f"says {letter!r} of {max(sizes)} bytes, {wanted}")
    facts, body = (read_all(pipe, size) for size in sizes)
    return Message(letter, facts, body)


def read_all(pipe: IO[bytes], size: int) -> bytes:
    """Read `size` bytes; raises `EOFError` where the pipe ends before."""
    raw = pipe.read(size)
    if len(raw) < size:
        raise EOFError(f"{len(raw)} of {size} bytes")
    return raw

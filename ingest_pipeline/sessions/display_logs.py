"""The times of events: where the display's logs first name a frame."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from datetime import time
from typing import Protocol

from ingest_pipeline.sessions.model import NOT_FOUND

_BLOCK = 256 * 1024  # bytes read at a time
_LONGEST_LINE = 1024 * 1024  # bytes; what is beyond them in a line is not looked at
_FRAME = re.compile(rb"frame: ([0-9]++)(?!\.[0-9])")  # the whole number, not a part of it
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}")


class Log(Protocol):
    """A log that is read from front to back."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""

    def close(self) -> None:
        """End the reading."""


def frame_times(logs: Iterable[Log], frames: Collection[str]) -> dict[str, str]:
    """The time HH:MM:SS of each frame, or "Not found", in one pass over the logs.

    Frames are numbers without leading zeros. The first line that names a frame decides, also where
    it tells no time. A log is opened when its turn comes and closed after; none is opened any more
    once every frame was met. Memory is bounded, whatever the logs hold.
    """
    times = dict.fromkeys(frames, NOT_FOUND)
    missing = {frame.encode(): frame for frame in frames}
    opened = iter(logs)
    while missing and (log := next(opened, None)) is not None:
        with closing(log):
            for block in _blocks_of_lines(log):
                times |= _first_mentions(block, missing)
                if not missing:
                    break
    return times


def _first_mentions(block: bytes, missing: dict[bytes, str]) -> dict[str, str]:
    """The times of the missing frames that these lines name; they are missing no more."""
    times = {}
    for match in _FRAME.finditer(block):
        number = match[1].lstrip(b"0") or b"0"
        if number in missing:
            start = block.rfind(b"\n", 0, match.start()) + 1
            end = block.find(b"\n", match.end())
            line = block[start : end if end >= 0 else None]
            times[missing.pop(number)] = _time_of(line)
    return times


def _blocks_of_lines(log: Log) -> Iterator[bytes]:
    """A log in blocks that end where a line ends: searching a block is far faster than lines."""
    rest = b""
    while content := log.read(_BLOCK):
        block, end, rest = (rest + content).rpartition(b"\n")
        if end:
            yield block
        if len(rest) > _LONGEST_LINE:
            # A space for what is cut off, so that no number is made of two halves.
            rest = rest[:_LONGEST_LINE].rstrip(b"0123456789") + b" "
    yield rest


def _time_of(line: bytes) -> str:
    """`11:17:05` of `DISPLAY, 17/07/2023 11:17:05, frame: 1234`."""
    try:
        text = line.decode(errors="replace").rstrip("\r").split(",")[1].split(" ")[2]
        time.fromisoformat(text)
    except (IndexError, ValueError):
        return NOT_FOUND
    return text if _TIME.fullmatch(text) else NOT_FOUND

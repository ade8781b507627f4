"""The times of events: where the display's logs name a frame with a time."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

_BLOCK = 256 * 1024  # bytes read at a time
_LONGEST_LINE = 1024 * 1024  # bytes; what is beyond them in a line is not looked at
_FRAME = re.compile(rb"frame: ([0-9]++)(?!\.[0-9])")  # the whole number, not a part of it
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}")  # fractions may follow, which are cut
_DAY = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}")
_JITTER = timedelta(hours=1)  # before the start; what lies further back is past midnight


class Log(Protocol):
    """A log that is read from front to back."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""

    def close(self) -> None:
        """End the reading."""


@dataclass(frozen=True)
class LogTime:
    """What a line of a log tells of a moment."""

    clock: time  # the vehicle's, to the second
    day: date | None = None  # where the line tells one

    def moment(self, started: datetime) -> datetime:
        """The moment, never before the session's start: past midnight the day goes on.

        Clocks of a vehicle differ by seconds: a moment shortly before the start is the start.
        """
        moment = datetime.combine(self.day or started.date(), self.clock)
        if moment >= started:
            return moment
        if started - moment < _JITTER:
            return started
        on_its_day = datetime.combine(started.date(), self.clock)
        return on_its_day if on_its_day >= started else on_its_day + timedelta(days=1)


def frame_times(logs: Iterable[Log], frames: Collection[str]) -> dict[str, LogTime]:
    """The times of the frames that the logs tell, in one pass over them.

    Frames are numbers without leading zeros. The first line that names a frame and has a time
    decides. A log is opened when its turn comes and closed after; none is opened any more once the
    time of every frame is known. Memory is bounded, whatever the logs hold.
    """
    times: dict[str, LogTime] = {}
    missing = {frame.encode(): frame for frame in frames}
    opened = iter(logs)
    while missing and (log := next(opened, None)) is not None:
        with closing(log):
            for block in _blocks_of_lines(log):
                times |= _first_times(block, missing)
                if not missing:
                    break
    return times


def _first_times(block: bytes, missing: dict[bytes, str]) -> dict[str, LogTime]:
    """The times of the missing frames that these lines tell; they are missing no more."""
    times = {}
    for match in _FRAME.finditer(block):
        number = match[1].lstrip(b"0") or b"0"
        if number in missing:
            start = block.rfind(b"\n", 0, match.start()) + 1
            end = block.find(b"\n", match.end())
            line = block[start : end if end >= 0 else None]
            if (found := _time_of(line)) is not None:
                times[missing.pop(number)] = found
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


def _time_of(line: bytes) -> LogTime | None:
    """The 17th of July, 11:17:05 of `DISPLAY, 17/07/2023 11:17:05.250, frame: 1234`."""
    try:
        _, day, clock, *_ = line.decode(errors="replace").split(",")[1].split(" ")
        if not (match := _TIME.match(clock)):
            return None
        return LogTime(time.fromisoformat(match[0]), _day_of(day))
    except (IndexError, ValueError):
        return None


def _day_of(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - the vehicle's clock
    except ValueError:
        return None

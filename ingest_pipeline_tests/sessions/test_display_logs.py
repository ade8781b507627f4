import io
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.sessions.display_logs import Log, LogTime, frame_times


def times(log: str | bytes, *frames: str) -> dict[str, str]:
    """The clocks of the frames whose times are found."""
    content = log if isinstance(log, bytes) else log.encode()
    return clocks([io.BytesIO(content)], *frames)


def clocks(logs: Iterable[Log], *frames: str) -> dict[str, str]:
    return {frame: str(found.clock) for frame, found in frame_times(logs, frames).items()}


def line(frame: object, time: str = "11:17:05") -> str:
    return f"DISPLAY, 17/07/2023 {time}, frame: {frame}, speed: 50 km/h\n"


class Endless:
    """A log of so many bytes that are made when they are read."""

    def __init__(self, pattern: bytes, size: int) -> None:
        self.left = size
        self.is_closed = False
        self._pattern = pattern * (256 * 1024 // len(pattern))

    def read(self, size: int, /) -> bytes:
        content = self._pattern[: min(size, self.left)]
        self.left -= len(content)
        return content

    def close(self) -> None:
        self.is_closed = True


def test_the_line_with_the_frame_tells_the_time() -> None:
    log = line(1, "11:17:01") + line(12, "11:17:02") + line(2, "11:17:03")
    assert times(log, "12", "2") == {"12": "11:17:02", "2": "11:17:03"}


def test_a_frame_is_its_whole_number() -> None:
    log = line(1234, "00:00:01") + line("12.5", "00:00:02") + line(12, "00:00:03")
    assert times(log, "12") == {"12": "00:00:03"}


def test_leading_zeros_do_not_matter() -> None:
    assert times(line("0012"), "12") == {"12": "11:17:05"}
    assert times(line("000"), "0") == {"0": "11:17:05"}


def test_the_first_line_with_a_time_decides() -> None:
    assert times(line(1, "00:00:01") + line(1, "00:00:02"), "1") == {"1": "00:00:01"}
    assert times("frame: 1\n" + line(1), "1") == {"1": "11:17:05"}
    logs = [io.BytesIO(text.encode()) for text in ("frame: 1\n", line(1))]
    assert clocks(logs, "1") == {"1": "11:17:05"}


def test_the_first_log_decides() -> None:
    logs = [io.BytesIO(line(1, f"00:00:0{number}").encode()) for number in (1, 2)]
    assert clocks(logs, "1") == {"1": "00:00:01"}


@pytest.mark.parametrize(
    "text",
    [
        "frame: 1",
        "DISPLAY, 11:17:05, frame: 1",
        "DISPLAY,17/07/2023 11:17:05, frame: 1",
        "DISPLAY, 17/07/2023 11:17, frame: 1",
        "DISPLAY, 17/07/2023 111705, frame: 1",
        "DISPLAY, 17/07/2023 25:00:00, frame: 1",
        "DISPLAY, 17/07/2023 x11:17:05, frame: 1",
        "DISPLAY, 17/07/2023 1१:17:05, frame: 1",
        ", , \xff\xfe\x00 frame: 1",
    ],
)
def test_what_is_no_time_is_not_found(text: str) -> None:
    assert times(text.encode("latin-1", errors="replace"), "1") == {}


@pytest.mark.parametrize("fraction", [".5", ".123456", ",250", ":25", "Z"])
def test_fractions_are_cut(fraction: str) -> None:
    assert times(line(1, f"11:17:05{fraction}"), "1") == {"1": "11:17:05"}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("18/07/2023", date(2023, 7, 18)),
        ("x", None),
        ("", None),
        ("31/02/2023", None),
        ("07/18/2023", None),
        ("2023-07-18", None),
    ],
)
def test_the_line_tells_the_day_where_it_has_one(day: str, expected: date | None) -> None:
    log = io.BytesIO(f"DISPLAY, {day} 00:00:05, frame: 1\n".encode())
    assert frame_times([log], ["1"]) == {"1": LogTime(time(0, 0, 5), expected)}


@pytest.mark.parametrize(
    ("clock", "day", "moment"),
    [
        ("23:59:50", None, "2023-12-31 23:59:50"),
        ("23:59:51", None, "2023-12-31 23:59:51"),
        ("00:00:05", None, "2024-01-01 00:00:05"),
        ("00:00:05", date(2024, 1, 1), "2024-01-01 00:00:05"),
        ("00:00:05", date(2023, 12, 31), "2024-01-01 00:00:05"),
        ("00:00:05", date(1970, 1, 1), "2024-01-01 00:00:05"),
        ("23:59:55", date(1970, 1, 1), "2023-12-31 23:59:55"),
        ("00:00:05", date(2024, 1, 2), "2024-01-02 00:00:05"),
        # Clocks of one vehicle differ: what is said to be shortly before is the start.
        ("23:59:49", None, "2023-12-31 23:59:50"),
        ("23:57:00", date(2023, 12, 31), "2023-12-31 23:59:50"),
        ("22:59:51", None, "2023-12-31 23:59:50"),
        ("22:59:50", None, "2024-01-01 22:59:50"),
    ],
)
def test_past_midnight_the_day_goes_on(clock: str, day: date | None, moment: str) -> None:
    started = datetime(2023, 12, 31, 23, 59, 50)  # noqa: DTZ001 - the vehicle's clock
    assert str(LogTime(time.fromisoformat(clock), day).moment(started)) == moment


def test_a_frame_that_no_line_has_is_not_found() -> None:
    assert times(line(1), "2") == {}
    assert times(b"", "2") == {}
    assert frame_times([], ["2"]) == {}


def test_the_time_may_stand_at_the_end_of_the_line() -> None:
    assert times("frame: 1, on 17/07/2023 \r\n", "1") == {}
    assert times("frame: 1, 17/07/2023 11:17:05\r\n", "1") == {"1": "11:17:05"}
    assert times("frame: 1, 17/07/2023 11:17:05", "1") == {"1": "11:17:05"}


@given(
    lines=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 59)), max_size=30),
    wanted=st.sets(st.integers(0, 30)),
)
def test_it_agrees_with_reading_line_by_line(
    lines: list[tuple[int, int]], wanted: set[int]
) -> None:
    log = "".join(line(frame, f"00:00:{second:02}") for frame, second in lines)
    first = dict(reversed(lines))
    assert times(log, *map(str, wanted)) == {
        str(frame): f"00:00:{first[frame]:02}" for frame in wanted if frame in first
    }


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_it_does_not_matter_where_a_read_ends(size: int) -> None:
    class Dripping(io.BytesIO):
        def read(self, _size: int | None = None, /) -> bytes:
            return super().read(size)

    log = Dripping((line(12, "00:00:01") + line(1234, "00:00:02") + line(123)).encode())
    assert clocks([log], "1234", "123") == {"1234": "00:00:02", "123": "11:17:05"}


def test_no_more_is_read_than_is_needed() -> None:
    opened = []

    def logs() -> Iterator[Endless]:
        for number in range(3):
            opened.append(Endless(line(number).encode(), 100_000_000))
            yield opened[-1]

    assert clocks(logs(), "1") == {"1": "11:17:05"}
    first, second = opened
    assert (first.left, first.is_closed, second.is_closed) == (0, True, True)
    assert second.left > 99_000_000


def test_no_log_is_opened_for_no_frame() -> None:
    def logs() -> Iterator[Endless]:
        pytest.fail("a log was opened")
        yield

    assert frame_times(logs(), []) == {}


@pytest.mark.parametrize("pattern", [line(5).encode(), b"no end of line, frame: 5 "])
def test_memory_is_bounded(pattern: bytes) -> None:
    tracemalloc.start()
    try:
        frame_times([Endless(pattern, 50_000_000)], ["7"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_what_lies_beyond_a_megabyte_of_a_line_makes_no_number() -> None:
    head = b"DISPLAY, 17/07/2023 11:17:05, "
    endless = head + b"x" * (1024 * 1024 - len(head) - len(b"frame: 12")) + b"frame: 12"
    assert times(endless + b"34" + b"y" * 1_000_000 + b"\n", "12", "1234") == {}
    assert times(endless + b"34\n" + line(12).encode(), "12")["12"] == "11:17:05"


def test_a_clock_that_is_behind_at_midnight_tells_the_start() -> None:
    started = datetime(2024, 1, 1, 0, 0, 5)  # noqa: DTZ001 - the vehicle's clock
    assert LogTime(time(23, 59, 58), date(2023, 12, 31)).moment(started) == started

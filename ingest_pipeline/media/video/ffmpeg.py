"""Runs ffmpeg as a limited child, and says why it failed and whose doing that was."""

import errno
import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest_pipeline.errors import RefusedError, TransientError
from ingest_pipeline.media.sandbox.child import (
    LimitedChild,
    Limits,
)

THREADS = min(os.cpu_count() or 1, 4)  # of a decoder and of an encoder; others are transcoded, too
MEMORY_BYTES = 4 * 1024 * 1024 * 1024  # of address space: 8K frames, some for every thread
_POLL_SECONDS = 0.2
_LAST_LINES = 5  # of what ffmpeg complained
_LINE_BYTES = 500
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")  # of its objects in memory, which tells people nothing


class TranscodeError(RefusedError):
    """A video cannot be transcoded, now or later; the message ends with ffmpeg's last words."""


class TranscodeResourceError(TransientError):
    """The surroundings failed, not the video: a full disk, no memory, no time. Try again later."""


class TranscodeStoppedError(TransientError):
    """The transcoding was stopped because it was asked to."""


def run_ffmpeg(
    ffmpeg: str,
    arguments: Sequence[str],
    directory: Path,
    *,
    source: Path | None,
    seconds: float,
    most_bytes: int,
    on_line: Callable[[str], None],
    stop: threading.Event,
    on_complaint: Callable[[str], None] | None = None,
) -> None:
    """Run ffmpeg in a directory and give each line of its standard output to `on_line`.

    `on_complaint` gets those of its standard error.

    Besides that directory, where it may write, it may read `source` and nothing else of ours.

    It is killed after so many seconds, when `stop` is set, and whenever this function is left; no
    file that it writes grows beyond `most_bytes`.

    Raises:
        TranscodeError, TranscodeResourceError, TranscodeStoppedError: it failed or was killed.
        What `on_line` and `on_complaint` raise passes through.
    """
    limits = Limits(
        memory_bytes=MEMORY_BYTES,
        file_bytes=most_bytes,
        open_files=64,
        cpu_seconds=round(seconds * THREADS * 2),
    )
    try:
        child = LimitedChild(
            [ffmpeg, *arguments],
            limits,
            name="ffmpeg",
            directory=directory,
            stderr=subprocess.PIPE,
            dies_with_thread=True,
            reads=[source] if source else [],
        )
    except OSError as error:
        raise TranscodeResourceError(f"ffmpeg could not start: {error}") from error
    complaints: deque[str] = deque(maxlen=_LAST_LINES)

    def complain(line: str) -> None:
        complaints.append(line)
        if on_complaint is not None:
            on_complaint(line)

    with child:
        _follow(child, time.monotonic() + seconds, on_line, complain, stop)
        code = child.close()
    if stop.is_set() and code != 0:
        raise TranscodeStoppedError("stopped")
    if child.was_killed:
        raise TranscodeResourceError(f"not done after {seconds:.0f} s")
    if code != 0:
        raise _failure(code, " / ".join(complaints))


def _follow(
    child: LimitedChild,
    deadline: float,
    on_line: Callable[[str], None],
    on_complaint: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Read both pipes until the child has ended; kill it when it is late or to be stopped."""
    child.stdin.close()
    with selectors.DefaultSelector() as selector:
        for pipe, take in ((child.stdout, on_line), (child.stderr, on_complaint)):
            selector.register(pipe.fileno(), selectors.EVENT_READ, _Lines(take))
        while selector.get_map() or child.is_alive():
            for key, _ in selector.select(_POLL_SECONDS):
                piece = os.read(key.fd, 65536)
                key.data.add(piece)
                if not piece:
                    selector.unregister(key.fd)
            if stop.is_set() or time.monotonic() > deadline or not child.is_alive():
                child.kill()  # one that has ended may have left others, with the pipes in hand


class _Lines:
    """Joins pieces to lines, which it cuts where they are long: a file may name its own."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._begun = b""

    def add(self, piece: bytes) -> None:
        """Take a piece; an empty one is the end."""
        *lines, begun = (self._begun + piece).replace(b"\r", b"\n").split(b"\n")
        self._begun = begun[:_LINE_BYTES]
        if not piece:
            lines.append(begun)
        for line in lines:
            text = _ADDRESS.sub("", line[:_LINE_BYTES].decode(errors="replace")).strip()
            if text:
                self._take(text)


# What ffmpeg says when the disk, the limits of the surroundings or the machine are at fault.
_PASSING = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",  # ours is above what `-fs` stops at
    "Resource temporarily unavailable",
    "Too many open files in system",
)


def _failure(code: int, complaints: str) -> Exception:
    if any(words in complaints for words in _PASSING):
        return TranscodeResourceError(complaints)
    if code == -signal.SIGKILL:
        return TranscodeResourceError("ffmpeg was killed from outside: out of memory?")
    how = (
        f"ffmpeg died of {signal.Signals(-code).name}" if code < 0 else f"ffmpeg ended with {code}"
    )
    return TranscodeError(f"{how}: {complaints}" if complaints else how)


_NO_SPACE = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))  # Python and ffmpeg say so


@contextmanager
def full_disk_told(folder: Path, wanted: int) -> Iterator[None]:
    """Where a block fills the disk, say how many bytes it wanted and how many were free before.

    Raises:
        TranscodeResourceError: in place of the error that says so.
    """
    free = shutil.disk_usage(folder).free
    try:
        yield
    except (OSError, TranscodeResourceError) as error:
        if not any(words in str(error) for words in _NO_SPACE):
            raise
        raise TranscodeResourceError(
            f"the disk is full: {free:,} bytes were free in {folder}, up to {wanted:,} are wanted "
            f"({error})"
        ) from error

"""Waveforms of audio files: small pictures, drawn by libsndfile and Pillow in a limited child."""

import signal
import struct
import sys
import threading
from pathlib import Path

from ingest_pipeline.errors import RefusedError, TransientError
from ingest_pipeline.media.image.reader import Picture
from ingest_pipeline.media.sandbox.child import (
    Closing,
    LimitedChild,
    Limits,
    read_all,
)

WIDTH = 960  # pixels
HEIGHT = 160
BASE_CPU_SECONDS = 10  # for any file: 60 s in stereo take 0.05
BYTES_A_CPU_SECOND = 20_000_000  # and for more of them one more: 24 bits are read at 200 MB/s
WALL_FACTOR = 6  # of wall time to that CPU time: other processes work, too
CHILD_PROGRAM = Path(__file__).with_name("waveform_child.py")

# The interpreter with numpy takes 140 MB. The child renews its CPU seconds for every file.
LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=0, open_files=16)
_REQUEST = struct.Struct("<HHII")  # width, height, CPU seconds, length of the path
_ANSWER = struct.Struct("<cI")  # "P" or "E", length of the picture or of the words
_FILES_DOING = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class WaveformError(RefusedError):
    """A file has no waveform that can be drawn; the message says why."""


class WaveformDrawerError(TransientError):
    """Drawing failed for reasons that are not the file's: try again later."""


class WaveformDrawer(Closing):
    """Draws waveforms in one child process, started when first needed.

    Safe to share between threads; they take turns. A context manager: on leaving it the child
    and its directory are gone.
    """

    def __init__(self, program: Path = CHILD_PROGRAM) -> None:
        """`program` is what the child runs."""
        self._program = program
        self._lock = threading.Lock()
        self._child: LimitedChild | None = None

    def close(self) -> None:
        """End the child; a later `draw` starts another."""
        with self._lock:
            self._drop_child()

    def draw(self, path: Path, width: int = WIDTH, height: int = HEIGHT) -> Picture:
        """Draw the peaks of a file and over them the RMS, a lane for the left and the right.

        The background is transparent, the colours are seen on white and on black; red marks at
        the edge of a lane stand where a sample is at full scale. Every sample is looked at.

        Raises:
            WaveformError: libsndfile cannot read the file, or not within its CPU seconds.
            WaveformDrawerError: the child could not start, was killed, or got too little CPU.
        """
        cpu_seconds = BASE_CPU_SECONDS + path.stat().st_size // BYTES_A_CPU_SECOND
        name = str(path.absolute()).encode()
        request = _REQUEST.pack(width, height, cpu_seconds, len(name)) + name
        with self._lock:
            letter, content = self._ask(request, cpu_seconds)
        if letter == b"E":
            raise WaveformError(content.decode(errors="replace"))
        return Picture(data=content, width=width, height=height, content_type="image/webp")

    def _ask(self, request: bytes, cpu_seconds: int) -> tuple[bytes, bytes]:
        child = self._living_child()
        with child.killed_after(cpu_seconds * WALL_FACTOR):
            try:
                return _exchange(child, request)
            except (OSError, EOFError) as error:
                child.wait()  # or one that is about to end would count as killed by us
                self._drop_child()
                raise _death(child, cpu_seconds) from error

    def _living_child(self) -> LimitedChild:
        if self._child is not None and not self._child.is_alive():
            self._drop_child()  # it died between two files, of the system's lack of memory say
        if self._child is None:
            command = [sys.executable, "-I", str(self._program)]
            try:
                self._child = LimitedChild(command, LIMITS, name="waveform")
            except OSError as error:
                raise WaveformDrawerError(f"the drawer could not start: {error}") from error
        return self._child

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _exchange(child: LimitedChild, request: bytes) -> tuple[bytes, bytes]:
    child.stdin.write(request)
    child.stdin.flush()
    letter, size = _ANSWER.unpack(read_all(child.stdout, _ANSWER.size))
    return letter, read_all(child.stdout, size)


def _death(child: LimitedChild, cpu_seconds: int) -> Exception:
    """Say whose doing it was that the child gave no answer."""
    code = child.close()
    if child.was_killed:
        return WaveformDrawerError(f"no answer in {cpu_seconds * WALL_FACTOR} s")
    if code == -signal.SIGXCPU:
        return WaveformError(f"not drawn after {cpu_seconds} s of computing")
    if -code in _FILES_DOING:
        return WaveformError(f"the reader crashed ({signal.Signals(-code).name})")
    return WaveformDrawerError(f"the drawer ended with {code}")

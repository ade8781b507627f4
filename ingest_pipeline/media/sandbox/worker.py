"""A long-lived child that answers requests: the host of every decoder that runs in one.

What is asked and answered is the business of the decoder's own two modules, here is how: one wire
format, a time limit for each request, a child that is replaced when it was lost.
"""

import json
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, NonNegativeInt, TypeAdapter, ValidationError

from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.files import ReadBudgetError, SeekableFile
from ingest_pipeline.media.sandbox import wire
from ingest_pipeline.media.sandbox.child import Closing, LimitedChild, Limits

LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)

Facts = TypeVar("Facts", bound=BaseModel)


class WorkerError(TransientError):
    """A worker gave no answer."""


class WorkerStartError(WorkerError):
    """No child could be started."""


class WorkerLostError(WorkerError):
    """The child died, was killed or answered nonsense; the next request has a fresh one."""

    def __init__(self, words: str, *, exit_code: int, is_late: bool) -> None:
        """`is_late` where it was killed for taking too long."""
        super().__init__(words)
        self.exit_code = exit_code
        self.is_late = is_late

    @property
    def crash(self) -> str | None:
        """The signal's name where it died of what it read."""
        is_crash = not self.is_late and -self.exit_code in _CRASHES
        return signal.Signals(-self.exit_code).name if is_crash else None

    @property
    def is_out_of_cpu(self) -> bool:
        """Whether it computed longer than it may."""
        return not self.is_late and self.exit_code == -signal.SIGXCPU


class WorkerNonsenseError(WorkerLostError):
    """The child said something that is no answer; the words follow its name: "says ..."."""


class Served(NamedTuple):
    """A file that the child may read while it answers."""

    file: SeekableFile
    size: int  # bytes


class Worker(Closing):
    """One child process, started when first needed.

    Safe to share between threads; they take turns. A context manager: on leaving it the child and
    its directory are gone.
    """

    def __init__(
        self,
        program: str | Path,
        limits: Limits,
        *,
        name: str,
        dies_with_thread: bool = False,
        longest_answer: int = LONGEST_ANSWER_BYTES,
        reads: Sequence[Path] = (),
    ) -> None:
        """`program` is a module of ours, or a file, that calls `worker_child.serve`.

        Besides what every child may, it may read `reads`.
        """
        self._program = program
        self._limits = limits
        self._name = name
        self._dies_with_thread = dies_with_thread
        self._longest_answer = longest_answer
        self._reads = reads
        self._turn = threading.RLock()
        self._child: LimitedChild | None = None

    def close(self) -> None:
        """End the child; a later `ask` starts another."""
        with self._turn:
            if self._child is not None:
                self._child.close()
                self._child = None

    def turn(self) -> AbstractContextManager[object]:
        """Keep other threads away for several requests in a row."""
        return self._turn

    def ask(
        self,
        answer: type[Facts],
        facts: Mapping[str, object],
        body: bytes = b"",
        *,
        seconds: float,
        cpu_seconds: int | None = None,
        served: Served | None = None,
    ) -> tuple[Facts, bytes]:
        """Ask for something; the answer is facts and a body.

        It may take `seconds` of wall time, in which it may compute for `cpu_seconds`.

        Raises:
            WorkerStartError, WorkerLostError: there is no answer.
            Errors of the file that is served pass through, except `ReadBudgetError`.
        """
        request = dict(facts)
        if served is not None:
            request["file_bytes"] = served.size
        with self._turn:
            child = self._living_child()
            if cpu_seconds is not None and sys.platform == "linux":
                child.allow_cpu(cpu_seconds)
            elif cpu_seconds is not None:
                request["cpu_seconds"] = cpu_seconds
            try:
                with child.killed_after(seconds):
                    message = self._exchange(child, json.dumps(request).encode(), body, served)
                    return answer.model_validate_json(message.facts), message.body
            except _PipeError as error:
                raise self._lost(child, str(error)) from error
            except wire.NonsenseError as error:
                raise self._lost(child, str(error), WorkerNonsenseError) from error
            except ValidationError as error:
                words = f"answered nonsense: {error}"
                raise self._lost(child, words, WorkerNonsenseError) from error
            except BaseException:  # of the file that is served, or an interruption
                self.close()  # it is in the middle of its work
                raise

    def _living_child(self) -> LimitedChild:
        if self._child is not None and not self._child.is_alive():
            self.close()  # it died between two requests, of the system's lack of memory say
        if self._child is None:
            try:
                self._child = LimitedChild(
                    [str(self._program)],
                    self._limits,
                    name=self._name,
                    is_python=True,
                    dies_with_thread=self._dies_with_thread,
                    reads=self._reads,
                )
            except OSError as error:
                raise WorkerStartError(str(error)) from error
        return self._child

    def _exchange(
        self, child: LimitedChild, facts: bytes, body: bytes, served: Served | None
    ) -> wire.Message:
        """Send a request, and serve its file until there is an answer."""
        _send(child, wire.REQUEST, facts, body)
        letters = wire.ANSWER if served is None else wire.ANSWER + wire.READ
        while True:
            message = self._receive(child, letters)
            if served is None or message.letter == wire.ANSWER:
                return message
            _send(child, wire.GIVEN, b"", _given(served, message.facts))

    def _receive(self, child: LimitedChild, letters: bytes) -> wire.Message:
        try:
            return wire.receive(child.stdout, letters, self._longest_answer)
        except (OSError, EOFError) as error:
            child.wait()  # or one that is about to end would count as killed by us
            raise _PipeError(str(error)) from error

    def _lost(
        self,
        child: LimitedChild,
        words: str,
        kind: type[WorkerLostError] = WorkerLostError,
    ) -> WorkerLostError:
        is_late = child.was_killed
        exit_code = child.close()
        self._child = None
        return kind(words, exit_code=exit_code, is_late=is_late)


class _PipeError(Exception):
    """A pipe to the child is broken: to be told from errors of the file that is served."""


def _send(child: LimitedChild, letter: bytes, facts: bytes, body: bytes) -> None:
    try:
        wire.send(child.stdin, letter, facts, body)
    except OSError as error:
        child.wait()
        raise _PipeError(str(error)) from error


def _given(served: Served, wanted: bytes) -> bytes:
    """Read what a child wants of a file; nothing where no more is fetched."""
    offset, size = _PLACE.validate_json(wanted)
    if offset + size > served.size or size > wire.MOST_READ_BYTES:
        raise wire.NonsenseError(f"asks for {size} bytes at {offset} of {served.size}")
    try:
        served.file.seek(offset)
        return served.file.read(size)
    except ReadBudgetError:
        return b""


_PLACE = TypeAdapter(tuple[NonNegativeInt, NonNegativeInt])

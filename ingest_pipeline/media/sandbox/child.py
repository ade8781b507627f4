"""Limited child processes: whatever reads hostile files runs in one.

A child has narrow limits, an empty directory, none of our environment and a process group of its
own, so that all it started dies with it. Where the kernel allows it, it sees no file of ours, no
network and no other process; what the kernel does not allow is logged once.
"""

import contextlib
import json
import logging
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

import ingest_pipeline
from ingest_pipeline.media.sandbox import confinement

_log = logging.getLogger(__name__)

PACKAGE = Path(ingest_pipeline.__file__).parent
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Limits:
    """What a child may use, and never more: it cannot raise them."""

    memory_bytes: int  # of address space
    file_bytes: int  # of each file that it writes
    open_files: int
    cpu_seconds: int | None = None  # ends a hang whose parent died and so cannot kill it


class Closing(ABC):
    """A context manager that closes itself on leaving."""

    @abstractmethod
    def close(self) -> object:
        """End what runs."""

    def __enter__(self) -> Self:
        """Give itself; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class LimitedChild(Closing):
    """A child process with pipes; a context manager, on leaving it nothing of the child is left.

    With `dies_with_thread` the kernel kills it when the thread that started it ends, be it by
    `kill -9`: for a child that one thread starts and awaits.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits,
        *,
        name: str,
        directory: Path | None = None,
        stderr: int = subprocess.DEVNULL,
        dies_with_thread: bool = False,
        is_python: bool = False,
        reads: Sequence[Path] = (),
    ) -> None:
        """Start it; `command` begins with an absolute path.

        Where it `is_python`, that is a program for the launcher's own interpreter, or a module of
        ours. Without a `directory`, which stays, it runs in one of its own, named after `name`,
        that goes with it. There it may write; besides itself, Python and what the system has
        installed it may read `reads`. Raises `OSError` where nothing can be started.
        """
        _prepare()
        self._own_directory = None
        if directory is None:
            self._own_directory = tempfile.TemporaryDirectory(prefix=f"{name}-")
            directory = Path(self._own_directory.name)
        self._lock = threading.Lock()
        self._exit_code: int | None = None
        self.was_killed = False  # by us; other processes kill, too
        plan = asdict(limits) | {
            "starter": os.getpid() if dies_with_thread else None,
            "is_python": is_python,
            "packages": str(PACKAGE.parent),
            "reads": [*_PYTHON, *_program(command[0]), *map(str, reads)],
            "writes": [str(directory)],
        }
        without_site = () if is_python else ("-S",)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell; the callers choose the command
                [sys.executable, "-I", *without_site, str(LAUNCHER), json.dumps(plan), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=directory,
                env={},  # the service's credentials are none of its business
                start_new_session=True,  # a group of its own, to be killed whole
            )
        except OSError:
            self._remove_directory()
            raise
        self._usage = psutil.Process(self._process.pid)

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe that the child reads."""
        return _there(self._process.stdin)

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe that the child writes."""
        return _there(self._process.stdout)

    @property
    def stderr(self) -> IO[bytes]:
        """The pipe of its complaints, where `stderr=subprocess.PIPE` was asked for."""
        return _there(self._process.stderr)

    def is_alive(self) -> bool:
        """Whether it still runs; what has ended stays unreaped till `close`, its id its own."""
        if self._exit_code is not None:
            return False
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, ended) is None

    def wait(self) -> None:
        """Wait until it has ended; `kill` from another thread ends the wait."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def allow_cpu(self, seconds: int) -> None:
        """Let it compute so many seconds from now on; where that cannot be done, nothing."""
        if sys.platform == "linux":
            used = self._usage.cpu_times()
            soft = math.ceil(used.user + used.system) + seconds
            _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_CPU)
            most = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (most, hard))

    def kill(self) -> None:
        """Kill the child and all that it has started; any thread may do so, at any time."""
        with self._lock:
            if self._exit_code is None:
                self.was_killed = self.was_killed or self.is_alive()
                os.killpg(self._process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def killed_after(self, seconds: float) -> Iterator[None]:
        """Kill the child if the block takes longer."""
        timer = threading.Timer(max(0.0, seconds), self.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def close(self) -> int:
        """End the child, remove its directory and give its exit code, negative for a signal."""
        self.kill()
        with self._lock:
            self._exit_code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # of a request that it never took
                    pipe.close()
        self._remove_directory()
        return self._exit_code

    def _remove_directory(self) -> None:
        if self._own_directory is not None:
            self._own_directory.cleanup()


_PYTHON = (sys.prefix, sys.base_prefix, str(PACKAGE))


def _program(path: str) -> list[str]:
    """A program, and the libraries that a folder of its own brings along."""
    real = Path(path).resolve()
    return [path, str(real.parents[1] / "lib")] if real.parent.name == "bin" else [path]


@lru_cache(maxsize=1)
def _prepare() -> None:
    """Do once a process what children need of their parent, and say what the kernel denies them."""
    missing = confinement.lacking()
    if missing:
        _log.warning("children that open media are not fully confined: %s", "; ".join(missing))
    if not confinement.landlock_version():
        confinement.hide_from_equals()


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("started without this pipe")
    return pipe

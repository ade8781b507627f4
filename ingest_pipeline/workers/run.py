"""One run in a warm process: executed, watched, ended when it is to end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from ingest_pipeline.trace import REQUEST_TAG, working_for

_LOOK_SECONDS = 0.5  # at the run's status and at the process's memory
_SIGN_SECONDS = 3  # between two signs of life
_PATIENCE = (1.5, 1.5)  # seconds after an interrupt; then the process is killed
_STARTABLE = {dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED}


@dataclass(frozen=True)
class WarmRun:
    """A run, in the process that was sent it."""

    instance: dg.DagsterInstance
    run_id: str
    memory_bytes: int  # of the process; above it the run ends
    show_life: Callable[[], None]

    def execute(self) -> None:
        """Execute the run unless it has begun elsewhere, was ended, or is unknown.

        A broker shows a task again whose worker it takes for dead: that run's messages come again
        in another run.
        """
        run = self.instance.get_run_by_id(self.run_id)
        if run is None:
            return
        if run.status is dg.DagsterRunStatus.CANCELING:
            self.instance.report_run_canceled(run)
            return
        if run.status is dg.DagsterRunStatus.STARTED:
            self.instance.report_run_failed(run, "its worker was lost while it worked on it")
            return
        if run.status not in _STARTABLE:
            return
        # What the run asks of other runs comes of the same request; of several, of the first.
        first, *_ = run.tags.get(REQUEST_TAG, "").split(" ")
        with capture_interrupts(), self._watched(), working_for(first or None):
            _execute_run_command_body(
                run_id=self.run_id,
                instance=self.instance,
                write_stream_fn=lambda _event: None,
                set_exit_code_on_failure=False,
            )
        self._tell_end()

    def _tell_end(self) -> None:
        """Where the run was interrupted between two steps, nobody has told of its end."""
        run = self.instance.get_run_by_id(self.run_id)
        if run and run.status is dg.DagsterRunStatus.CANCELING:
            self.instance.report_run_canceled(run)

    def refuse(self, why: str) -> None:
        """Fail the run without a try."""
        if run := self.instance.get_run_by_id(self.run_id):
            self.instance.report_run_failed(run, why)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,), name="watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _watch(self, done: threading.Event) -> None:
        process = psutil.Process()
        shown = 0.0
        while not done.is_set():
            if time.monotonic() - shown > _SIGN_SECONDS:
                _quietly(self.show_life)
                shown = time.monotonic()
            if _quietly(lambda: self._must_end(process)):
                self._end(done)
            done.wait(_LOOK_SECONDS)

    def _end(self, done: threading.Event) -> None:
        """Interrupt the run; kill the process if that does not help, and its children with it."""
        for seconds in _PATIENCE:  # an interrupt that comes amid a clean-up may be swallowed
            os.kill(os.getpid(), signal.SIGINT)
            if done.wait(seconds):
                return
        _quietly(self._tell_end)
        os.kill(os.getpid(), signal.SIGKILL)

    def _must_end(self, process: psutil.Process) -> bool:
        """Whether the run is to end at once; failed already where it is not somebody's wish."""
        run = self.instance.get_run_by_id(self.run_id)
        if run is None or run.is_finished or run.status is dg.DagsterRunStatus.CANCELING:
            return True
        held = process.memory_info().rss
        if held <= self.memory_bytes:
            return False
        why = (
            f"its process holds {held:,} bytes, more than twice INGEST_WORKER_MEMORY_BYTES "
            f"({self.memory_bytes:,}); its messages come again in smaller batches"
        )
        self.instance.report_run_failed(run, why)
        return True


def _quietly(look: Callable[[], bool | None]) -> bool | None:
    """A storage or result backend that is away for a moment must not end the watch."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - whatever it was, the next look may succeed
        return None

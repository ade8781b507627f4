"""Whether AWS and Dagster answer, asked in a way that never hangs."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

from ingest_pipeline.api.dagster_health import dagster_part
from ingest_pipeline.api.models import Health, Part, QueueDepth
from ingest_pipeline.aws.resources import check_bucket
from ingest_pipeline.local.disk import shortage
from ingest_pipeline.media.video.program import choose_ffmpeg
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.system import System

_SECONDS = 2.0  # that an answer may take
_KNOWN_FOR = 3.0  # seconds
Answer = TypeVar("Answer")


class Monitor:
    """Asks AWS, Dagster and ffmpeg side by side."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._aws = _Question(self._ask_aws)
        self._dagster = _Question(self._ask_dagster)
        self._ffmpeg = _Question(self._ask_ffmpeg)
        self._lock = Lock()
        self._ready_at = float("-inf")
        self._is_ready = False

    def health(self) -> Health:
        """Ask now; an answer that takes longer than two seconds is none."""
        deadline = time.monotonic() + _SECONDS
        aws, dagster, ffmpeg = self._aws.ask(), self._dagster.ask(), self._ffmpeg.ask()
        queues: dict[str, QueueDepth] = {}
        try:
            queues = aws.result(deadline - time.monotonic())
            full = shortage(self._system.config)
            aws_part = Part(ok=not full, detail=full or "S3, SQS and DynamoDB answer")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            aws_part = _failed(error)
        return Health(
            aws=aws_part,
            dagster=_part(dagster, deadline),
            ffmpeg=_part(ffmpeg, deadline),
            queues=queues,
        )

    def is_ready(self) -> bool:
        """Whether AWS answers; anybody may ask, so it is asked once in three seconds at most."""
        with self._lock:
            if time.monotonic() - self._ready_at > _KNOWN_FOR:
                try:
                    self._aws.ask().result(_SECONDS)
                    self._is_ready = True
                except Exception:  # noqa: BLE001 - whatever it is, nothing can be served
                    self._is_ready = False
                self._ready_at = time.monotonic()
            return self._is_ready

    def _ask_aws(self) -> dict[str, QueueDepth]:
        system = self._system
        check_bucket(system.clients.s3, system.config.bucket)
        system.tables.get(ASSETS, {"bucket": system.config.bucket, "file": "health"})
        depths = {
            queue.name: queue.depth()
            for each in system.queues
            for queue in (each.queue, each.dead_letters)
        }
        return {
            name: QueueDepth(waiting=depth.waiting, in_flight=depth.in_flight)
            for name, depth in depths.items()
        }

    def _ask_dagster(self) -> Part:
        return dagster_part(self._system.config.ui_url, _SECONDS)

    def _ask_ffmpeg(self) -> Part:
        choice = choose_ffmpeg(self._system.config.ffmpeg)
        return Part(ok=not choice.missing, detail=str(choice))


class _Question(Generic[Answer]):
    """A question whose answer may never come: it is under way once at most.

    Its thread is a daemon, so that one that hangs keeps no process alive.
    """

    def __init__(self, question: Callable[[], Answer]) -> None:
        self._question = question
        self._lock = Lock()
        self._answer: Future[Answer] | None = None

    def ask(self) -> "Future[Answer]":
        """Ask, or join those who wait for the answer already."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                Thread(target=self._find_out, args=(self._answer,), daemon=True).start()
            return self._answer

    def _find_out(self, answer: "Future[Answer]") -> None:
        try:
            answer.set_result(self._question())
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            answer.set_exception(error)


def _part(answer: "Future[Part]", deadline: float) -> Part:
    try:
        return answer.result(max(0, deadline - time.monotonic()))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return _failed(error)


def _failed(error: Exception) -> Part:
    if isinstance(error, TimeoutError):
        return Part(ok=False, detail=f"no answer within {_SECONDS:.0f} seconds")
    return Part(ok=False, detail=f"{type(error).__name__}: {error}")

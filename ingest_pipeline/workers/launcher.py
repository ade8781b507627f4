"""Sends runs to the workers: Dagster's launcher for Celery, with what it lacks."""

import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Self

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from typing_extensions import override

from ingest_pipeline.settings import settings
from ingest_pipeline.workers.broker import TASK, VERSION_HEADER, Broker, celery_app
from ingest_pipeline.workers.lanes import lane_of
from ingest_pipeline.workers.reach import BROKER, BrokerAwayError

SILENT_SECONDS = 15  # without a sign of life, after which a run's worker counts as gone
_KNOWN_FOR = 5  # seconds that an answer of the broker is good for


class WorkerRunLauncher(CeleryRunLauncher):
    """Sends each run to the queue of its lane; a run's id is its task's.

    Dagster's own sends everything to one queue, ends runs by a broadcast that SQS has not, and
    believes for ever that a worker lives which was killed.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._ours = Broker.of(settings())
        self._app = celery_app(self._ours)
        self._signs = _SignsOfLife()
        self._reached_at: float | None = None
        super().__init__(
            broker=self._ours.url,
            backend=self._ours.results,
            default_queue=str(self._app.conf.task_default_queue),
            inst_data=inst_data,
        )
        self.celery = self._app

    @classmethod
    @override
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    @override
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data=inst_data)

    def check_broker(self) -> None:
        """Have the broker answer.

        Raises:
            BrokerAwayError: it does not within two seconds.
        """
        now = time.monotonic()
        if self._reached_at is not None and now - self._reached_at < _KNOWN_FOR:
            return
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        except Exception as error:  # each broker's library has errors of its own
            raise BrokerAwayError(
                f"{BROKER}, {self._ours.name}, does not answer: {error}"
            ) from error
        self._reached_at = now

    @override
    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run.

        Raises:
            BrokerAwayError: it cannot be sent now.
        """
        run = context.dagster_run
        queue = lane_of(run.tags).queue
        headers = {VERSION_HEADER: version("ingest_pipeline")}
        try:
            self._app.send_task(
                TASK, [run.run_id], task_id=run.run_id, queue=queue, headers=headers
            )
        except Exception as error:  # as above
            self._reached_at = None
            raise BrokerAwayError(
                f"the workers' broker, {self._ours.name}, does not answer: {error}"
            ) from error
        self._instance.report_engine_event(f"Sent to the workers' queue {queue}.", run)

    @override
    def terminate(self, run_id: str) -> bool:
        """Ask that the run ends: its worker looks at its status twice a second."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    @property
    @override
    def supports_resume_run(self) -> bool:
        return False  # the batch's messages come again, in a new run

    @override
    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process shows signs of life.

        A result backend that is away says nothing of the run: then it counts as alive.
        """
        try:
            result = self._app.AsyncResult(run.run_id)
            state, sign = result.state, result.info
        except Exception:  # noqa: BLE001 - each backend's library has errors of its own
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the result backend does not answer")
        if state == "FAILURE":
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its worker's process ended: {sign}")
        if state == "SUCCESS":
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        silent = self._signs.silent_seconds(run.run_id, sign)
        if silent > SILENT_SECONDS:
            why = f"its worker has shown no sign of life for {silent:.0f} s"
            return CheckRunHealthResult(WorkerStatus.FAILED, why)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    @override
    def get_run_worker_debug_info(
        self, run: DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        return None


class _SignsOfLife:
    """When each run's sign last changed, by this process's clock: those of others may be wrong."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, float]] = {}
        self._lock = threading.Lock()

    def silent_seconds(self, run_id: str, sign: object) -> float:
        now = time.monotonic()
        with self._lock:
            known, since = self._seen.get(run_id, (None, now))
            if run_id not in self._seen or known != sign:
                since = now
            self._seen = {
                key: seen for key, seen in self._seen.items() if now - seen[1] < 10 * SILENT_SECONDS
            }
            self._seen[run_id] = (sign, since)
            return now - since

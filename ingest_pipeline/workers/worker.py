"""A worker: a process that takes runs from the broker, and warm processes that execute them."""

import gc
import os
import signal
import threading
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

import dagster as dg
import psutil
from celery import Celery, Task
from celery.signals import (
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

from ingest_pipeline.aws.clients import Connection, shared_clients
from ingest_pipeline.logs import configure
from ingest_pipeline.media.image.reader import warm_reader
from ingest_pipeline.settings import Settings
from ingest_pipeline.workers.broker import TASK, VERSION_HEADER, Broker, celery_app
from ingest_pipeline.workers.lanes import Lane
from ingest_pipeline.workers.run import WarmRun


def serve(config: Settings, lanes: Sequence[Lane], grace_seconds: float) -> int:
    """Serve until SIGTERM or SIGINT: then no more is taken, and what is begun has so many seconds.

    What is not finished by then is interrupted; its messages come again.
    """
    configure(config, "worker")
    app = celery_app(Broker.of(config))
    _add_task(app, config)
    _load_before_fork(config)
    _ready_instance(is_alone=config.workers == "embedded")
    ready = config.folder("workers") / "ready"
    worker_ready.connect(lambda **_: ready.touch(), weak=False)
    worker_shutting_down.connect(lambda **_: _interrupt_after(grace_seconds), weak=False)
    worker = app.Worker(
        pool="prefork",
        concurrency=config.processes,
        queues=[lane.queue for lane in lanes],
        max_tasks_per_child=config.worker_runs,
        max_memory_per_child=config.worker_memory_bytes // 1024,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
        quiet=True,  # no banner: a log may be read line by line
        hostname=f"{version('ingest_pipeline')}@{os.uname().nodename}-{os.getpid()}",
    )
    worker.start()
    return int(worker.exitcode or 0)


def _load_before_fork(config: Settings) -> None:
    """What costs each process 0.7 s at its first run otherwise, and all of them its memory.

    The clients are made here and first used in the processes: a fork shares no connection.
    """
    from ingest_pipeline.definitions import defs  # noqa: PLC0415 - 2 s, which other parts do without

    defs().get_repository_def().get_all_jobs()
    clients = shared_clients(Connection.of(config))
    _ = clients.s3, clients.sqs, clients.dynamodb
    gc.freeze()  # a collection would copy every page that it marks


def _ready_instance(*, is_alone: bool) -> None:
    """Limit the pools, and fail the runs of the last worker where there is no other.

    Each such run would hold its place until the monitor misses its signs of life; its messages
    come again by themselves. Dagster itself notes a pool's limit when the pool is first used: on a
    fresh instance the first two renditions ran side by side for some seconds.
    """
    with dg.DagsterInstance.get() as instance:
        instance.event_log_storage.initialize_concurrency_limit_to_default("transcode")
        if not is_alone:
            return
        begun = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
        for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
            instance.report_run_failed(run, "its worker is gone")


def _interrupt_after(seconds: float) -> None:
    """Interrupt the runs; Celery itself would wait for as long as they take."""

    def interrupt() -> None:
        for process in psutil.Process().children():
            process.send_signal(signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()


@cache
def _instance() -> dg.DagsterInstance:
    """What a process holds on to from run to run; to be opened after the fork."""
    return dg.DagsterInstance.get()


def _warm_up(**_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between two runs there is nothing to interrupt
    _instance()


def _add_task(app: Celery, config: Settings) -> None:
    worker_process_init.connect(_warm_up, weak=False)
    # Celery ends a process without Python's own hooks.
    worker_process_shutdown.connect(lambda **_: warm_reader().close(), weak=False)
    ours = version("ingest_pipeline")

    @app.task(bind=True, name=TASK)  # type: ignore[untyped-decorator] # Celery has no types
    def execute_run(task: Task, run_id: str) -> None:
        beats = 0

        def show_life() -> None:
            nonlocal beats
            beats += 1
            # By its id: the thread that shows life knows of no request.
            sign = {"beat": beats, "pid": os.getpid()}
            task.update_state(task_id=run_id, state="STARTED", meta=sign)

        run = WarmRun(_instance(), run_id, 2 * config.worker_memory_bytes, show_life)
        theirs = (task.request.headers or {}).get(VERSION_HEADER)
        if theirs != ours:
            run.refuse(
                f"this worker has version {ours} of ingest_pipeline, the run was sent by version "
                f"{theirs}: start workers of the same version"
            )
            return
        run.execute()

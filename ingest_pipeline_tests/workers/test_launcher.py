"""The launcher against real brokers: folders, and addresses at which nobody answers."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from ingest_pipeline.settings import Settings, settings
from ingest_pipeline.workers import launcher as module
from ingest_pipeline.workers.broker import TASK, VERSION_HEADER, Broker, celery_app
from ingest_pipeline.workers.instance import write_instance
from ingest_pipeline.workers.lanes import TAG, Lane
from ingest_pipeline.workers.launcher import WorkerRunLauncher
from ingest_pipeline.workers.reach import BrokerAwayError
from ingest_pipeline_tests.embedded import free_port

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(
        GrpcServerCodeLocationOrigin(host="localhost", socket="/nowhere", location_name="some"),
        "__repository__",
    ),
    "some_job",
)


@dg.op
def nothing() -> None: ...


@dg.job
def some_job() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("INGEST_HOME", str(tmp_path))
    settings.cache_clear()
    (tmp_path / "dagster").mkdir()
    write_instance(Settings(home=tmp_path), tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as made:
        yield made
    settings.cache_clear()


def launcher_of(instance: dg.DagsterInstance) -> WorkerRunLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, WorkerRunLauncher)
    return launcher


def new_run(
    instance: dg.DagsterInstance, lane: Lane | None, status: str = "STARTED"
) -> dg.DagsterRun:
    return instance.create_run_for_job(
        some_job,
        tags={TAG: str(lane)} if lane else {},
        status=dg.DagsterRunStatus(status),
        remote_job_origin=ORIGIN,
    )


def launch(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    launcher_of(instance).launch_run(LaunchRunContext(run, workspace=None))


def test_a_run_goes_to_the_queue_of_its_lane_with_the_version_of_who_sent_it(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = new_run(instance, Lane.LATER, "STARTING")
    launch(instance, run)
    app = celery_app(Broker.of(Settings(home=tmp_path)))
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(Lane.LATER.queue)
        message = queue.get(timeout=5)
        queue.close()
    assert message.headers["task"] == TASK
    assert message.headers["id"] == run.run_id
    assert message.headers[VERSION_HEADER]


def test_a_broker_that_is_away_is_named_and_soon(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"redis://127.0.0.1:{free_port()}"
    monkeypatch.setenv("INGEST_WORKERS", f"{where}/0")
    settings.cache_clear()
    launcher = WorkerRunLauncher()
    launcher.register_instance(instance)
    asked = time.monotonic()
    with pytest.raises(BrokerAwayError, match=f"the workers' broker, {where}, does not answer"):
        launcher.check_broker()
    assert time.monotonic() - asked < 10


def test_a_run_is_healthy_as_long_as_its_worker_shows_life(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.5)
    launcher, run = launcher_of(instance), new_run(instance, Lane.FRESH)
    backend = launcher._app.backend
    for beat in range(4):
        backend.store_result(run.run_id, {"beat": beat}, "STARTED")
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        time.sleep(0.3)
    time.sleep(0.5)
    health = launcher.check_run_worker_health(run)
    assert health.status is WorkerStatus.FAILED
    assert "no sign of life" in str(health.msg)


def test_a_process_that_was_killed_is_told_by_its_worker(instance: dg.DagsterInstance) -> None:
    launcher, run = launcher_of(instance), new_run(instance, Lane.FRESH)
    launcher._app.backend.mark_as_failure(run.run_id, RuntimeError("signal 9"))
    assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED


def test_a_result_backend_that_is_away_says_nothing_of_a_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_WORKER_RESULTS", f"redis://127.0.0.1:{free_port()}/0")
    settings.cache_clear()
    launcher = WorkerRunLauncher()
    health = launcher.check_run_worker_health(new_run(instance, Lane.FRESH))
    assert health.status is WorkerStatus.RUNNING


def test_a_run_is_asked_to_end_and_an_ended_one_is_not(instance: dg.DagsterInstance) -> None:
    run = new_run(instance, Lane.FRESH)
    assert launcher_of(instance).terminate(run.run_id)
    told = instance.get_run_by_id(run.run_id)
    assert told is not None
    assert told.status is dg.DagsterRunStatus.CANCELING
    assert not launcher_of(instance).terminate(new_run(instance, Lane.FRESH, "SUCCESS").run_id)

"""A worker as a process of its own, with a broker of folders."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment
from ingest_pipeline.workers.broker import TASK, VERSION_HEADER, Broker, celery_app
from ingest_pipeline.workers.lanes import Lane
from ingest_pipeline_tests.system import wait_for
from ingest_pipeline_tests.workers.test_launcher import instance, new_run

__all__ = ["instance"]  # a fixture


@pytest.fixture
def worker(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Ready; it executes the instance's runs."""
    assert Path(instance.root_directory).parent == tmp_path
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest_pipeline.cli.main", "worker", "--grace", "1"],
            cwd=PROJECT_ROOT,
            env=child_environment(Settings(home=tmp_path)) | {"INGEST_WORKER_PROCESSES": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for((tmp_path / "workers" / "ready").exists, 90, (tmp_path / "worker.log").read_text())
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(home: Path, run: dg.DagsterRun, sent_by: str) -> None:
    celery_app(Broker.of(Settings(home=home))).send_task(
        TASK,
        [run.run_id],
        task_id=run.run_id,
        queue=Lane.FRESH.queue,
        headers={VERSION_HEADER: sent_by},
    )


@pytest.mark.timeout(180)
def test_a_worker_of_another_version_refuses_a_run_with_a_sentence_and_stops_when_asked(
    worker: "subprocess.Popen[bytes]", instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = new_run(instance, Lane.FRESH, "STARTING")
    send(tmp_path, run, sent_by="0.0.1")

    def failed() -> bool:
        found = instance.get_run_by_id(run.run_id)
        return found is not None and found.status is dg.DagsterRunStatus.FAILURE

    wait_for(failed, 60)
    said = instance.all_logs(run.run_id)[-1].message
    assert "the run was sent by version 0.0.1: start workers of the same version" in said
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0


def test_lanes_that_there_are_not_are_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest_pipeline.cli.main", "worker", "--lanes", "fast"],
        cwd=PROJECT_ROOT,
        env=child_environment(Settings(home=tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'fast' is not a valid Lane; wanted: fresh, later, transcode, backfill" in done.stderr

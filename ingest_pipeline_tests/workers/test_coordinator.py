"""Which runs are sent at once, and which wait in Dagster's queue."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.run_coordinator import SubmitRunContext

from ingest_pipeline.settings import settings
from ingest_pipeline.workers.lanes import TAG, Lane
from ingest_pipeline.workers.launcher import WorkerRunLauncher
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.workers.test_launcher import instance, new_run

__all__ = ["instance"]  # a fixture

NO_WORKSPACE: Any = None  # the workers' launcher asks for none
STARTING, QUEUED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED


def submitted(instance: dg.DagsterInstance, lane: Lane | None) -> dg.DagsterRun:
    run = new_run(instance, lane, "NOT_STARTED")
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=NO_WORKSPACE))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def test_where_there_is_room_a_run_is_sent_at_once(instance: dg.DagsterInstance) -> None:
    assert submitted(instance, Lane.FRESH).status is STARTING


def test_what_is_fresh_finds_a_process_whatever_else_is_going_on(
    instance: dg.DagsterInstance,
) -> None:
    for lane in (Lane.LATER, Lane.TRANSCODE, Lane.TRANSCODE, Lane.BACKFILL):
        new_run(instance, lane)
    assert submitted(instance, Lane.LATER).status is QUEUED
    assert submitted(instance, Lane.TRANSCODE).status is QUEUED
    assert submitted(instance, Lane.BACKFILL).status is QUEUED
    assert submitted(instance, Lane.FRESH).status is STARTING


def test_all_processes_at_work_leave_it_in_the_queue(instance: dg.DagsterInstance) -> None:
    for _ in range(settings().processes):
        new_run(instance, Lane.FRESH)
    assert submitted(instance, Lane.FRESH).status is QUEUED


def test_one_that_waits_is_not_overtaken(instance: dg.DagsterInstance) -> None:
    new_run(instance, Lane.FRESH, "QUEUED")
    assert submitted(instance, Lane.FRESH).status is QUEUED


def test_a_run_of_no_lane_gets_that_of_whole_days(instance: dg.DagsterInstance) -> None:
    assert submitted(instance, None).tags[TAG] == Lane.BACKFILL


def test_while_the_broker_is_away_it_waits_in_dagsters_queue(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_WORKERS", f"redis://127.0.0.1:{free_port()}/0")
    settings.cache_clear()
    launcher = WorkerRunLauncher()
    launcher.register_instance(instance)
    monkeypatch.setattr(type(instance), "run_launcher", launcher)
    assert submitted(instance, Lane.FRESH).status is QUEUED

"""Which runs a process takes on, and when it ends one; that it ends them is tested end to end."""

import dagster as dg
import psutil
import pytest

from ingest_pipeline.workers.lanes import Lane
from ingest_pipeline.workers.run import WarmRun
from ingest_pipeline_tests.workers.test_launcher import instance, new_run

__all__ = ["instance"]  # a fixture

PLENTY = 2**40  # bytes


def warm(instance: dg.DagsterInstance, run: dg.DagsterRun, memory_bytes: int = PLENTY) -> WarmRun:
    return WarmRun(instance, run.run_id, memory_bytes, lambda: None)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status.value


def last_message(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    return instance.all_logs(run.run_id)[-1].message


@pytest.mark.parametrize(
    ("before", "after"),
    [("CANCELING", "CANCELED"), ("CANCELED", "CANCELED"), ("SUCCESS", "SUCCESS")],
)
def test_a_run_that_was_ended_before_its_turn_is_not_begun(
    instance: dg.DagsterInstance, before: str, after: str
) -> None:
    run = new_run(instance, Lane.FRESH, before)
    warm(instance, run).execute()
    assert status(instance, run) == after


def test_a_run_that_comes_again_was_lost_and_is_not_done_twice(
    instance: dg.DagsterInstance,
) -> None:
    run = new_run(instance, Lane.FRESH, "STARTED")
    warm(instance, run).execute()
    assert status(instance, run) == "FAILURE"
    assert "its worker was lost" in last_message(instance, run)


def test_a_run_that_nobody_knows_is_passed_over(instance: dg.DagsterInstance) -> None:
    WarmRun(instance, "00000000-0000-0000-0000-000000000000", PLENTY, lambda: None).execute()


def test_a_run_whose_process_holds_too_much_ends_with_the_reason(
    instance: dg.DagsterInstance,
) -> None:
    run = new_run(instance, Lane.FRESH)
    assert not warm(instance, run)._must_end(psutil.Process())
    assert warm(instance, run, memory_bytes=1)._must_end(psutil.Process())
    assert status(instance, run) == "FAILURE"
    assert "more than twice INGEST_WORKER_MEMORY_BYTES" in last_message(instance, run)


def test_a_run_that_somebody_ends_must_end(instance: dg.DagsterInstance) -> None:
    run = new_run(instance, Lane.FRESH, "CANCELING")
    assert warm(instance, run)._must_end(psutil.Process())

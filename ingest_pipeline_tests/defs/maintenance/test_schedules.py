from datetime import datetime

import dagster as dg
import pytest

from ingest_pipeline.defs.maintenance.schedules import (
    check_objects_schedule,
    reconcile_schedule,
)

HOUR = 60


def minute(schedule: dg.ScheduleDefinition) -> int:
    first, *others = str(schedule.cron_schedule).split()
    assert others == ["*"] * 4, "every hour of every day"
    return int(first)


def test_looking_comes_half_an_hour_after_mending() -> None:
    assert (minute(check_objects_schedule) - minute(reconcile_schedule)) % HOUR == HOUR // 2


@pytest.mark.parametrize("schedule", [reconcile_schedule, check_objects_schedule])
def test_nobody_elses_full_hour_is_taken(schedule: dg.ScheduleDefinition) -> None:
    assert minute(schedule) not in {0, 15, 30, 45}


@pytest.mark.parametrize("schedule", [reconcile_schedule, check_objects_schedule])
def test_a_tick_asks_for_one_run_as_its_job_is(schedule: dg.ScheduleDefinition) -> None:
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, 12, 17))  # noqa: DTZ001
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key is None
    assert not request.run_config

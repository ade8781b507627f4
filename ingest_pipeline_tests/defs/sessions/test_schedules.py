from datetime import UTC, datetime, time

import dagster as dg

from ingest_pipeline.defs.sessions.schedules import ingest_sessions_schedule
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline_tests.defs.runs import (
    RANGE_END,
    RANGE_START,
    run_as_requested,
)
from ingest_pipeline_tests.defs.sessions.helpers import JOB, put, stored_tags
from ingest_pipeline_tests.world import World


def test_the_schedule_asks_for_the_last_seven_days_in_one_run() -> None:
    assert ingest_sessions_schedule.cron_schedule == "*/20 * * * 1-6"
    assert ingest_sessions_schedule.execution_timezone == "UTC"
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2024, 3, 2, 23, 40, tzinfo=UTC)
    )
    (request,) = ingest_sessions_schedule.evaluate_tick(context).run_requests or []
    assert request.tags[RANGE_START] == "2024-02-25"
    assert request.tags[RANGE_END] == "2024-03-02"
    assert request.partition_key is None
    assert not request.run_config


def test_what_the_schedule_asks_for_completes_a_session_of_today(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    now = datetime.now(UTC)
    one = SampleSession("V236", datetime.combine(now.date(), time.min), 1)
    put(our_world, one)
    context = dg.build_schedule_context(scheduled_execution_time=now)
    (request,) = ingest_sessions_schedule.evaluate_tick(context).run_requests or []
    assert run_as_requested(instance, JOB, request).success
    assert stored_tags() == {one.session_id: one.audio_tags}

"""The schedule that looks at the sessions of the last days."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ingest_pipeline.defs.common.partitions import day_range
from ingest_pipeline.defs.sessions.jobs import ingest_sessions

_RECENT_DAYS = 7


@dg.schedule(
    job=ingest_sessions,
    cron_schedule="*/20 * * * 1-6",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks at the sessions of the last 7 days in one run: what was half uploaded is "
    "completed once the rest has arrived.",
)
def ingest_sessions_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    today = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(
        run_key=None,
        tags=day_range(_day(today - timedelta(days=_RECENT_DAYS - 1)), _day(today)),
    )


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")

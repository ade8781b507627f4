"""The schedules."""

import dagster as dg

from ingest_pipeline.defs.maintenance.jobs import reconcile

reconcile_hourly = dg.ScheduleDefinition(
    job=reconcile,
    cron_schedule="17 * * * *",  # off the full hour, when everybody else's jobs start
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Finds what events did not tell: missed messages, and objects removed by hand.",
)

"""The schedules of looking and of mending."""

import dagster as dg

from ingest_pipeline.defs.maintenance.jobs import check_objects, reconcile

reconcile_schedule = dg.ScheduleDefinition(
    name="reconcile_schedule",
    job=reconcile,
    cron_schedule="17 * * * *",  # off the full hour, when everybody else's jobs start
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Finds and mends what events did not tell: missed messages, and objects removed by "
    "hand.",
)

check_objects_schedule = dg.ScheduleDefinition(
    name="check_objects_schedule",
    job=check_objects,
    cron_schedule="47 * * * *",  # half an hour after the mending: what is found has survived it
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks at what reconciliation has left.",
)

"""The sensor of sessions whose upload reports have landed."""

import dagster as dg

from ingest_pipeline.defs.common.partitions import day_range
from ingest_pipeline.defs.common.queue_sensor import _INTERVAL, _tags, _tick
from ingest_pipeline.defs.common.resources import (
    AwsResource,
)
from ingest_pipeline.defs.sessions.jobs import ingest_sessions
from ingest_pipeline.pipeline.queue.batching import Batch


@dg.sensor(
    job=ingest_sessions,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for the sessions whose upload reports have landed.",
)
def session_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "ingest_sessions", aws.system.session_intake(), _session_run)


def _session_run(batch: Batch) -> dg.RunRequest:
    folders = [ref.key for ref in batch.objects]
    days = sorted({ref.day for ref in batch.objects})
    return dg.RunRequest(
        run_key=batch.id,
        run_config={"ops": {"ingest_session_events": {"config": {"folders": folders}}}},
        tags=_tags(batch) | day_range(days[0], days[-1]),
    )

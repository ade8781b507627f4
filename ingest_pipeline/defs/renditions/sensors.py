"""The sensors of videos that lack a rendition, and of jobs that ended."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import _INTERVAL, _LATER, _config_of, _tags, _tick
from ingest_pipeline.defs.common.resources import (
    AwsResource,
)
from ingest_pipeline.defs.renditions.jobs import render_videos
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.settings import settings


@dg.sensor(
    job=render_videos,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each indexed video that lacks a rendition.",
)
def rendition_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "render_videos", aws.system.rendition_intake(), _rendition_run)


@dg.sensor(
    job=render_videos,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each video whose job has ended at MediaConvert.",
)
def transcode_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "render_videos", aws.system.transcode_intake(), _transcoded_run)


def _rendition_run(batch: Batch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=batch.id,
        partition_key=batch.group,
        run_config=_config_of(batch, "renditions", "previews"),
        tags=_tags(batch) | _LATER,
    )


def _transcoded_run(batch: Batch) -> dg.RunRequest:
    """The same work as for a new video, but its message waits on another queue."""
    return dg.RunRequest(
        run_key=batch.id,
        partition_key=batch.group,
        run_config={
            **_config_of(batch, "renditions", "previews"),
            "resources": {"rendition_messages": {"config": {"queue": settings().transcode_queue}}},
        },
        tags=_tags(batch),
    )

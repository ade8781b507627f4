"""The sensors: each tick takes as many messages off a queue as runs can be started for."""

from collections.abc import Callable
from itertools import islice

import dagster as dg

from ingest_pipeline.defs.config import ObjectConfig
from ingest_pipeline.defs.jobs import (
    delete_objects,
    enrich_objects,
    ingest_objects,
    ingest_sessions,
    render_videos,
)
from ingest_pipeline.defs.partitions import day_range
from ingest_pipeline.defs.resources import BATCH_TAG, AwsResource
from ingest_pipeline.settings import settings
from ingest_pipeline.steps.batching import Batch
from ingest_pipeline.steps.intake import Intake

# The daemon looks every 5 s which sensors are due: one asked to wait 5 s would be due at every
# second look only, and tick every 10 s.
_DAEMON_LOOP_SECONDS = 5
_INTERVAL = max(1, settings().tick_seconds - _DAEMON_LOOP_SECONDS + 1)
_LATER = {"dagster/priority": "-1"}  # no outcome waits for a picture
_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]


@dg.sensor(
    job=ingest_objects,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each batch of objects that arrived in the sources' buckets.",
)
def s3_ingest_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "ingest_objects", aws.system.intake(), _ingest_run)


@dg.sensor(
    job=delete_objects,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for the delete orders that clients sent.",
)
def s3_delete_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "delete_objects", aws.system.order_intake(), _delete_run)


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


@dg.sensor(
    job=enrich_objects,
    minimum_interval_seconds=_INTERVAL,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each batch of indexed objects that lack a preview or labels.",
)
def enrichment_sensor(
    context: dg.SensorEvaluationContext, aws: AwsResource
) -> dg.SensorResult | dg.SkipReason:
    return _tick(context, "enrich_objects", aws.system.enrichment_intake(), _enrichment_run)


def _tick(
    context: dg.SensorEvaluationContext,
    job: str,
    intake: Intake,
    run_request: Callable[[Batch], dg.RunRequest],
) -> dg.SensorResult | dg.SkipReason:
    waiting = context.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=_WAITING))
    slots = settings().max_queued_runs - waiting
    if slots <= 0:
        return dg.SkipReason(f"{waiting} runs wait to start: messages stay in SQS meanwhile")
    batches = intake.take(slots)
    if not batches:
        return dg.SkipReason("no messages")
    return dg.SensorResult(run_requests=[run_request(batch) for batch in batches])


def _ingest_run(batch: Batch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=batch.id,
        partition_key=batch.group,
        run_config={"ops": {"probe_report": {"config": _objects(batch)}}},
        tags=_tags(batch),
    )


def _delete_run(batch: Batch) -> dg.RunRequest:
    config = {"config": _objects(batch)}
    return dg.RunRequest(
        run_key=batch.id,
        run_config={"ops": {"delete_ordered_objects": config, "forget_deleted_objects": config}},
        tags=_tags(batch),
    )


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


def _enrichment_run(batch: Batch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=batch.id,
        partition_key=batch.group,
        run_config=_config_of(batch, "previews", "image_labels", "enrichment_receipts"),
        tags=_tags(batch) | _LATER,
    )


def _session_run(batch: Batch) -> dg.RunRequest:
    folders = [ref.key for ref in batch.objects]
    days = sorted({ref.day for ref in batch.objects})
    return dg.RunRequest(
        run_key=batch.id,
        run_config={"ops": {"ingest_session_events": {"config": {"folders": folders}}}},
        tags=_tags(batch) | day_range(days[0], days[-1]),
    )


def _config_of(batch: Batch, *ops: str) -> dict[str, object]:
    return {"ops": {op: {"config": _objects(batch)} for op in ops}}


def _objects(batch: Batch) -> dict[str, object]:
    return {"objects": [dict(ObjectConfig.of(ref)) for ref in batch.objects]}


def _tags(batch: Batch) -> dict[str, str]:
    """Few and short: Postgres indexes tags and takes no more than 2.7 kB of them."""
    names = ", ".join(ref.key.rstrip("/").rpartition("/")[2] for ref in islice(batch.objects, 3))
    return {
        BATCH_TAG: batch.id,
        "ingest/objects": str(len(batch.objects)),
        "ingest/files": names[:200].encode("ascii", "replace").decode(),
    }

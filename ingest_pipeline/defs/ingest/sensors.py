"""The sensors of arrivals and of delete requests."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import _INTERVAL, _objects, _tags, _tick
from ingest_pipeline.defs.common.resources import (
    AwsResource,
)
from ingest_pipeline.defs.ingest.jobs import (
    delete_objects,
    ingest_objects,
)
from ingest_pipeline.pipeline.queue.batching import Batch


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

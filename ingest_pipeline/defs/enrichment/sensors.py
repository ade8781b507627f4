"""The sensor of objects that lack a preview or labels."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import _INTERVAL, _LATER, _config_of, _tags, _tick
from ingest_pipeline.defs.common.resources import (
    AwsResource,
)
from ingest_pipeline.defs.enrichment.jobs import enrich_objects
from ingest_pipeline.pipeline.queue.batching import Batch


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


def _enrichment_run(batch: Batch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=batch.id,
        partition_key=batch.group,
        run_config=_config_of(batch, "previews", "image_labels", "enrichment_receipts"),
        tags=_tags(batch) | _LATER,
    )

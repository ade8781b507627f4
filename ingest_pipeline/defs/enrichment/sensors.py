"""The sensor of objects that lack a preview, labels or a transcript."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import objects_config, queue_sensor
from ingest_pipeline.workers.lanes import Lane


@dg.definitions
def sensors() -> dg.Definitions:
    """Made when the settings are known."""
    return dg.Definitions(
        sensors=[
            queue_sensor(
                "enrich_objects_sensor",
                job_name="enrich_objects",
                consumer="enrichment_consumer",
                description="Starts a run for each batch of indexed objects that lack a preview, "
                "labels or a transcript.",
                run_config=objects_config("previews", "image_labels", "transcripts"),
                lane=Lane.LATER,
            )
        ]
    )

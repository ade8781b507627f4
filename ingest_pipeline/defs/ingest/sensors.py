"""The sensors of arrivals and of delete requests."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import objects_config, queue_sensor


@dg.definitions
def sensors() -> dg.Definitions:
    """Made when the settings are known."""
    return dg.Definitions(
        sensors=[
            queue_sensor(
                "ingest_objects_sensor",
                job_name="ingest_objects",
                consumer="ingest_consumer",
                description="Starts a run for each batch of objects that arrived in the sources' "
                "buckets.",
                run_config=objects_config("ingest_batch"),
            ),
            queue_sensor(
                "delete_objects_sensor",
                job_name="delete_objects",
                consumer="delete_consumer",
                description="Starts a run for the delete requests that clients sent.",
                run_config=objects_config("delete_requested_objects"),
                partitions="none",
            ),
        ]
    )

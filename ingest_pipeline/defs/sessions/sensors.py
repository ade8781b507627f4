"""The sensor of sessions of which a report, or a late recording, has landed."""

import dagster as dg

from ingest_pipeline.defs.common.queue_sensor import queue_sensor
from ingest_pipeline.defs.sessions.assets import SessionsConfig
from ingest_pipeline.pipeline.queue.batching import Batch


@dg.definitions
def sensors() -> dg.Definitions:
    """Made when the settings are known."""
    return dg.Definitions(
        sensors=[
            queue_sensor(
                "ingest_sessions_sensor",
                job_name="ingest_sessions",
                consumer="session_consumer",
                description="Starts a run for sessions whose report, or a late recording, landed.",
                run_config=_folders,
                partitions="days",
            )
        ]
    )


def _folders(batch: Batch) -> dg.RunConfig:
    folders = [ref.key for ref in batch.objects]
    return dg.RunConfig(ops={"ingest_session_events": SessionsConfig(folders=folders)})

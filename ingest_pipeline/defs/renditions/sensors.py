"""The sensors of videos that lack a rendition, and of MediaConvert's jobs that have ended."""

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.queue_sensor import objects_config, queue_sensor
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.settings import settings
from ingest_pipeline.workers.lanes import Lane

_STEPS = ("renditions", "previews")


@dg.definitions
def sensors() -> dg.Definitions:
    """Made when the settings are known."""
    return dg.Definitions(
        sensors=[
            queue_sensor(
                "transcode_videos_sensor",
                job_name="transcode_videos",
                consumer="rendition_consumer",
                description="Starts a run for each indexed video that lacks a rendition.",
                run_config=objects_config(*_STEPS),
                lane=Lane.TRANSCODE,
            ),
            queue_sensor(
                "transcode_jobs_sensor",
                job_name="transcode_videos",
                consumer="transcode_consumer",
                description="Starts a run for each video whose job has ended at MediaConvert.",
                run_config=_job_has_ended,
            ),
        ]
    )


def _job_has_ended(batch: Batch) -> dg.RunConfig:
    """The same work as for a new video, but its message waits on another queue."""
    names = settings().queues.transcode
    leases = {"queue": names.queue, "visibility_seconds": names.visibility_seconds}
    return dg.RunConfig(
        ops={step: ObjectsConfig.of(batch.objects) for step in _STEPS},
        resources={"transcode_leases": {"config": leases}},
    )

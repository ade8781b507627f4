"""The sensor that every queue has: each tick takes as many messages as runs can be started for."""

from collections.abc import Callable
from itertools import islice
from typing import Literal

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.partitions import day_range
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG, ConsumerResource
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.settings import settings

# The daemon looks every 5 s which sensors are due: one asked to wait 5 s would be due at every
# second look only, and tick every 10 s.
_DAEMON_LOOP_SECONDS = 5
_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
_LATER = {"dagster/priority": "-1"}


def queue_sensor(
    name: str,
    *,
    job_name: str,
    consumer: str,
    description: str,
    run_config: Callable[[Batch], dg.RunConfig],
    partitions: Literal["day", "days", "none"] = "day",
    is_urgent: bool = True,
) -> dg.SensorDefinition:
    """A sensor that starts a run of a job for each batch of a queue's messages.

    `consumer` names the resource that polls the queue. A run is one of its batch's day, of all days
    from the batch's first to its last, or of no partition. No outcome waits for a picture: what is
    not urgent gives way.
    """

    @dg.sensor(
        name=name,
        job_name=job_name,
        minimum_interval_seconds=max(1, settings().tick_seconds - _DAEMON_LOOP_SECONDS + 1),
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={consumer},
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        resource: ConsumerResource = getattr(context.resources, consumer)
        waiting = context.instance.get_runs_count(
            dg.RunsFilter(job_name=job_name, statuses=_WAITING)
        )
        slots = resource.max_queued_runs - waiting
        if slots <= 0:
            return dg.SkipReason(f"{waiting} runs wait to start: messages stay in SQS meanwhile")
        batches = resource.consumer.poll(slots)
        if not batches:
            return dg.SkipReason("no messages")
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=batch.id,
                    run_config=run_config(batch),
                    partition_key=batch.group if partitions == "day" else None,
                    tags={
                        **_tags(batch),
                        **(_days(batch) if partitions == "days" else {}),
                        **({} if is_urgent else _LATER),
                    },
                )
                for batch in batches
            ]
        )

    return sensor


def objects_config(*steps: str) -> Callable[[Batch], dg.RunConfig]:
    """The config of runs of which these steps are told the batch's objects."""
    return lambda batch: dg.RunConfig(ops={step: ObjectsConfig.of(batch.objects) for step in steps})


def _tags(batch: Batch) -> dict[str, str]:
    """Few and short: Postgres indexes tags and takes no more than 2.7 kB of them."""
    names = ", ".join(ref.key.rstrip("/").rpartition("/")[2] for ref in islice(batch.objects, 3))
    return {
        BATCH_TAG: batch.id,
        "ingest/objects": str(len(batch.objects)),
        "ingest/files": names[:200].encode("ascii", "replace").decode(),
    }


def _days(batch: Batch) -> dict[str, str]:
    days = sorted({ref.day for ref in batch.objects})
    return day_range(days[0], days[-1])

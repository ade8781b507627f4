"""The sensor that every queue has: each tick takes as many messages as runs can be started for."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
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
_WAITING = {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}
_UNSTARTED = [*_WAITING, dg.DagsterRunStatus.STARTING]
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LATER = {"dagster/priority": "-1"}
_CONSUMER_TAG = "ingest/consumer"
_REPEATED_TAG = "ingest/repeated"
_MOST_DOUBLINGS = 6  # from batches of 7 to the usual 500
_LATELY = timedelta(minutes=15)


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
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: ConsumerResource = getattr(context.resources, consumer)
        unstarted = context.instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=_UNSTARTED))
        mine = [run for run in unstarted if run.tags.get(_CONSUMER_TAG) == consumer]
        cursor = _keep_hidden(context.cursor, resource, mine)
        waiting = sum(1 for run in unstarted if run.status in _WAITING)
        slots = resource.max_queued_runs - waiting
        if slots <= 0:
            why = f"{waiting} runs wait to start: messages stay in SQS meanwhile"
            return dg.SensorResult(skip_reason=why, cursor=cursor)
        batches = resource.consumer.poll(slots, _growth(context.instance, job_name))
        if not batches:
            return dg.SensorResult(skip_reason="no messages", cursor=cursor)
        return dg.SensorResult(
            cursor=cursor,
            run_requests=[
                dg.RunRequest(
                    run_key=batch.id,
                    run_config=run_config(batch),
                    partition_key=batch.group if partitions == "day" else None,
                    tags={
                        **_tags(batch, consumer),
                        **(_days(batch) if partitions == "days" else {}),
                        **({} if is_urgent else _LATER),
                    },
                )
                for batch in batches
            ],
        )

    return sensor


def objects_config(*steps: str) -> Callable[[Batch], dg.RunConfig]:
    """The config of runs of which these steps are told the batch's objects."""
    return lambda batch: dg.RunConfig(ops={step: ObjectsConfig.of(batch.objects) for step in steps})


def _keep_hidden(
    cursor: str | None, resource: ConsumerResource, unstarted: Sequence[dg.DagsterRun]
) -> str | None:
    """Keep the messages of runs that wait to start hidden, three times within each time-out.

    A run leases its messages once it works. Shown again before, they would start another run: with
    a short visibility 14 videos gave 17 runs. The cursor is the moment when this was done last.
    """
    now = time.time()
    if not unstarted or (cursor and now - float(cursor) < resource.visibility_seconds / 3):
        return cursor
    for run in unstarted:
        resource.leases(run.tags[BATCH_TAG]).extend()
    return str(now)


def _growth(instance: dg.DagsterInstance, job_name: str) -> int:
    """How much larger batches of repeated messages are for every such batch that went well."""
    lately = dg.RunsFilter(
        job_name=job_name,
        statuses=_ENDED,
        tags={_REPEATED_TAG: "true"},
        updated_after=datetime.now(UTC) - _LATELY,
    )
    ended = instance.get_runs(lately, limit=_MOST_DOUBLINGS)
    well = takewhile(lambda run: run.status is dg.DagsterRunStatus.SUCCESS, ended)
    doubled: int = 2 ** sum(1 for _ in well)
    return doubled


def _tags(batch: Batch, consumer: str) -> dict[str, str]:
    """Few and short: Postgres indexes tags and takes no more than 2.7 kB of them."""
    names = ", ".join(ref.key.rstrip("/").rpartition("/")[2] for ref in islice(batch.objects, 3))
    return {
        BATCH_TAG: batch.id,
        _CONSUMER_TAG: consumer,
        **({_REPEATED_TAG: "true"} if batch.is_repeated else {}),
        "ingest/objects": str(len(batch.objects)),
        "ingest/files": names[:200].encode("ascii", "replace").decode(),
    }


def _days(batch: Batch) -> dict[str, str]:
    days = sorted({ref.day for ref in batch.objects})
    return day_range(days[0], days[-1])

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
from ingest_pipeline.trace import REQUEST_TAG
from ingest_pipeline.workers.lanes import TAG as LANE_TAG
from ingest_pipeline.workers.lanes import Lane
from ingest_pipeline.workers.reach import BrokerAwayError, NeedsBroker

_UNSTARTED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
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
    lane: Lane = Lane.FRESH,
) -> dg.SensorDefinition:
    """A sensor that starts a run of a job for each batch of a queue's messages.

    `consumer` names the resource that polls the queue. A run is one of its batch's day, of all days
    from the batch's first to its last, or of no partition.
    """

    @dg.sensor(
        name=name,
        job_name=job_name,
        minimum_interval_seconds=1,  # 0 would become 30
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={consumer},
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: ConsumerResource = getattr(context.resources, consumer)
        if away := _broker_is_away(context.instance):
            return dg.SensorResult(skip_reason=f"{away}: messages stay in SQS meanwhile")
        unstarted = context.instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=_UNSTARTED))
        mine = [run for run in unstarted if run.tags.get(_CONSUMER_TAG) == consumer]
        cursor = _keep_hidden(context.cursor, resource, mine)
        slots = resource.max_queued_runs - len(mine)
        if slots <= 0:
            why = f"{len(mine)} runs wait to start: messages stay in SQS meanwhile"
            return dg.SensorResult(skip_reason=why, cursor=cursor)
        growth = _growth(context.instance, job_name)
        batches = resource.consumer.poll(slots, growth, _patience(context.instance, mine))
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
                        LANE_TAG: str(lane),
                    },
                )
                for batch in batches
            ],
        )

    return sensor


def _broker_is_away(instance: dg.DagsterInstance) -> str | None:
    """What keeps runs from being sent: they would fail, and cost their messages a delivery."""
    launcher = instance.run_launcher
    if isinstance(launcher, NeedsBroker):
        try:
            launcher.check_broker()
        except BrokerAwayError as error:
            return str(error)
    return None


def _patience(instance: dg.DagsterInstance, unstarted: Sequence[dg.DagsterRun]) -> int:
    """Seconds to wait at an empty queue, so that what arrives is taken up at once.

    Where ticks have no threads, one that waits would hold up all others; and the messages of runs
    that wait to start must stay hidden.
    """
    if unstarted or not (instance.get_settings("sensors") or {}).get("use_threads"):
        return 0
    return settings().wait_seconds


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
        **({REQUEST_TAG: batch.requests} if batch.requests else {}),
    }


def _days(batch: Batch) -> dict[str, str]:
    days = sorted({ref.day for ref in batch.objects})
    return day_range(days[0], days[-1])

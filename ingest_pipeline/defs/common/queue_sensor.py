"""The sensors: each tick takes as many messages off a queue as runs can be started for."""

from collections.abc import Callable
from itertools import islice

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectConfig
from ingest_pipeline.defs.common.resources import (
    BATCH_TAG,
)
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.pipeline.queue.consumer import Intake
from ingest_pipeline.settings import settings

# The daemon looks every 5 s which sensors are due: one asked to wait 5 s would be due at every
# second look only, and tick every 10 s.
_DAEMON_LOOP_SECONDS = 5
_INTERVAL = max(1, settings().tick_seconds - _DAEMON_LOOP_SECONDS + 1)
_LATER = {"dagster/priority": "-1"}  # no outcome waits for a picture
_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]


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

"""Asset checks that look at the whole, not at one batch. They change nothing: `reconcile` mends."""

from datetime import timedelta
from itertools import islice

import dagster as dg

from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.defs.common.resources.ingest import ReconcilerResource
from ingest_pipeline.defs.common.resources.queues import DeadLettersResource
from ingest_pipeline.pipeline.ingest.reconcile import Difference
from ingest_pipeline.pipeline.leftovers import Leftover
from ingest_pipeline.pipeline.reconciliation import recent_days

_SHOWN = 20
GRACE = timedelta(minutes=10)  # younger objects may still be on their way through a run


@dg.asset_check(
    asset="ingest_bucket",
    description="Each object has its outcome, each row its object, and nothing has outlived one.",
)
def bucket_and_tables_agree(reconciler: ReconcilerResource) -> dg.AssetCheckResult:
    first: list[str] = []

    def tell(found: Difference | Leftover) -> None:
        if len(first) < _SHOWN:
            first.append(f"{found.uri}: {found.problem}")

    found = reconciler.reconciliation.run(GRACE, tell, dry_run=True)
    return dg.AssetCheckResult(
        passed=found.differences == found.leftovers == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "differences": found.differences,
            "leftovers": found.leftovers,
            "the first": first,
        },
    )


@dg.asset_check(
    asset="ingest_bucket",
    description="What is indexed of the last two days has its preview, labels and renditions, or "
    "a reason. What waits in a queue is not lacking yet: then it is not looked, and not passed.",
)
def indexed_objects_are_enriched(requests: RequestsResource) -> dg.AssetCheckResult:
    asks = requests.requests
    if busy := asks.busy_queues():
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Not looked: messages wait in {', '.join(busy)}.",
            metadata={"looked": False, "messages wait in": busy},
        )
    lacking = asks.lacking(recent_days(), GRACE)
    first = [ref.uri for ref in islice(lacking, _SHOWN)]
    number = len(first) + sum(1 for _ in lacking)
    return dg.AssetCheckResult(
        passed=number == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"looked": True, "lacking": number, "the first": first},
    )


@dg.asset_check(
    asset="ingest_bucket",
    description="No message was given up: see `ingest-pipeline status` and `redrive`.",
)
def dead_letter_queues_empty(dead_letters: DeadLettersResource) -> dg.AssetCheckResult:
    waiting = dead_letters.waiting()
    return dg.AssetCheckResult(
        passed=not any(waiting.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(waiting),
    )

"""Asset checks that look at the whole, not at one batch."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ingest_pipeline.defs.common.resources import AwsResource

_SHOWN = 20
_GRACE = timedelta(minutes=10)  # younger objects may still be on their way through a run


@dg.asset_check(
    asset="ingest_bucket",
    description="Each object has its outcome, each row its object; what disagrees goes through "
    "the ingest queue again.",
)
def bucket_and_tables_agree(aws: AwsResource) -> dg.AssetCheckResult:
    reconciler = aws.system.reconciler()
    found = [
        difference
        for bucket in aws.system.sources.buckets
        for difference in reconciler.differences(bucket, _GRACE)
    ]
    sent = reconciler.repair(found)
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "sent again": sent,
            "the first": [f"{each.ref.uri}: {each.problem}" for each in found[:_SHOWN]],
        },
    )


@dg.asset_check(
    asset="ingest_bucket",
    description="What is indexed of the last two days has its preview, labels and renditions, or "
    "a reason; what lacks some is asked for again.",
)
def indexed_objects_are_enriched(aws: AwsResource) -> dg.AssetCheckResult:
    now = datetime.now(UTC)
    days = [(now - timedelta(days=ago)).strftime("%Y-%m-%d") for ago in (0, 1)]
    asked = aws.system.ask_again(days, _GRACE)
    return dg.AssetCheckResult(
        passed=asked == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"asked for again": asked},
    )


@dg.asset_check(
    asset="ingest_bucket",
    description="No message was given up: see `ingest-pipeline status` and `redrive`.",
)
def dead_letter_queues_empty(aws: AwsResource) -> dg.AssetCheckResult:
    waiting = {dead.name: dead.depth().waiting for _, dead in aws.system.queues}
    return dg.AssetCheckResult(
        passed=not any(waiting.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(waiting),
    )

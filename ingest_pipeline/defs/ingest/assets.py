"""The way of every object: probe_report -> index or rejection -> receipts."""

from collections.abc import Iterator

import dagster as dg

from ingest_pipeline.aws.objects.listing import list_objects
from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.io_managers import TABLE
from ingest_pipeline.defs.common.metadata import (
    COLUMNS,
    columns_of,
)
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import arrival_days
from ingest_pipeline.defs.common.resources import (
    AwsResource,
    HeldReceiptsResource,
)
from ingest_pipeline.defs.ingest.metadata import (
    describe_assets,
    describe_outcomes,
    describe_reports,
)
from ingest_pipeline.pipeline.ingest.finalize import (
    settle,
    wrongly_removed,
)
from ingest_pipeline.pipeline.ingest.index import index_rows
from ingest_pipeline.records.model import (
    Asset,
    ObjectRef,
    Report,
    is_settled,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
)
from ingest_pipeline.settings import settings

GROUP = "ingest"


# A backfill of a month is one run: each would list the buckets, and start, for itself.
_ONE_RUN = dg.BackfillPolicy.single_run()

ingest_bucket = dg.AssetSpec(
    "ingest_bucket",
    description="The S3 buckets that people and devices put their files into.",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3"},
    metadata={"catalogue": dg.MetadataValue.url(settings().api_url)},
)


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=_ONE_RUN,
    deps=[ingest_bucket],
    io_manager_key="dynamodb_io_manager",
    metadata={TABLE: REPORTS.name, COLUMNS: columns_of(Report)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "dynamodb"},
    code_version="1",
)
def probe_report(
    context: dg.AssetExecutionContext, config: ObjectsConfig, aws: AwsResource
) -> list[Report]:
    """What each object is, and what the rules of `sources.toml` say of it."""
    refs = config.refs() or _arrived_on(aws, context.partition_keys)
    reports = aws.system.examiner(context.run.run_id).examine(refs)
    context.add_output_metadata(describe_reports(reports, settings().api_url))
    return reports


def _arrived_on(aws: AwsResource, days: list[str]) -> list[ObjectRef]:
    """Everything that stands in the sources' buckets and arrived on these days."""
    sources, s3 = aws.system.sources, aws.system.clients.s3
    return [
        ref
        for bucket in sources.buckets
        for ref in list_objects(s3, bucket, set(days))
        if sources.for_object(ref.bucket, ref.key)
    ]


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=_ONE_RUN,
    io_manager_key="dynamodb_io_manager",
    metadata={TABLE: ASSETS.name, COLUMNS: columns_of(Asset)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "dynamodb"},
    code_version="1",
)
def valid_asset_index(context: dg.AssetExecutionContext, probe_report: list[Report]) -> list[Asset]:
    """The valid objects, newest version of each key: what the asset API answers from."""
    rows = index_rows(probe_report)
    context.add_output_metadata(describe_assets(rows))
    return rows


@dg.op(
    out=dg.Out(io_manager_key="dynamodb_io_manager", metadata={TABLE: REPORTS.name}),
    description="Takes rejected objects out of their buckets if they are still what was judged.",
)
def delete_rejected_objects(
    context: dg.OpExecutionContext, aws: AwsResource, probe_report: list[Report]
) -> list[Report]:
    rejected = aws.system.rejector().reject(probe_report)
    context.add_output_metadata(describe_reports(rejected, settings().api_url))
    return rejected


@dg.graph_asset(
    partitions_def=arrival_days,
    backfill_policy=_ONE_RUN,
    metadata={COLUMNS: columns_of(Report)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3", "dynamodb"},
)
def rejected_objects(probe_report: list[Report]) -> list[Report]:
    """The invalid objects, deleted recoverably, a row each with every reason."""
    return delete_rejected_objects(probe_report)  # type: ignore[no-any-return]  # ops are untyped


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=_ONE_RUN,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqs", "dynamodb"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "every_object_has_an_outcome",
            asset="ingest_receipts",
            description="Each object of the batch was judged, or has an outcome that says why not.",
        ),
        dg.AssetCheckSpec(
            "no_valid_object_was_deleted",
            asset="ingest_receipts",
            description="Nothing was taken out of a bucket without a broken rule on record.",
        ),
    ],
)
def ingest_receipts(
    aws: AwsResource,
    ingest_messages: HeldReceiptsResource,
    probe_report: list[Report],
    valid_asset_index: list[Asset],
    rejected_objects: list[Report],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """The outcome of each object on record, and only then its message gone from the queue.

    Fails if an object has no outcome: its neighbours are settled all the same, and its own
    message comes again.
    """
    outcomes = settle(probe_report, valid_asset_index, rejected_objects)
    aws.system.tables.put(REPORTS, outcomes)
    aws.system.follow_up(outcomes)
    answered = ingest_messages.held.answer(outcomes)
    open_ones = [report for report in outcomes if not is_settled(report)]
    wrong = wrongly_removed(outcomes)
    yield dg.AssetCheckResult(
        check_name="every_object_has_an_outcome",
        passed=not open_ones,
        metadata={"without": [f"{r.uri}: {'; '.join(map(str, r.reasons))}" for r in open_ones]},
    )
    yield dg.AssetCheckResult(
        check_name="no_valid_object_was_deleted",
        passed=not wrong,
        metadata={"wrongly removed": [report.uri for report in wrong]},
    )
    if open_ones:
        raise dg.Failure(
            f"{len(open_ones)} of {len(outcomes)} objects have no outcome yet; the first: "
            f"{open_ones[0].uri}: {'; '.join(map(str, open_ones[0].reasons))}"
        )
    yield dg.MaterializeResult(
        metadata=describe_outcomes(outcomes, settings().api_url) | {"messages": len(answered)}
    )

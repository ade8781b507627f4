"""The way of every object: probe_report -> index, then rejection -> receipts."""

from collections.abc import Iterator

import dagster as dg
from more_itertools import chunked

from ingest_pipeline.aws.objects.listing import list_objects
from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.io_managers import TABLE
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.metadata import table_metadata
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.pages import (
    TOGETHER,
    AssetPages,
    MadeAssets,
    MadeReports,
    ReportPages,
)
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.resources.aws import (
    AwsResource,
    CatalogueResource,
    SourcesResource,
)
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.defs.common.resources.ingest import RejectorResource, ValidatorResource
from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.defs.ingest.metadata import (
    asset_tally,
    describe_assets,
    describe_reports,
    report_tally,
)
from ingest_pipeline.pipeline.ingest.finalize import finalize, wrongly_removed
from ingest_pipeline.pipeline.ingest.index import index
from ingest_pipeline.pipeline.ingest.supersede import supersede
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.records.model import Asset, ObjectRef, Report
from ingest_pipeline.records.tables import ASSETS, REPORTS

GROUP = "ingest"

ingest_bucket = dg.AssetSpec(
    "ingest_bucket",
    description="The S3 buckets that people and devices put their files into.",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3"},
)


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    deps=[ingest_bucket],
    io_manager_key="dynamodb_io_manager",
    metadata={TABLE: REPORTS.name, **table_metadata(REPORTS)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "dynamodb"},
    code_version="1",
)
def probe_report(
    context: dg.AssetExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    rules: SourcesResource,
    validator: ValidatorResource,
    catalogue: CatalogueResource,
) -> MadeReports:
    """What each object is, and what the rules of `sources.toml` say of it."""
    refs = config.refs() or _arrived_on(aws, rules, set(context.partition_keys))
    validates = validator.validator(context.run.run_id)
    return MadeReports(
        (values(validates.validate(some)) for some in chunked(refs, TOGETHER)),
        report_tally(),
        lambda tally: describe_reports(tally, catalogue.url),
    )


def _arrived_on(aws: AwsResource, rules: SourcesResource, days: set[str]) -> Iterator[ObjectRef]:
    """Everything that stands in the sources' buckets and arrived on these days."""
    sources = rules.sources
    for bucket in sources.buckets:
        for ref in list_objects(aws.s3, bucket, days):
            if sources.for_object(ref.bucket, ref.key):
                yield ref


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    io_manager_key="dynamodb_io_manager",
    metadata={TABLE: ASSETS.name, **table_metadata(ASSETS)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "dynamodb"},
    code_version="1",
)
def valid_asset_index(aws: AwsResource, probe_report: ReportPages) -> MadeAssets:
    """The valid objects, newest version of each key: what the asset API answers from."""
    tables = aws.tables

    def rows(reports: list[Report]) -> list[Asset]:
        keys = [{"bucket": report.bucket, "file": report.key} for report in reports]
        return values(index(reports, tables.get_many(ASSETS, keys)))

    return MadeAssets(map(rows, probe_report), asset_tally(), describe_assets)


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    # The index first: what is told as rejected, and gone, is no longer in it.
    deps=["valid_asset_index"],
    io_manager_key="dynamodb_io_manager",
    metadata={TABLE: REPORTS.name, **table_metadata(REPORTS)},
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3", "dynamodb"},
    code_version="1",
)
def rejected_objects(
    rejector: RejectorResource, catalogue: CatalogueResource, probe_report: ReportPages
) -> MadeReports:
    """The invalid objects, deleted recoverably if they are still what was judged."""
    rejects = rejector.rejector()
    return MadeReports(
        (values(rejects.reject(reports)) for reports in probe_report),
        report_tally(),
        lambda tally: describe_reports(tally, catalogue.url),
    )


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
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
    derived: DerivedResource,
    requests: RequestsResource,
    ingest_leases: LeasesResource,
    catalogue: CatalogueResource,
    probe_report: ReportPages,
    valid_asset_index: AssetPages,
    rejected_objects: ReportPages,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """The outcome of each object on record, and only then its message gone from the queue.

    Fails if an object has no outcome: its neighbours are finalized all the same, and its own
    message comes again.
    """
    last_step = LastStep(ingest_leases)
    asks = requests.requests
    tally = report_tally()
    wrong: list[str] = []
    for reports in probe_report:
        refs = [report.ref for report in reports]
        rows = valid_asset_index.find(refs)
        finals = finalize(reports, rows, rejected_objects.find(refs))
        outcomes = values(finals)
        aws.tables.put(REPORTS, outcomes)
        supersede(aws.tables, derived.derived, rows)
        asks.follow_up(outcomes)
        tally.add(outcomes)
        wrong += [report.uri for report in wrongly_removed(outcomes)]
        last_step.acknowledge(finals)
    yield dg.AssetCheckResult(
        check_name="every_object_has_an_outcome",
        passed=not last_step.open,
        metadata={"without": last_step.open},
    )
    yield dg.AssetCheckResult(
        check_name="no_valid_object_was_deleted",
        passed=not wrong,
        metadata={"wrongly removed": wrong},
    )
    yield last_step.materialized(describe_reports(tally, catalogue.url))

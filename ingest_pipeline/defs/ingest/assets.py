"""The way of every object: probe_report -> index, then rejection -> receipts."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
from more_itertools import chunked
from pydantic import Field

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.metadata import SHOWN, Metadata, table_metadata
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.progress import Progress
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
    IngestTally,
    describe_assets,
    describe_days,
    describe_reports,
    describe_rows,
)
from ingest_pipeline.pipeline.ingest.pipeline import ingest
from ingest_pipeline.pipeline.ingest.whole_days import WholeDays, begin
from ingest_pipeline.records.tables import ASSETS, REPORTS

GROUP = "ingest"
TOGETHER = 250  # objects that are committed before the next begin: a kill repeats a second's work

ingest_bucket = dg.AssetSpec(
    "ingest_bucket",
    description="The S3 buckets that people and devices put their files into.",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"s3"},
)


class IngestConfig(ObjectsConfig):
    """The objects of a run; none are all that arrived in the run's partitions."""

    list_buckets: bool = Field(
        default=False,
        description="Where no objects are named: look into the buckets, too, for what arrived on "
        "the partition's day and has no report.",
    )


def _spec(name: str, description: str, kinds: set[str], **more: Any) -> dg.AssetSpec:  # noqa: ANN401 - a spec's own
    return dg.AssetSpec(
        name,
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds=kinds,
        code_version="1",
        **more,
    )


# Each depends on one: where two ways lead to an asset, Dagster now and then refuses a backfill of
# them all ("Targeted subset must match between every key").
# One step: a run of a single file took 46 events of 12 ms as four, and what a killed day had done
# was done again.
@dg.multi_asset(
    name="ingest_batch",
    description="Brings each object the whole way to its outcome, some hundreds at a time.",
    specs=[
        _spec(
            "probe_report",
            "What each object is, and what the rules of `sources.toml` say of it.",
            {"python", "dynamodb"},
            deps=[ingest_bucket],
            metadata=table_metadata(REPORTS),
        ),
        _spec(
            "valid_asset_index",
            "The valid objects, newest version of each key: what the asset API answers from.",
            {"python", "dynamodb"},
            deps=["probe_report"],
            metadata=table_metadata(ASSETS),
        ),
        _spec(
            "rejected_objects",
            "The invalid objects, deleted recoverably if they are still what was judged.",
            {"s3", "dynamodb"},
            deps=["valid_asset_index"],
            metadata=table_metadata(REPORTS),
        ),
        _spec(
            "ingest_receipts",
            "The outcome of each object on record, and only then its message gone from the queue.",
            {"sqs", "dynamodb"},
            deps=["rejected_objects"],
        ),
    ],
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
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
def ingest_batch(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    aws: AwsResource,
    rules: SourcesResource,
    derived: DerivedResource,
    validator: ValidatorResource,
    rejector: RejectorResource,
    requests: RequestsResource,
    ingest_leases: LeasesResource,
    catalogue: CatalogueResource,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """Ingest objects, each chunk of them committed and answered before the next begins.

    Fails if an object has no outcome: its neighbours are finalized all the same, and its own
    message comes again.
    """
    whole = None if config.objects else _whole_days(context, aws, rules)
    refs = whole.refs(list_buckets=config.list_buckets) if whole else config.refs()
    ingests = partial(
        ingest,
        tables=aws.tables,
        derived=derived.derived,
        validator=validator.validator(context.run.run_id),
        rejector=rejector.rejector(),
        follow_up=requests.requests.follow_up,
    )
    last_step, tally, progress = LastStep(ingest_leases), IngestTally(), Progress(context)
    for some in chunked(refs, TOGETHER):
        done = ingests(some)
        last_step.acknowledge(done.results)
        tally.add(done)
        if whole:
            progress.tell(whole)
    if whole and not last_step.open:
        whole.finish()
    yield from _told(tally, last_step, describe_days(whole) if whole else {}, catalogue.url)


def _whole_days(
    context: dg.AssetExecutionContext, aws: AwsResource, rules: SourcesResource
) -> WholeDays:
    whole = begin(aws.s3, aws.tables, rules.sources, context.run.run_id, context.partition_keys)
    for day in sorted(whole.resumed, key=lambda day: day.day):
        context.log.info("%s: going on with what began at %s", day.day, day.began_at)
    context.log.info("%d objects are left, %d were done before", whole.total, whole.done_before)
    return whole


def _told(
    tally: IngestTally, last_step: LastStep, days: Metadata, catalogue_url: str
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """What became of all, asset by asset; the last of them only if nothing is open."""
    yield dg.MaterializeResult(
        asset_key="probe_report",
        metadata={
            **describe_reports(tally.judged, catalogue_url),
            **describe_rows(tally.judged_rows, tally.judged.rows),
            **days,
        },
    )
    yield dg.MaterializeResult(
        asset_key="valid_asset_index",
        metadata={
            **describe_assets(tally.indexed),
            **describe_rows(tally.indexed_rows, tally.indexed.rows),
        },
    )
    yield dg.MaterializeResult(
        asset_key="rejected_objects",
        metadata={
            **describe_reports(tally.rejected, catalogue_url),
            **describe_rows(tally.rejected.rows, tally.rejected.rows),
        },
    )
    yield dg.AssetCheckResult(
        asset_key="ingest_receipts",
        check_name="every_object_has_an_outcome",
        passed=not last_step.open,
        metadata={"without": last_step.open[:SHOWN]},
    )
    yield dg.AssetCheckResult(
        asset_key="ingest_receipts",
        check_name="no_valid_object_was_deleted",
        passed=not tally.wrongly_removed,
        metadata={"wrongly removed": tally.wrongly_removed[:SHOWN]},
    )
    told = {**describe_reports(tally.outcomes, catalogue_url), **days}
    yield last_step.materialized(told, "ingest_receipts")

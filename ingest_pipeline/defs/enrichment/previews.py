"""Enrichment: previews of what is indexed, and the answer to the messages that asked for it."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.metadata import stored_picture, table_metadata
from ingest_pipeline.defs.common.objects import pages_of_objects
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.resources.aws import AwsResource, CatalogueResource
from ingest_pipeline.defs.common.resources.enrich import PreviewerResource, RequestsResource
from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.defs.enrichment.metadata import describe_previews, preview_tally
from ingest_pipeline.pipeline.result import Answers, retries, values
from ingest_pipeline.records.model import Preview
from ingest_pipeline.records.tables import PREVIEWS

GROUP = "enrichment"
_PICTURES = 8  # shown of a batch
_LARGEST_PICTURE = 32 * 1024  # bytes; an event with many larger ones is slow to load in the UI


@dg.asset(
    deps=["valid_asset_index", "renditions"],
    metadata=table_metadata(PREVIEWS),
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    io_manager_key="results_io_manager",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "s3", "dynamodb"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "every_object_has_its_preview",
            asset="previews",
            description="Each object of the batch has its preview, or a reason why it has none.",
        )
    ],
)
def previews(
    context: dg.AssetExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    previewer: PreviewerResource,
    requests: RequestsResource,
    catalogue: CatalogueResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """A small picture of each object: waveform, poster and strip of frames, or thumbnail."""
    makes = previewer.previewer(context.run.run_id)
    tally = preview_tally()
    answers = Answers(of_messages=bool(config.objects))
    for refs in pages_of_objects(context, config, requests):
        results = makes.preview(refs)
        tally.add(values(results))
        answers.add(results)
    yield dg.MaterializeResult(
        value=answers,
        metadata=describe_previews(tally, _pictures(aws, tally.first), catalogue.url),
    )
    failed = [f"{each.ref.uri}: {each.reason}" for each in retries(answers.results)]
    yield dg.AssetCheckResult(
        check_name="every_object_has_its_preview",
        passed=not failed,
        metadata={"without": failed},
    )


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqs"},
    code_version="1",
)
def enrichment_receipts(
    enrichment_leases: LeasesResource,
    previews: Answers,
    image_labels: Answers,
    transcripts: Answers,
) -> dg.MaterializeResult[None]:
    """The messages that asked for enrichment, gone once all of it is on record.

    Fails if an object still lacks some: its neighbours' messages go all the same, and its own
    comes again.
    """
    last_step = LastStep(enrichment_leases)
    last_step.acknowledge([*previews.results, *image_labels.results, *transcripts.results])
    return last_step.materialized({"objects": previews.objects})


def _pictures(aws: AwsResource, made: Sequence[Preview]) -> list[tuple[Preview, str]]:
    """The first pictures as `data:` addresses."""
    found: list[tuple[Preview, str]] = []
    for preview in made:
        for key in filter(None, (preview.preview_key, preview.strip_key)):
            if len(found) < _PICTURES and (
                shown := stored_picture(aws.s3, preview.preview_bucket, key, _LARGEST_PICTURE)
            ):
                found.append((preview, shown))
    return found

"""Videos: the renditions of what is indexed."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.metadata import stored_picture, table_metadata
from ingest_pipeline.defs.common.objects import pages_of_objects
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.resources.aws import AwsResource, CatalogueResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.defs.common.resources.transcode import TranscoderResource
from ingest_pipeline.defs.renditions.metadata import TranscodingTally, describe_renditions
from ingest_pipeline.pipeline.enrich.transcode import wrong_renditions
from ingest_pipeline.pipeline.result import Answers
from ingest_pipeline.records.model import Rendition
from ingest_pipeline.records.tables import RENDITIONS

GROUP = "video"
_LARGEST_PICTURE = 48 * 1024  # bytes; an event with a larger one is slow to load in the UI


@dg.asset(
    deps=["valid_asset_index"],
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    io_manager_key="results_io_manager",
    metadata=table_metadata(RENDITIONS),
    pool="transcode",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"ffmpeg", "s3", "dynamodb"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "every_rendition_stands",
            asset="renditions",
            description="Each rendition of the batch stands in its bucket, as large as its row "
            "says, and passed its checks.",
        )
    ],
)
def renditions(
    context: dg.AssetExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    transcoder: TranscoderResource,
    requests: RequestsResource,
    catalogue: CatalogueResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """What plays everywhere: each video by each preset, with a poster and thumbnails.

    Where a service transcodes, a run submits the job, and another one publishes what it made.
    """
    transcodes = transcoder.transcoder(context.run.run_id)
    answers, tally = Answers(of_messages=bool(config.objects)), TranscodingTally()
    wrong: list[str] = []
    for refs in pages_of_objects(context, config, requests):
        for ref in refs:
            result = transcodes.transcode(ref, context.log.info)
            answers.add([result])
            if result.value:
                tally.add(result.value)
                wrong += wrong_renditions(aws.s3, result.value.made)
    made = [rendition for each in tally.first for rendition in each.made]
    yield dg.MaterializeResult(
        value=answers, metadata=describe_renditions(tally, _picture(aws, made), catalogue.url)
    )
    yield dg.AssetCheckResult(
        check_name="every_rendition_stands", passed=not wrong, metadata={"wrong": wrong}
    )


@dg.asset(
    partitions_def=arrival_days,
    backfill_policy=ONE_RUN,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqs"},
    code_version="1",
)
def transcode_receipts(
    transcode_leases: LeasesResource, renditions: Answers, previews: Answers
) -> dg.MaterializeResult[None]:
    """The messages that asked for renditions, gone once these and their previews are on record."""
    last_step = LastStep(transcode_leases)
    last_step.acknowledge([*renditions.results, *previews.results])
    return last_step.materialized({"objects": renditions.objects})


def _picture(aws: AwsResource, made: list[Rendition]) -> str | None:
    """The first poster as a `data:` address, or a thumbnail where it is too large."""
    for rendition in made:
        for key in (rendition.poster_key, *rendition.thumbnail_keys[:1]):
            bucket = rendition.rendition_bucket
            if found := stored_picture(aws.s3, bucket, str(key), _LARGEST_PICTURE):
                return found
    return None

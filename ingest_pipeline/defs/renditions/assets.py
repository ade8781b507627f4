"""Videos: the renditions of what is indexed."""

import base64
from collections.abc import Iterator

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig, objects_of
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
from ingest_pipeline.defs.renditions.metadata import describe_renditions
from ingest_pipeline.pipeline.enrich.transcode import wrong_renditions
from ingest_pipeline.records.model import Rendition
from ingest_pipeline.settings import settings

_LARGEST_PICTURE = 48 * 1024  # bytes; an event with a larger one is slow to load in the UI


@dg.asset(
    deps=["valid_asset_index"],
    partitions_def=arrival_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata={COLUMNS: columns_of(Rendition)},
    pool="transcode",
    group_name="video",
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
    rendition_messages: HeldReceiptsResource,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """What plays everywhere: each video by each preset, with a poster and thumbnails.

    Where a service transcodes, a run submits the job, and another one publishes what it made.
    """
    system = aws.system
    renderer = system.renderer(context.run.run_id)
    refs = objects_of(context, config, aws)
    rendered = [each for ref in refs if (each := renderer.render(ref, context.log.info))]
    rendition_messages.held.answer_all()
    made = [rendition for each in rendered for rendition in each.made]
    yield dg.MaterializeResult(
        metadata=describe_renditions(rendered, _picture(aws, made), settings().api_url)
    )
    wrong = wrong_renditions(system.clients.s3, made)
    yield dg.AssetCheckResult(
        check_name="every_rendition_stands", passed=not wrong, metadata={"wrong": wrong}
    )


def _picture(aws: AwsResource, made: list[Rendition]) -> str | None:
    """The first poster as a `data:` address, or a thumbnail where it is too large."""
    for rendition in made:
        for key in (rendition.poster_key, *rendition.thumbnail_keys[:1]):
            answer = aws.system.clients.s3.get_object(
                Bucket=rendition.rendition_bucket, Key=str(key)
            )
            if answer["ContentLength"] <= _LARGEST_PICTURE:
                picture = base64.b64encode(answer["Body"].read()).decode()
                return f"data:{answer['ContentType']};base64,{picture}"
    return None

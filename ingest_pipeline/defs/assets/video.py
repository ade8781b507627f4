"""Videos: the renditions of what is indexed."""

import base64

import dagster as dg

from ingest_pipeline.catalog.model import Asset, ObjectRef, Rendition
from ingest_pipeline.catalog.tables import ASSETS, BY_DAY
from ingest_pipeline.defs.assets.ingest import OWNERS
from ingest_pipeline.defs.config import ObjectsConfig
from ingest_pipeline.defs.metadata import describe_renditions
from ingest_pipeline.defs.partitions import arrival_days
from ingest_pipeline.defs.resources import AwsResource, HeldReceiptsResource

_LARGEST_PICTURE = 48 * 1024  # bytes; an event with a larger one is slow to load in the UI


@dg.asset(
    deps=["valid_asset_index"],
    partitions_def=arrival_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="transcode",
    group_name="video",
    owners=OWNERS,
    kinds={"ffmpeg", "s3", "dynamodb"},
    code_version="1",
)
def renditions(
    context: dg.AssetExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    rendition_messages: HeldReceiptsResource,
) -> dg.MaterializeResult[None]:
    """What plays everywhere: each video by each preset, with a poster and thumbnails."""
    system = aws.system
    renderer = system.renderer(context.run.run_id)
    refs = config.refs() or _indexed_on(aws, context.partition_keys)
    made = [each for ref in refs for each in renderer.render(ref, context.log.info)]
    rendition_messages.held.answer_all()
    return dg.MaterializeResult(metadata=describe_renditions(made, _picture(aws, made)))


def _indexed_on(aws: AwsResource, days: list[str]) -> list[ObjectRef]:
    rows = (row for day in days for row in aws.system.tables.query(ASSETS, BY_DAY, day))
    return [_ref(row) for row in rows if row.deleted_at is None]


def _ref(asset: Asset) -> ObjectRef:
    return ObjectRef(
        bucket=asset.bucket,
        key=asset.file,
        version=asset.version,
        arrived=asset.last_modified,
    )


def _picture(aws: AwsResource, made: list[Rendition]) -> str | None:
    """The first thumbnail as a `data:` address."""
    for rendition in made:
        for key in rendition.thumbnail_keys[:1]:
            answer = aws.system.clients.s3.get_object(Bucket=rendition.rendition_bucket, Key=key)
            picture = answer["Body"].read()
            if len(picture) <= _LARGEST_PICTURE:
                return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return None

"""Enrichment: previews of what is indexed, and the answer to the messages that asked for it."""

import base64
from collections.abc import Iterator
from itertools import islice

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
from ingest_pipeline.defs.enrichment.metadata import describe_previews
from ingest_pipeline.records.model import (
    Preview,
)
from ingest_pipeline.settings import settings

GROUP = "enrichment"
_PICTURES = 8  # shown of a batch
_LARGEST_PICTURE = 32 * 1024  # bytes; an event with many larger ones is slow to load in the UI


@dg.asset(
    deps=["valid_asset_index", "renditions"],
    metadata={COLUMNS: columns_of(Preview)},
    partitions_def=arrival_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
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
    context: dg.AssetExecutionContext, config: ObjectsConfig, aws: AwsResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """A small picture of each object: waveform, poster and strip of frames, or thumbnail."""
    refs = objects_of(context, config, aws)
    found = aws.system.previewer(context.run.run_id).preview(refs)
    pictures = _pictures(aws, found.made)
    yield dg.MaterializeResult(metadata=describe_previews(found.made, pictures, settings().api_url))
    yield dg.AssetCheckResult(
        check_name="every_object_has_its_preview",
        passed=not found.failed,
        metadata={"without": list(found.failed)},
    )


@dg.asset(
    deps=["previews", "image_labels"],
    partitions_def=arrival_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqs"},
    code_version="1",
)
def enrichment_receipts(
    context: dg.AssetExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    enrichment_messages: HeldReceiptsResource,
) -> dg.MaterializeResult[None]:
    """The messages that asked for enrichment, gone once all of it is on record.

    Fails if an object still lacks some: its neighbours' messages go all the same, and its own
    comes again.
    """
    refs = objects_of(context, config, aws)
    lacking = aws.system.unenriched(refs)
    answered = enrichment_messages.held.answer_but(lacking)
    if lacking:
        raise dg.Failure(
            f"{len(lacking)} of {len(refs)} objects lack their preview or labels; the first: "
            f"{lacking[0].uri}"
        )
    return dg.MaterializeResult(metadata={"objects": len(refs), "messages": len(answered)})


def _pictures(aws: AwsResource, made: tuple[Preview, ...]) -> list[tuple[Preview, str]]:
    """The first pictures as `data:` addresses."""
    shown = (
        (preview, key)
        for preview in made
        for key in (preview.preview_key, preview.strip_key)
        if key and (preview.size or 0) <= _LARGEST_PICTURE
    )
    return [
        (preview, f"data:{preview.content_type};base64,{_content(aws, preview, key)}")
        for preview, key in islice(shown, _PICTURES)
    ]


def _content(aws: AwsResource, preview: Preview, key: str) -> str:
    stored = aws.system.clients.s3.get_object(Bucket=preview.preview_bucket, Key=key)
    return base64.b64encode(stored["Body"].read()).decode()

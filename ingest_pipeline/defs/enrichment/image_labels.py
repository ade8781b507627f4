"""Images: what is seen on those that are indexed."""

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
from ingest_pipeline.defs.common.resources import AwsResource
from ingest_pipeline.defs.enrichment.metadata import describe_labels
from ingest_pipeline.defs.enrichment.previews import GROUP
from ingest_pipeline.pipeline.enrich.label import (
    ImageLabelling,
    LabellingError,
)
from ingest_pipeline.records.model import (
    ImageLabels,
    ObjectRef,
)

_CHECK = "every_image_has_labels_on_record"
_LARGEST_PICTURE = 16 * 1024  # bytes; an event with a larger one is slow to load in the UI


def image_labels_by(code_version: str) -> dg.AssetsDefinition:
    """The asset, which is out of date where the version of its model or thresholds was another."""

    @dg.asset(
        deps=["valid_asset_index"],
        metadata={COLUMNS: columns_of(ImageLabels)},
        partitions_def=arrival_days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        owners=OWNERS,
        kinds={"onnx", "s3", "dynamodb"},
        code_version=code_version,
        check_specs=[
            dg.AssetCheckSpec(
                _CHECK,
                asset="image_labels",
                description="Each indexed image of the batch was labelled, or has a row that says "
                "why not.",
            )
        ],
    )
    def image_labels(
        context: dg.AssetExecutionContext, config: ObjectsConfig, aws: AwsResource
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        """What each image shows, with what that is a kind of, and what the model said before."""
        labelling = aws.system.image_labelling(context.run.run_id)
        refs = objects_of(context, config, aws)
        failure = _failure(labelling, refs)
        rows = labelling.rows(refs)
        made = sum(1 for row in rows if row.run_id == context.run.run_id)
        yield dg.MaterializeResult(metadata=describe_labels(rows, made, _picture(labelling, rows)))
        yield dg.AssetCheckResult(
            check_name=_CHECK, passed=failure is None, metadata={"failed": failure or "none"}
        )

    return image_labels


def _failure(labelling: ImageLabelling, refs: list[ObjectRef]) -> str | None:
    """Label, and say what failed: the run's last step keeps the messages of what lacks labels."""
    try:
        labelling.label(refs)
    except LabellingError as error:
        return str(error)
    return None


def _picture(labelling: ImageLabelling, rows: list[ImageLabels]) -> str | None:
    """One of the images as a `data:` address, one with labels before one without."""
    picture = labelling.picture(sorted(rows, key=lambda row: not row.labels))
    if picture is None or len(picture.data) > _LARGEST_PICTURE:
        return None
    return f"data:{picture.content_type};base64,{base64.b64encode(picture.data).decode()}"

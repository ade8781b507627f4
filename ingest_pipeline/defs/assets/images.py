"""Images: what is seen on those that are indexed."""

import base64
from collections.abc import Iterator

import dagster as dg

from ingest_pipeline.catalog.model import Asset, ImageLabels, ObjectRef
from ingest_pipeline.catalog.tables import ASSETS, BY_DAY
from ingest_pipeline.defs.assets.ingest import OWNERS
from ingest_pipeline.defs.config import ObjectsConfig
from ingest_pipeline.defs.metadata import describe_labels
from ingest_pipeline.defs.partitions import arrival_days
from ingest_pipeline.defs.resources import AwsResource
from ingest_pipeline.steps.label import ImageLabelling, LabellingError

GROUP = "enrichment"
_CHECK = "every_image_has_labels_on_record"
_LARGEST_PICTURE = 16 * 1024  # bytes; an event with a larger one is slow to load in the UI


def image_labels_by(code_version: str) -> dg.AssetsDefinition:
    """The asset, which is out of date where the version of its model or thresholds was another."""

    @dg.asset(
        deps=["valid_asset_index"],
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
        refs = config.refs() or _indexed_on(aws, context.partition_keys)
        try:
            made = labelling.label(refs)
        except LabellingError as error:
            yield _check(passed=False, words=str(error))
            raise
        rows = labelling.rows(refs)
        yield _check(passed=True, words=f"{len(rows)} images")
        yield dg.MaterializeResult(
            metadata=describe_labels(rows, len(made), _picture(labelling, rows))
        )

    return image_labels


def _check(*, passed: bool, words: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=_CHECK, passed=passed, metadata={"found": words})


def _indexed_on(aws: AwsResource, days: list[str]) -> list[ObjectRef]:
    rows = (row for day in days for row in aws.system.tables.query(ASSETS, BY_DAY, day))
    return [_ref(row) for row in rows if row.deleted_at is None]


def _ref(asset: Asset) -> ObjectRef:
    return ObjectRef(
        bucket=asset.bucket, key=asset.file, version=asset.version, arrived=asset.last_modified
    )


def _picture(labelling: ImageLabelling, rows: list[ImageLabels]) -> str | None:
    """One of the images as a `data:` address, one with labels before one without."""
    picture = labelling.picture(sorted(rows, key=lambda row: not row.labels))
    if picture is None or len(picture.data) > _LARGEST_PICTURE:
        return None
    return f"data:{picture.content_type};base64,{base64.b64encode(picture.data).decode()}"

"""Images: what is seen on those that are indexed."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.metadata import picture, table_metadata
from ingest_pipeline.defs.common.objects import pages_of_objects
from ingest_pipeline.defs.common.ownership import OWNERS
from ingest_pipeline.defs.common.partitions import ONE_RUN, arrival_days
from ingest_pipeline.defs.common.resources.enrich import LabelerResource, RequestsResource
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.enrichment.metadata import describe_labels, labels_tally
from ingest_pipeline.defs.enrichment.previews import GROUP
from ingest_pipeline.pipeline.enrich.label import ImageLabelling
from ingest_pipeline.pipeline.result import Answers, retries
from ingest_pipeline.records.model import ImageLabels
from ingest_pipeline.records.tables import IMAGE_LABELS
from ingest_pipeline.settings import settings

_CHECK = "every_image_has_labels_on_record"
_LARGEST_PICTURE = 16 * 1024  # bytes; an event with a larger one is slow to load in the UI


@dg.definitions
def labels() -> dg.Definitions:
    """The asset is out of date where its model or its thresholds were others."""
    return dg.Definitions(assets=[image_labels_by(resources(settings()).labeler.version)])


def image_labels_by(code_version: str) -> dg.AssetsDefinition:
    """The asset, of this version of its model and thresholds."""

    @dg.asset(
        deps=["valid_asset_index"],
        metadata=table_metadata(IMAGE_LABELS),
        partitions_def=arrival_days,
        backfill_policy=ONE_RUN,
        io_manager_key="results_io_manager",
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
        context: dg.AssetExecutionContext,
        config: ObjectsConfig,
        labeler: LabelerResource,
        requests: RequestsResource,
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        """What each image shows, with what that is a kind of, and what the model said before."""
        labelling = labeler.labelling(context.run.run_id)
        tally = labels_tally()
        answers = Answers(of_messages=bool(config.objects))
        for refs in pages_of_objects(context, config, requests):
            answers.add(labelling.label(refs))
            tally.add(labelling.rows(refs))
        described = describe_labels(tally, context.run.run_id, _picture(labelling, tally.first))
        yield dg.MaterializeResult(value=answers, metadata=described)
        failed = [f"{each.ref.uri}: {each.reason}" for each in retries(answers.results)]
        yield dg.AssetCheckResult(check_name=_CHECK, passed=not failed, metadata={"failed": failed})

    return image_labels


def _picture(labelling: ImageLabelling, rows: list[ImageLabels]) -> str | None:
    """One of the images as a `data:` address, one with labels before one without."""
    found = labelling.picture(sorted(rows, key=lambda row: not row.labels))
    if found is None or len(found.data) > _LARGEST_PICTURE:
        return None
    return picture(found.data, found.content_type)

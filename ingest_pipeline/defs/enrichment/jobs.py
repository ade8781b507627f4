"""The job that makes what indexed objects lack."""

import dagster as dg

enrich_objects = dg.define_asset_job(
    "enrich_objects",
    selection=dg.AssetSelection.assets(
        "previews", "image_labels", "transcripts", "enrichment_receipts"
    ),
    description="Makes what a batch of indexed objects, or all of the partition's day, lack.",
)

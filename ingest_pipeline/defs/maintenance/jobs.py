"""The job that compares buckets and tables."""

import dagster as dg

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.checks(
        dg.AssetCheckKey(dg.AssetKey("ingest_bucket"), "bucket_and_tables_agree"),
        dg.AssetCheckKey(dg.AssetKey("ingest_bucket"), "indexed_objects_are_enriched"),
        dg.AssetCheckKey(dg.AssetKey("ingest_bucket"), "dead_letter_queues_empty"),
    ),
    executor_def=dg.in_process_executor,
    description="Compares buckets with tables, and puts what disagrees on the ingest queue.",
)

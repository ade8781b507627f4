"""The job that ingests sessions."""

import dagster as dg

ingest_sessions = dg.define_asset_job(
    "ingest_sessions",
    selection=dg.AssetSelection.assets("session_reports", "session_events", "session_receipts"),
    description="Ingests the sessions that its config names, or all of the partitions' days.",
)

"""What the UI shows of a batch: counts, costs, and a table of its objects."""

import dagster as dg

from ingest_pipeline.defs.common.metadata import Metadata, links, table
from ingest_pipeline.defs.common.pages import Tally
from ingest_pipeline.records.model import Asset, Report


def report_tally() -> Tally[Report]:
    """What is kept of reports for `describe_reports`."""
    return Tally(count_by=("verdict", "outcome"), sum_of=("bytes_read", "calls"))


def describe_reports(tally: Tally[Report], catalogue_url: str) -> Metadata:
    """Verdicts, outcomes, bytes and calls, and the first objects with their reasons."""
    columns = ("object", "verdict", "outcome", "why")
    rows = [
        (f"{each.bucket}/{each.key}", each.verdict, each.outcome, each.why) for each in tally.first
    ]
    return {
        "objects": dg.MetadataValue.int(tally.rows),
        "verdicts": dg.MetadataValue.json(dict(tally.counts["verdict"])),
        "outcomes": dg.MetadataValue.json(dict(tally.counts["outcome"])),
        "bytes read": dg.MetadataValue.int(tally.sums["bytes_read"]),
        "S3 calls": dg.MetadataValue.int(tally.sums["calls"]),
        "table": table(columns, rows, tally.rows),
        "in the catalogue": links(tally.first, catalogue_url),
    }


def asset_tally() -> Tally[Asset]:
    """What is kept of index rows for `describe_assets`."""
    return Tally(count_by=("is_deleted",))


def describe_assets(tally: Tally[Asset]) -> Metadata:
    """How many rows went into the index, and how many out of it."""
    taken_out = tally.number("is_deleted", "True")
    return {
        "valid": dg.MetadataValue.int(tally.rows - taken_out),
        "taken out": dg.MetadataValue.int(taken_out),
    }

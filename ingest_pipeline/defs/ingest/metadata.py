"""What the UI shows of a run: counts, costs, and a table of its objects."""

from dataclasses import dataclass, field

import dagster as dg

from ingest_pipeline.defs.common.metadata import Metadata, links, table
from ingest_pipeline.defs.common.tally import Tally
from ingest_pipeline.pipeline.ingest.finalize import wrongly_removed
from ingest_pipeline.pipeline.ingest.pipeline import Ingested
from ingest_pipeline.pipeline.ingest.whole_days import WholeDays
from ingest_pipeline.records.model import Asset, Report


def report_tally() -> Tally[Report]:
    """What is kept of reports for `describe_reports`."""
    return Tally(count_by=("verdict", "outcome"), sum_of=("bytes_read", "calls"))


def asset_tally() -> Tally[Asset]:
    """What is kept of index rows for `describe_assets`."""
    return Tally(count_by=("is_deleted",))


@dataclass
class IngestTally:
    """What is kept of all that a run ingested, step by step."""

    judged: Tally[Report] = field(default_factory=report_tally)
    judged_rows: int = 0
    indexed: Tally[Asset] = field(default_factory=asset_tally)
    indexed_rows: int = 0
    rejected: Tally[Report] = field(default_factory=report_tally)
    outcomes: Tally[Report] = field(default_factory=report_tally)
    wrongly_removed: list[str] = field(default_factory=list)

    def add(self, done: Ingested) -> None:
        """Take some objects in."""
        self.judged.add(done.judged)
        self.judged_rows += done.judged_rows
        self.indexed.add(done.indexed)
        self.indexed_rows += done.indexed_rows
        self.rejected.add(done.rejected)
        self.outcomes.add(done.outcomes)
        self.wrongly_removed += [report.uri for report in wrongly_removed(done.outcomes)]


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


def describe_assets(tally: Tally[Asset]) -> Metadata:
    """How many rows went into the index, and how many out of it."""
    taken_out = tally.number("is_deleted", "True")
    return {
        "valid": dg.MetadataValue.int(tally.rows - taken_out),
        "taken out": dg.MetadataValue.int(taken_out),
    }


def describe_days(whole: WholeDays) -> Metadata:
    """How much of its days a run has done, and what an earlier one had."""
    return {
        "done": dg.MetadataValue.text(str(whole)),
        "done before": dg.MetadataValue.int(whole.done_before),
    }


def describe_rows(written: int, total: int) -> Metadata:
    """How many rows were written, and how many gave way to stored ones that say more."""
    return {
        "dagster/row_count": dg.MetadataValue.int(written),
        "rows written": dg.MetadataValue.int(written),
        "rows that gave way": dg.MetadataValue.int(total - written),
    }

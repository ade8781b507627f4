"""What the UI shows of a batch: counts, costs, and a table of its objects."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from ingest_pipeline.defs.common.metadata import SHOWN, Metadata, literal, story
from ingest_pipeline.records.model import (
    Asset,
    Report,
)


def describe_reports(reports: Sequence[Report], api_url: str) -> Metadata:
    """Verdicts, bytes and calls, and the objects with their reasons."""
    return {
        "objects": dg.MetadataValue.int(len(reports)),
        "verdicts": dg.MetadataValue.json(Counter(report.verdict for report in reports)),
        "bytes read": dg.MetadataValue.int(sum(report.bytes_read for report in reports)),
        "S3 calls": dg.MetadataValue.int(sum(report.calls for report in reports)),
        "table": _table(reports, api_url),
    }


def describe_outcomes(outcomes: Sequence[Report], api_url: str) -> Metadata:
    """Outcomes, and the objects with their reasons."""
    return {
        "objects": dg.MetadataValue.int(len(outcomes)),
        "outcomes": dg.MetadataValue.json(Counter(report.outcome for report in outcomes)),
        "table": _table(outcomes, api_url),
    }


def describe_assets(assets: Sequence[Asset]) -> Metadata:
    """How many rows went into the index, and how many out of it."""
    live = sum(1 for asset in assets if asset.deleted_at is None)
    return {
        "valid": dg.MetadataValue.int(live),
        "taken out": dg.MetadataValue.int(len(assets) - live),
    }


def _table(reports: Sequence[Report], api_url: str) -> dg.MetadataValue:
    lines = ["| object | verdict | outcome | why |", "|---|---|---|---|"]
    lines += [_line(report, api_url) for report in reports[:SHOWN]]
    if len(reports) > SHOWN:
        lines.append(f"| and {len(reports) - SHOWN} more | | | |")
    return dg.MetadataValue.md("\n".join(lines))


def _line(report: Report, api_url: str) -> str:
    why = "; ".join(map(str, report.reasons))
    return f"| {story(report, api_url)} | {report.verdict} | {report.outcome} | {literal(why)} |"

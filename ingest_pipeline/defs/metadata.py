"""What the UI shows of a batch: counts, costs, and a table of its objects."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

import dagster as dg

from ingest_pipeline.catalog.model import Asset, Rendition, Report
from ingest_pipeline.sessions.job_report import JobReport

_SHOWN = 100  # rows of a table: an event of more is slow to load in the UI

Metadata = dict[str, dg.MetadataValue]


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


def describe_renditions(made: Sequence[Rendition], picture: str | None) -> Metadata:
    """What was made: a picture of the first, and a table of all."""
    columns = ("video", "preset", "size", "seconds", "pixels", "kbit/s", "seconds taken")
    rows = [
        (
            f"{each.bucket}/{each.key}",
            each.preset,
            each.size,
            each.duration_seconds,
            f"{each.width}x{each.height}",
            each.bit_rate // 1000,
            each.seconds_taken,
        )
        for each in made
    ]
    described: Metadata = {
        "renditions": dg.MetadataValue.int(len(made)),
        "table": _markdown(columns, rows),
    }
    if picture:
        described["picture"] = dg.MetadataValue.md(f"![thumbnail]({picture})")
    return described


def describe_found_sessions(report: JobReport) -> Metadata:
    """How many sessions were found, by day and vehicle, and the folders that are none."""
    problems = [f"{each.folder}: {each.reason}" for each in report.problems]
    return {
        "sessions": dg.MetadataValue.int(len(report.outcomes)),
        "states": dg.MetadataValue.json(Counter(each.state for each in report.outcomes)),
        "by day and vehicle": _sessions_plot(report),
        "folders that are no date or time": dg.MetadataValue.json(problems[:_SHOWN]),
    }


def describe_ingested_sessions(report: JobReport) -> Metadata:
    """The job's three tables and its summary."""
    summary = report.summary
    counts = ((summary.skipped, summary.processed, summary.total),)
    return {
        "events": dg.MetadataValue.int(sum(each.new_events for each in report.outcomes)),
        "summary": _markdown(("Skipped", "Processed", "Total"), counts),
        "no events": _markdown(report.no_events.columns, report.no_events.rows),
        "skipped": _markdown(report.skipped.columns, report.skipped.rows),
        "processed": _markdown(report.processed.columns, report.processed.rows),
    }


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_literal(str(cell)) for cell in row)} |" for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"| and {len(rows) - _SHOWN} more {'|' * len(columns)}")
    return dg.MetadataValue.md("\n".join(lines))


def _sessions_plot(report: JobReport) -> dg.MetadataValue:
    """Bars of text: a picture that needs no plotting library and prints anywhere."""
    folders = [each.folder.removeprefix("s3://").split("/") for each in report.outcomes]
    days = Counter((folder[2], folder[1]) for folder in folders)
    most = max(days.values(), default=1)
    return _markdown(
        ("day", "vehicle", "sessions", ""),
        [
            (day, vehicle, number, "█" * max(1, round(30 * number / most)))
            for (day, vehicle), number in sorted(days.items())
        ],
    )


def _table(reports: Sequence[Report], api_url: str) -> dg.MetadataValue:
    lines = ["| object | verdict | outcome | why |", "|---|---|---|---|"]
    lines += [_line(report, api_url) for report in reports[:_SHOWN]]
    if len(reports) > _SHOWN:
        lines.append(f"| and {len(reports) - _SHOWN} more | | | |")
    return dg.MetadataValue.md("\n".join(lines))


def _line(report: Report, api_url: str) -> str:
    history = f"{api_url}/object/{quote(report.bucket)}/{quote(report.key)}/history"
    why = "; ".join(map(str, report.reasons))
    name = _literal(f"{report.bucket}/{report.key}")
    return f"| [{name}]({history}) | {report.verdict} | {report.outcome} | {_literal(why)} |"


def _literal(text: str) -> str:
    """Names come from outside: none of their characters may act as Markdown or HTML."""
    return "".join(
        char if char.isalnum() or char in " ./-_,:;█" else f"&#{ord(char)};" for char in text
    )

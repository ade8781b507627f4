"""What the UI shows of sessions."""

from collections import Counter

import dagster as dg

from ingest_pipeline.defs.common.metadata import SHOWN, Metadata, picture, table
from ingest_pipeline.sessions.job_report import JobReport


def describe_found_sessions(report: JobReport) -> Metadata:
    """How many sessions were found, and what became of them."""
    return {
        "sessions": dg.MetadataValue.int(len(report.outcomes)),
        "states": dg.MetadataValue.json(Counter(each.state for each in report.outcomes)),
    }


def describe_run(report: JobReport) -> Metadata:
    """A picture of a run's sessions by day and vehicle, and the folders that are none."""
    problems = [f"{each.folder}: {each.reason}" for each in report.problems]
    described: dict[str, dg.MetadataValue] = {
        "folders that are no date or time": dg.MetadataValue.json(problems[:SHOWN]),
    }
    if report.by_day_and_vehicle:
        from ingest_pipeline.sessions.plot import sessions_picture  # noqa: PLC0415 - brings Pillow

        drawn = picture(sessions_picture(report.by_day_and_vehicle), "image/png")
        described["by day and vehicle"] = dg.MetadataValue.md(
            f"![sessions by day and vehicle]({drawn})"
        )
    return described


def describe_ingested_sessions(report: JobReport) -> Metadata:
    """The job's three tables and its summary."""
    summary = report.summary.table
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(each.new_events for each in report.outcomes)),
        "events": dg.MetadataValue.int(sum(each.new_events for each in report.outcomes)),
        "summary": table(summary.columns, summary.rows),
        "no events": table(report.no_events.columns, report.no_events.rows),
        "skipped": table(report.skipped.columns, report.skipped.rows),
        "processed": table(report.processed.columns, report.processed.rows),
    }

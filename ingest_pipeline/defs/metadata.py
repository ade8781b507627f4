"""What the UI shows of a batch: counts, costs, and a table of its objects."""

import base64
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin
from urllib.parse import quote, urlencode

import dagster as dg

from ingest_pipeline.catalog.model import Asset, ImageLabels, Preview, Rendition, Report
from ingest_pipeline.media.model import Frozen, Label, VideoInfo
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.plot import sessions_picture
from ingest_pipeline.steps.render import Rendered

_SHOWN = 100  # rows of a table: an event of more is slow to load in the UI

COLUMNS = "dagster/column_schema"  # where the UI looks for the columns of an asset's table

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


def describe_renditions(
    rendered: Sequence[Rendered], picture: str | None, api_url: str
) -> Metadata:
    """Each video before and after, a picture, and links that play what was made."""
    columns = ("video", "", "size", "pixels", "seconds", "picture", "sound", "kbit/s", "took")
    made = [rendition for each in rendered for rendition in each.made]
    jobs = [job for each in rendered for job in each.jobs]
    failures = [
        f"{each.source.uri}: {failure.preset}: {failure.words}"
        for each in rendered
        for failure in each.failures
    ]
    described: Metadata = {
        "renditions": dg.MetadataValue.int(len(made)),
        "table": _markdown(
            columns, [row for each in rendered if each.made for row in _before_and_after(each)]
        ),
        "submitted": dg.MetadataValue.json(
            [f"{job.uri}: {job.job_id or 'asked for again'}" for job in jobs]
        ),
        "failed": dg.MetadataValue.json(failures[:_SHOWN]),
    }
    if made:
        links = [f"[{_literal(each.key)}]({_playing(each, api_url)})" for each in made[:_SHOWN]]
        described["play"] = dg.MetadataValue.md(" · ".join(links))
    if picture:
        described["picture"] = dg.MetadataValue.md(f"![poster]({picture})")
    return described


def _before_and_after(rendered: Rendered) -> Iterator[tuple[object, ...]]:
    source = rendered.source
    video = source.probe.video if source.probe and source.probe.video else VideoInfo()
    name = f"{source.bucket}/{source.key}"
    pixels = f"{video.display_width}x{video.display_height}"
    before = (source.size, pixels, video.duration_seconds, video.video_codec, video.audio_codec)
    yield (name, "before", *before, (video.bit_rate or 0) // 1000, "")
    for each in rendered.made:
        pixels = f"{each.width}x{each.height}"
        after = (each.size, pixels, each.duration_seconds, each.video_codec, each.audio_codec)
        yield (name, each.preset, *after, each.bit_rate // 1000, f"{each.seconds_taken} s")


def _playing(rendition: Rendition, api_url: str) -> str:
    """The API's address of a rendition: it stays, where S3's own links end within the hour."""
    query = urlencode(
        {"key": rendition.key, "version": rendition.version, "preset": rendition.preset},
        quote_via=quote,
    )
    return f"{api_url}/content/{rendition.bucket}?{query}"


def describe_previews(
    made: Sequence[Preview], pictures: Sequence[tuple[Preview, str]], api_url: str
) -> Metadata:
    """Some of the pictures, and all of them or the reasons why there is none."""
    rows = [
        (
            each.kind,
            f"{each.width}x{each.height}" if each.preview_key else "",
            each.size or "",
            each.reason or "",
        )
        for each in made[:_SHOWN]
    ]
    lines = ["| object | kind | pixels | bytes | why not |", "|---|---|---|---|---|"]
    lines += [
        f"| {_story(each, api_url)} | {' | '.join(_literal(str(cell)) for cell in row)} |"
        for each, row in zip(made, rows, strict=False)
    ]
    if len(made) > _SHOWN:
        lines.append(f"| and {len(made) - _SHOWN} more | | | | |")
    shown = [f"{_story(each, api_url)}\n\n![preview]({picture})" for each, picture in pictures]
    return {
        "previews": dg.MetadataValue.int(sum(1 for each in made if each.preview_key)),
        "kinds": dg.MetadataValue.json(Counter(each.kind for each in made)),
        "without": dg.MetadataValue.int(sum(1 for each in made if not each.preview_key)),
        "pictures": dg.MetadataValue.md("\n\n".join(shown)),
        "table": dg.MetadataValue.md("\n".join(lines)),
    }


def _story(row: Report | Preview, api_url: str) -> str:
    """A link to all that is known of an object."""
    page = f"{api_url}/catalogue/{row.bucket}?{urlencode({'key': row.key})}"
    return f"[{_literal(f'{row.bucket}/{row.key}')}]({page})"


def columns_of(row: type[Frozen]) -> dg.TableSchema:
    """The columns of a table: the fields of its rows."""
    fields = row.model_fields.items()
    return dg.TableSchema(
        [dg.TableColumn(name, _type_name(each.annotation)) for name, each in fields]
    )


def _type_name(annotation: object) -> str:
    """A type as a person writes it: `tuple[Reason, ...] | None`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_type_name, parts))
    name = str(annotation) if parts or not isinstance(annotation, type) else annotation.__name__
    return re.sub(r"[a-z_]\w*\.", "", name).replace("NoneType", "None")


def table_columns(*columns: tuple[str, str, str]) -> dg.TableSchema:
    """The columns of a table by name, type and description."""
    return dg.TableSchema(
        [dg.TableColumn(name, kind, description) for name, kind, description in columns]
    )


def describe_labels(rows: Sequence[ImageLabels], made: int, picture: str | None) -> Metadata:
    """How many images have labels, none or a reason, a picture of one, and a table of all."""
    columns = ("image", "labels", "kinds of", "without a threshold", "why not")
    cells = [
        (
            f"{row.bucket}/{row.key}",
            _named(row.labels),
            ", ".join(dict.fromkeys(name for label in row.labels for name in label.parents)),
            _named(row.top),
            row.reason or "",
        )
        for row in rows
    ]
    described: Metadata = {
        "images": dg.MetadataValue.int(len(rows)),
        "labelled now": dg.MetadataValue.int(made),
        "with labels": dg.MetadataValue.int(sum(1 for row in rows if row.labels)),
        "not labelled": dg.MetadataValue.int(sum(1 for row in rows if row.reason)),
        "table": _markdown(columns, cells),
    }
    if picture:
        described["picture"] = dg.MetadataValue.md(f"![thumbnail]({picture})")
    return described


def _named(labels: Sequence[Label]) -> str:
    return ", ".join(f"{label.name} {label.confidence:.0f}" for label in labels)


def describe_found_sessions(report: JobReport) -> Metadata:
    """How many sessions were found, a picture by day and vehicle, and the folders that are none."""
    problems = [f"{each.folder}: {each.reason}" for each in report.problems]
    described: Metadata = {
        "sessions": dg.MetadataValue.int(len(report.outcomes)),
        "states": dg.MetadataValue.json(Counter(each.state for each in report.outcomes)),
        "folders that are no date or time": dg.MetadataValue.json(problems[:_SHOWN]),
    }
    if report.by_day_and_vehicle:
        content = base64.b64encode(sessions_picture(report.by_day_and_vehicle)).decode()
        picture = f"![sessions by day and vehicle](data:image/png;base64,{content})"
        described["by day and vehicle"] = dg.MetadataValue.md(picture)
    return described


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


def _table(reports: Sequence[Report], api_url: str) -> dg.MetadataValue:
    lines = ["| object | verdict | outcome | why |", "|---|---|---|---|"]
    lines += [_line(report, api_url) for report in reports[:_SHOWN]]
    if len(reports) > _SHOWN:
        lines.append(f"| and {len(reports) - _SHOWN} more | | | |")
    return dg.MetadataValue.md("\n".join(lines))


def _line(report: Report, api_url: str) -> str:
    why = "; ".join(map(str, report.reasons))
    return f"| {_story(report, api_url)} | {report.verdict} | {report.outcome} | {_literal(why)} |"


def _literal(text: str) -> str:
    """Names come from outside: none of their characters may act as Markdown or HTML."""
    return "".join(
        char if char.isalnum() or char in " ./-_,:;" else f"&#{ord(char)};" for char in text
    )

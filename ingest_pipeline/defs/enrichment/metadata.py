"""What the UI shows of previews, labels and transcripts."""

from collections.abc import Sequence

import dagster as dg

from ingest_pipeline.defs.common.metadata import Metadata, links, table
from ingest_pipeline.defs.common.tally import Tally
from ingest_pipeline.media.model import Label
from ingest_pipeline.records.model import ImageLabels, Preview, Transcript

_TEXT_CHARS = 200  # of a transcript in the table


def preview_tally() -> Tally[Preview]:
    """What is kept of previews for `describe_previews`."""
    return Tally(count_by=("kind", "has_picture"))


def describe_previews(
    tally: Tally[Preview], pictures: Sequence[tuple[Preview, str]], catalogue_url: str
) -> Metadata:
    """Some of the pictures, and the first previews or the reasons why there is none."""
    columns = ("object", "kind", "pixels", "bytes", "why not")
    rows = [
        (
            f"{each.bucket}/{each.key}",
            each.kind,
            f"{each.width}x{each.height}" if each.preview_key else "",
            each.size,
            each.reason or "",
        )
        for each in tally.first
    ]
    made = tally.number("has_picture", "True")
    shown = "\n\n".join(f"![preview]({picture})" for _, picture in pictures)
    return {
        "previews": dg.MetadataValue.int(made),
        "dagster/row_count": dg.MetadataValue.int(tally.rows),
        "kinds": dg.MetadataValue.json(dict(tally.counts["kind"])),
        "without": dg.MetadataValue.int(tally.rows - made),
        "pictures": dg.MetadataValue.md(shown),
        "table": table(columns, rows, tally.rows),
        "in the catalogue": links(tally.first, catalogue_url),
    }


def labels_tally() -> Tally[ImageLabels]:
    """What is kept of labels for `describe_labels`."""
    return Tally(count_by=("has_labels", "has_reason", "run_id"))


def describe_labels(tally: Tally[ImageLabels], run_id: str, picture: str | None) -> Metadata:
    """How many images have labels, none or a reason, a picture of one, and the first of them."""
    columns = ("image", "labels", "kinds of", "without a threshold", "why not")
    rows = [
        (
            f"{row.bucket}/{row.key}",
            _named(row.labels),
            ", ".join(dict.fromkeys(name for label in row.labels for name in label.parents)),
            _named(row.top),
            row.reason or "",
        )
        for row in tally.first
    ]
    described: dict[str, dg.MetadataValue] = {
        "images": dg.MetadataValue.int(tally.rows),
        "dagster/row_count": dg.MetadataValue.int(tally.rows),
        "labelled now": dg.MetadataValue.int(tally.number("run_id", run_id)),
        "with labels": dg.MetadataValue.int(tally.number("has_labels", "True")),
        "not labelled": dg.MetadataValue.int(tally.number("has_reason", "True")),
        "table": table(columns, rows, tally.rows),
    }
    if picture:
        described["picture"] = dg.MetadataValue.md(f"![thumbnail]({picture})")
    return described


def transcripts_tally() -> Tally[Transcript]:
    """What is kept of transcripts for `describe_transcripts`."""
    return Tally(count_by=("has_text", "run_id", "language"))


def describe_transcripts(tally: Tally[Transcript], run_id: str, catalogue_url: str) -> Metadata:
    """How many recordings have a text or a reason, how long they took, and the first of them."""
    columns = ("recording", "text", "language", "seconds", "seconds of work", "why not")
    rows = [
        (
            f"{row.bucket}/{row.key}",
            row.line[:_TEXT_CHARS],
            row.language or "",
            row.audio_seconds,
            row.work_seconds,
            row.reason or "",
        )
        for row in tally.first
    ]
    with_text = tally.number("has_text", "True")
    return {
        "recordings": dg.MetadataValue.int(tally.rows),
        "dagster/row_count": dg.MetadataValue.int(tally.rows),
        "transcribed now": dg.MetadataValue.int(tally.number("run_id", run_id)),
        "with text": dg.MetadataValue.int(with_text),
        "without": dg.MetadataValue.int(tally.rows - with_text),
        "table": table(columns, rows, tally.rows),
        "in the catalogue": links(tally.first, catalogue_url),
    }


def _named(labels: Sequence[Label]) -> str:
    return ", ".join(f"{label.name} {label.confidence:.0f}" for label in labels)

"""What the UI shows of previews and labels."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from ingest_pipeline.defs.common.metadata import SHOWN, Metadata, literal, markdown, story
from ingest_pipeline.media.model import (
    Label,
)
from ingest_pipeline.records.model import (
    ImageLabels,
    Preview,
)


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
        for each in made[:SHOWN]
    ]
    lines = ["| object | kind | pixels | bytes | why not |", "|---|---|---|---|---|"]
    lines += [
        f"| {story(each, api_url)} | {' | '.join(literal(str(cell)) for cell in row)} |"
        for each, row in zip(made, rows, strict=False)
    ]
    if len(made) > SHOWN:
        lines.append(f"| and {len(made) - SHOWN} more | | | | |")
    shown = [f"{story(each, api_url)}\n\n![preview]({picture})" for each, picture in pictures]
    return {
        "previews": dg.MetadataValue.int(sum(1 for each in made if each.preview_key)),
        "kinds": dg.MetadataValue.json(Counter(each.kind for each in made)),
        "without": dg.MetadataValue.int(sum(1 for each in made if not each.preview_key)),
        "pictures": dg.MetadataValue.md("\n\n".join(shown)),
        "table": dg.MetadataValue.md("\n".join(lines)),
    }


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
        "table": markdown(columns, cells),
    }
    if picture:
        described["picture"] = dg.MetadataValue.md(f"![thumbnail]({picture})")
    return described


def _named(labels: Sequence[Label]) -> str:
    return ", ".join(f"{label.name} {label.confidence:.0f}" for label in labels)

"""What the UI shows of a batch: counts, costs, and a table of its objects."""

import re
from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin
from urllib.parse import urlencode

import dagster as dg

from ingest_pipeline.records.model import (
    Preview,
    Report,
)
from ingest_pipeline.values import Frozen

SHOWN = 100  # rows of a table: an event of more is slow to load in the UI
COLUMNS = "dagster/column_schema"  # where the UI looks for the columns of an asset's table
Metadata = dict[str, dg.MetadataValue]


def story(row: Report | Preview, api_url: str) -> str:
    """A link to all that is known of an object."""
    page = f"{api_url}/catalogue/{row.bucket}?{urlencode({'key': row.key})}"
    return f"[{literal(f'{row.bucket}/{row.key}')}]({page})"


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


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(literal(str(cell)) for cell in row)} |" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"| and {len(rows) - SHOWN} more {'|' * len(columns)}")
    return dg.MetadataValue.md("\n".join(lines))


def literal(text: str) -> str:
    """Names come from outside: none of their characters may act as Markdown or HTML."""
    return "".join(
        char if char.isalnum() or char in " ./-_,:;" else f"&#{ord(char)};" for char in text
    )

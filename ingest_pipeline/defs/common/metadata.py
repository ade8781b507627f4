"""What the UI shows of rows: tables, columns, links."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin
from urllib.parse import quote, urlencode

import dagster as dg

from ingest_pipeline.aws.objects.content import ObjectTooLargeError, read_object
from ingest_pipeline.records.model import ObjectRef, Preview, Report, Transcript
from ingest_pipeline.records.tables import Table
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

COLUMNS = "dagster/column_schema"  # where the UI looks for the columns of an asset's table
SHOWN = 100  # rows of a table: an event of more is slow to load in the UI
Metadata = Mapping[str, dg.MetadataValue]


def table_metadata(table: Table[Any]) -> dict[str, object]:
    """Where an asset's rows live, and their columns."""
    return {"dagster/uri": f"dynamodb://{table.name}", COLUMNS: columns_of(table.row_type)}


def columns_of(row: type[Frozen]) -> dg.TableSchema:
    """The columns of a table: the fields of its rows, described as the rows' type does."""
    fields = row.model_fields.items()
    return dg.TableSchema(
        [
            dg.TableColumn(name, _type_name(each.annotation), each.description)
            for name, each in fields
        ]
    )


def table_columns(*columns: tuple[str, str, str]) -> dg.TableSchema:
    """The columns of a table by name, type and description."""
    return dg.TableSchema(
        [dg.TableColumn(name, kind, description) for name, kind, description in columns]
    )


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], total: int | None = None
) -> dg.MetadataValue:
    """A table of the first of all rows, in all `total`; what is no number is shown as text."""
    shown = [dict(zip(columns, map(_cell, row), strict=True)) for row in rows[:SHOWN]]
    if more := (len(rows) if total is None else total) - len(shown):
        shown.append(dict.fromkeys(columns) | {columns[0]: f"and {more} more"})
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table([dg.TableRecord(record) for record in shown], schema)


def links(
    objects: Iterable[Report | Preview | Transcript | ObjectRef], catalogue_url: str
) -> dg.MetadataValue:
    """The first objects, each a link to all that is known of it."""
    shown = [_story(each, catalogue_url) for each, _ in zip(objects, range(SHOWN), strict=False)]
    return dg.MetadataValue.md("\n".join(f"- {link}" for link in shown))


def stored_picture(s3: "S3Client", bucket: str, key: str, most_bytes: int) -> str | None:
    """What stands at a key as a `data:` address; None where it is too large for an event."""
    try:
        stored = read_object(s3, bucket, key, most_bytes)
    except ObjectTooLargeError:
        return None
    return picture(stored.data, stored.type)


def picture(content: bytes, content_type: str) -> str:
    """A picture as a `data:` address."""
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def literal(text: str) -> str:
    """Names come from outside: none of their characters may act as Markdown or HTML."""
    return "".join(
        char if char.isalnum() or char in " ./-_,:;" else f"&#{ord(char)};" for char in text
    )


def _story(row: Report | Preview | Transcript | ObjectRef, catalogue_url: str) -> str:
    query = urlencode({"key": row.key}, quote_via=quote)
    return f"[{literal(f'{row.bucket}/{row.key}')}]({catalogue_url}/catalogue/{row.bucket}?{query})"


def _cell(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, int | float | None) else str(value)


def _type_name(annotation: object) -> str:
    """A type as a person writes it: `tuple[Reason, ...] | None`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_type_name, parts))
    name = str(annotation) if parts or not isinstance(annotation, type) else annotation.__name__
    return re.sub(r"[a-z_]\w*\.", "", name).replace("NoneType", "None")

"""Events as a table for other tools."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.extras import extra
from ingest_pipeline.sessions.model import ND, Event

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOMENTS = ("timestamp", "creation_date")
_BATCH = 10_000  # rows of a row group, held at a time
_MOST_DAYS = 36_525  # of a century, which is what folders can tell
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def export(events: Iterable[Event]) -> "pd.DataFrame":
    """One row an event, one column of text a field, in the order of the fields."""
    with extra("parquet", "a table of events"):
        import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

    rows = [event.model_dump() for event in events]
    return pd.DataFrame(rows, columns=list(Event.model_fields), dtype=str)


@dataclass(frozen=True)
class EventTable:
    """Events that go to files as they come, never all of them in memory.

    Moments are moments without a time zone, to the second and empty where they are not known;
    everything else is text, empty where a database has nothing.
    """

    columns: Sequence[str]
    events: Iterable[Mapping[str, object]]

    def write(self, path: Path, *, raw: bool = False) -> int:
        """Write a file, as its suffix says: `.csv` or `.parquet`; how many events it has.

        Text in CSV that a spreadsheet would take for a formula has an apostrophe before it, unless
        `raw`.

        Raises:
            ValueError: the suffix is another.
            OSError: the file cannot be written.
        """
        match path.suffix.lower():
            case ".csv":
                return self._write_csv(path, raw=raw)
            case ".parquet":
                return self._write_parquet(path)
            case other:
                raise ValueError(f"{str(path)!r} ends with {other!r}, wanted .csv or .parquet")

    def write_days(self, folder: Path) -> int:
        """Write Parquet files, `day=YYYY-MM-DD/events-0.parquet`; how many events they have.

        Readers of such folders take them as one table, whose column `day` they know; events
        without a timestamp have the day ND. Days that are written replace what was there.

        Raises:
            OSError: a file cannot be written.
        """
        with extra("parquet", "Parquet files"):
            import pyarrow as pa  # noqa: PLC0415 - half a second that runs need not wait
            import pyarrow.dataset as ds  # noqa: PLC0415

        written = 0
        schema = self._schema().append(pa.field("day", pa.string()))

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal written
            for rows in chunked(self._rows(), _BATCH):
                written += len(rows)
                with_day = [{**row, "day": _day(row)} for row in rows]
                yield pa.RecordBatch.from_pylist(with_day, schema)

        ds.write_dataset(
            batches(),
            folder,
            schema=schema,
            format="parquet",
            basename_template="events-{i}.parquet",
            partitioning=ds.partitioning(pa.schema([("day", pa.string())]), flavor="hive"),
            max_partitions=_MOST_DAYS,
            existing_data_behavior="delete_matching",
        )
        return written

    def _write_csv(self, path: Path, *, raw: bool) -> int:
        written = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            for row in self._rows():
                cells = (row[name] for name in self.columns)
                writer.writerow([cell if raw else _harmless(cell) for cell in cells])
                written += 1
        return written

    def _write_parquet(self, path: Path) -> int:
        with extra("parquet", "a Parquet file"):
            import pyarrow as pa  # noqa: PLC0415 - half a second that runs need not wait
            import pyarrow.parquet as pq  # noqa: PLC0415

        written = 0
        schema = self._schema()
        with pq.ParquetWriter(path, schema) as writer:
            for rows in chunked(self._rows(), _BATCH):
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))
                written += len(rows)
        return written

    def _rows(self) -> Iterator[dict[str, object]]:
        for event in self.events:
            yield {name: _cell(name, event.get(name)) for name in self.columns}

    def _schema(self) -> "pa.Schema":
        """The same whatever stands in the columns: one that is empty would have no type at all."""
        import pyarrow as pa  # noqa: PLC0415 - see above

        return pa.schema(
            [
                pa.field(name, pa.timestamp("s") if name in _MOMENTS else pa.string())
                for name in self.columns
            ]
        )


def _cell(name: str, value: object) -> object:
    if name not in _MOMENTS or value is None:
        return None if value is None else str(value)
    if value == ND:
        return None
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _day(row: Mapping[str, object]) -> str:
    moment = row.get("timestamp")
    return moment.date().isoformat() if isinstance(moment, datetime) else ND


def _harmless(cell: object) -> object:
    """Spreadsheets run what begins so as a formula, whoever wrote it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell

"""Events as a table for other tools."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.extras import extra
from ingest_pipeline.sessions.model import ND, Event

if TYPE_CHECKING:
    import pandas as pd

_MOMENTS = ("timestamp", "creation_date")


def export(events: Iterable[Event]) -> "pd.DataFrame":
    """One row an event, one column of text a field, in the order of the fields."""
    with extra("parquet", "a table of events"):
        import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

    rows = [event.model_dump() for event in events]
    return pd.DataFrame(rows, columns=list(Event.model_fields), dtype=str)


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write the events of a database to a file, as its suffix says: `.csv` or `.parquet`.

    Moments are moments without a time zone, to the second and empty where they are not known;
    everything else is text.

    Raises:
        ValueError: the suffix is another.
        OSError: the file cannot be written.
    """
    match path.suffix.lower():
        case ".csv":
            _typed(table).to_csv(path, index=False)
        case ".parquet":
            with extra("parquet", "a Parquet file"):
                _typed(table).to_parquet(path, index=False)
        case other:
            raise ValueError(f"{str(path)!r} ends with {other!r}, wanted .csv or .parquet")


def _typed(table: "pd.DataFrame") -> "pd.DataFrame":
    """The same whatever stands in the columns: one that is empty would have no type at all."""
    import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

    moments = [name for name in _MOMENTS if name in table]
    typed = table.astype({name: "str" for name in table if name not in moments})
    for name in moments:
        typed[name] = pd.to_datetime(table[name].replace(ND, None)).astype("datetime64[s]")
    return typed

"""Events as a table for other tools."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ingest_pipeline.sessions.model import Event

if TYPE_CHECKING:
    import pandas as pd


def export(events: Iterable[Event]) -> "pd.DataFrame":
    """One row an event, one column of text a field, in the order of the fields.

    The caller decides the file: `.to_csv(path, index=False)`, or `.to_parquet(path)` where
    pyarrow is installed, which this project does not do itself.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

    rows = [event.model_dump() for event in events]
    return pd.DataFrame(rows, columns=list(Event.model_fields), dtype=str)

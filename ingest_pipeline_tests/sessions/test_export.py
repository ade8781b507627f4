import io
from pathlib import Path

import pandas as pd
import pytest

from ingest_pipeline.sessions.event_db.event_db import EventDb
from ingest_pipeline.sessions.export import export, write_table
from ingest_pipeline.sessions.model import Event, Session

EVENTS = [
    Event(session_id="S", audio_tag="1_1_a.wav", comment='He said "no", twice\nit\'s 🌧'),
    Event(session_id="S", audio_tag="2_1_a.wav", driver="007"),
]


def test_a_row_an_event_a_column_a_field() -> None:
    table = export(EVENTS)
    assert list(table.columns) == list(Event.model_fields)
    assert [Event.model_validate(row) for row in table.to_dict("records")] == EVENTS


def test_no_events_are_a_table_with_columns() -> None:
    table = export([])
    assert list(table.columns) == list(Event.model_fields)
    assert len(table) == 0


def test_a_file_of_it_gives_the_same_events() -> None:
    text = export(EVENTS).to_csv(index=False)
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert [Event.model_validate(row) for row in table.to_dict("records")] == EVENTS


def written(event_db: EventDb, path: Path) -> pd.DataFrame:
    write_table(event_db.table(), path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, parse_dates=["timestamp"], dtype={"driver": str}, keep_default_na=True)


@pytest.mark.parametrize("name", ["events.parquet", "events.csv"])
def test_every_database_is_exported_alike(event_db: EventDb, tmp_path: Path, name: str) -> None:
    known, unknown = (each.model_copy(update={"session_id": "S"}) for each in EVENTS)
    known = known.model_copy(update={"timestamp": "2023-07-17 11:16:55"})
    event_db.upload(Session(session_id="S", events=(known, unknown)))
    table = written(event_db, tmp_path / name).sort_values("audio_tag")
    assert pd.api.types.is_datetime64_dtype(table["timestamp"])
    assert table["timestamp"].tolist() == [pd.Timestamp("2023-07-17 11:16:55"), pd.NaT]
    assert table["comment"].tolist() == [known.comment, "ND"]
    assert table["driver"].tolist() == ["ND", "007"]


def test_a_database_without_events_has_the_same_types(event_db: EventDb, tmp_path: Path) -> None:
    empty = written(event_db, tmp_path / "empty.parquet")
    event_db.upload(Session(session_id="S", events=tuple(EVENTS)))
    full = written(event_db, tmp_path / "full.parquet")
    assert (len(empty), len(full)) == (0, 2)
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ingest_pipeline.sessions.event_db.event_db import EventDb, EventSearch
from ingest_pipeline.sessions.export import EventTable, export
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
    EventTable(event_db.columns, event_db.find_events(EventSearch())).write(path)
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


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "1=1", "ND", ""]


@pytest.mark.parametrize("raw", [False, True])
def test_formulas_in_csv_are_harmless_unless_it_is_to_be_raw(tmp_path: Path, raw: bool) -> None:  # noqa: FBT001
    path = tmp_path / "events.csv"
    rows = [{"comment": text} for text in FORMULAS]
    assert EventTable(("comment",), rows).write(path, raw=raw) == len(FORMULAS)
    with path.open(newline="", encoding="utf-8") as file:
        read = [row["comment"] for row in csv.DictReader(file)]
    escaped = [f"'{text}" for text in FORMULAS[:6]]
    assert read == (FORMULAS if raw else [*escaped, *FORMULAS[6:]])


def test_events_are_taken_as_they_are_written(tmp_path: Path) -> None:
    """All of them at once would be 50,000 rows at the moment of the first batch."""
    path = tmp_path / "events.parquet"
    sizes: set[int] = set()

    def many() -> Iterator[dict[str, object]]:
        for number in range(50_000):
            sizes.add(path.stat().st_size if path.exists() else 0)
            yield {"comment": f"{number} " * 20}

    assert EventTable(("comment",), many()).write(path) == 50_000
    assert len(sizes) > 3, "the file grew meanwhile"
    assert len(pd.read_parquet(path)) == 50_000


def test_each_day_has_a_folder_and_all_are_one_table(event_db: EventDb, tmp_path: Path) -> None:
    moments = ["2023-07-17 23:59:59", "ND", "2023-07-18 00:00:00", "2023-07-17 00:00:00"]
    events = tuple(
        Event(session_id="S", audio_tag=f"{number}_1_a.wav", timestamp=moment)
        for number, moment in enumerate(moments)
    )
    event_db.upload(Session(session_id="S", events=events))
    for _ in range(2):  # again, nothing is there twice
        table = EventTable(event_db.columns, event_db.find_events(EventSearch()))
        assert table.write_days(tmp_path / "days") == 4
    assert sorted(each.name for each in (tmp_path / "days").iterdir()) == [
        "day=2023-07-17",
        "day=2023-07-18",
        "day=ND",
    ]
    read = pd.read_parquet(tmp_path / "days").sort_values("audio_tag")
    assert read["day"].tolist() == ["2023-07-17", "ND", "2023-07-18", "2023-07-17"]
    assert read["timestamp"].tolist()[0] == pd.Timestamp(moments[0])

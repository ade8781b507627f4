import io

import pandas as pd

from ingest_pipeline.sessions.export import export
from ingest_pipeline.sessions.model import Event

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

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ingest_pipeline.sessions.model import SessionState
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline_tests.world import World


def row(folder: str, state: SessionState, run_id: str) -> SessionRow:
    return SessionRow(
        session_id="AV11_V236_240201_100000_1",
        folder=folder,
        state=state,
        day="2024-02-01",
        recorded_at=datetime(2024, 2, 2, tzinfo=UTC),
        run_id=run_id,
    )


@pytest.fixture
def folder() -> str:
    return f"s3://sessions/{uuid4()}/"


def test_what_was_done_stays_on_record_when_nothing_is_left_to_do(
    world: World, folder: str
) -> None:
    done = row(folder, SessionState.PROCESSED, "first")
    assert world.tables.put(SESSION_OUTCOMES, [done]) == 1
    assert world.tables.put(SESSION_OUTCOMES, [row(folder, SessionState.UNCHANGED, "second")]) == 0
    assert world.tables.get(SESSION_OUTCOMES, {"folder": folder}) == done


@pytest.mark.parametrize("state", [SessionState.SKIPPED, SessionState.PROCESSED])
def test_what_was_done_last_is_what_is_told(world: World, folder: str, state: SessionState) -> None:
    world.tables.put(SESSION_OUTCOMES, [row(folder, SessionState.UNCHANGED, "first")])
    last = row(folder, state, "second")
    world.tables.put(SESSION_OUTCOMES, [last])
    assert world.tables.get(SESSION_OUTCOMES, {"folder": folder}) == last

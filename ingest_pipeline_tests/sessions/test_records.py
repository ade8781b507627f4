from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ingest_pipeline.sessions.model import SessionState, SkipReason
from ingest_pipeline.sessions.records import BY_PLACE, SESSION_OUTCOMES, SessionRow, listing_of
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


def test_sessions_are_found_by_time_those_that_lack_something_apart(world: World) -> None:
    def stored(number: int, **fields: object) -> SessionRow:
        folder = f"s3://{world.session_bucket}/V236/240201/1000{number:02}/session/"
        one = row(folder, SessionState.SKIPPED, "run").model_copy(
            update={"started": f"2024-02-01T10:00:{number:02}", **fields}
        )
        world.tables.put(SESSION_OUTCOMES, [one])
        return one

    lacking = [stored(2, reason=SkipReason.MALFORMED_REPORT), stored(1, state=SessionState.AWAITED)]
    others = [stored(4, reason=SkipReason.NO_EVENTS), stored(3, is_complete=True)]
    for rows, is_lacking in ((lacking, True), (others, False)):
        listing = listing_of(world.session_bucket, is_lacking=is_lacking)
        assert list(world.tables.query(SESSION_OUTCOMES, BY_PLACE, listing)) == rows[::-1]

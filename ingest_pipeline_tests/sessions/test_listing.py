"""The list of sessions; its filters and pages through HTTP are in the tests of the API."""

from datetime import UTC, datetime

import pytest

from ingest_pipeline.aws.cursors import InvalidCursorError, encode
from ingest_pipeline.sessions import listing as listing_module
from ingest_pipeline.sessions.listing import SessionListing, SessionSearch, what_lacks
from ingest_pipeline.sessions.model import SessionState, SkipReason, TagProblem
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline_tests.world import World


def row(world: World, second: int, **fields: object) -> SessionRow:
    name = f"AV11_V236_240201_1000{second:02}_1"
    known = {
        "session_id": name,
        "folder": f"s3://{world.session_bucket}/V236/240201/1000{second:02}/{name}/",
        "state": SessionState.PROCESSED,
        "day": "2024-02-01",
        "started": f"2024-02-01T10:00:{second:02}",
        "recorded_at": datetime(2024, 2, 2, tzinfo=UTC),
    }
    return SessionRow.model_validate(known | fields)


def test_a_search_that_finds_little_gives_short_pages_that_lead_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(world, second, is_complete=bool(second % 2)) for second in range(40)]
    wanted = rows[1].model_copy(update={"state": SessionState.UNCHANGED})
    world.tables.put(SESSION_OUTCOMES, [*rows[:1], wanted, *rows[2:]])
    monkeypatch.setattr(listing_module, "_CALLS", 2)
    monkeypatch.setattr(listing_module, "_MANY", 3)
    search = SessionSearch(state=SessionState.UNCHANGED)
    listing = SessionListing(world.tables, world.session_bucket)
    first = listing.page(search, 10)
    assert (first.rows, first.cursor is None) == ([], False)
    assert list(listing.all(search)) == [wanted]


@pytest.mark.parametrize("place", [[""], ["2024-02-01"], [7], [], "2024-02-01 s3://a/"])
def test_a_cursor_of_another_list_is_refused(world: World, place: list[str | int] | str) -> None:
    listing = SessionListing(world.tables, world.session_bucket)
    with pytest.raises(InvalidCursorError):
        listing.page(SessionSearch(), 10, encode(place))  # type: ignore[arg-type]


def test_what_lacks_is_told_in_words(world: World) -> None:
    half = TagProblem(audio_tag="1_1_a.wav", reason="not in the bucket", is_passing=True)
    odd = TagProblem(audio_tag="odd.wav", reason="no form")
    for fields, words in (
        ({"is_complete": True, "problems": (odd,)}, []),
        ({"state": SessionState.AWAITED}, ["its upload report"]),
        ({"problems": (half, odd)}, ["1_1_a.wav: not in the bucket"]),
        ({"events": 3, "database_events": 2}, ["the database holds 2 events instead of 3"]),
        (
            {"state": SessionState.SKIPPED, "reason": SkipReason.REFUSED, "detail": "full"},
            ["Refused by the database: full"],
        ),
        ({"state": SessionState.SKIPPED, "reason": SkipReason.NO_EVENTS}, []),
    ):
        assert list(what_lacks(row(world, 1, **fields))) == words

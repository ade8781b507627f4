"""What every event database must do, and what the base class does for a plain one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from ingest_pipeline.sessions.event_db.event_db import (
    EventDb,
    EventDbError,
    EventSearch,
    Upload,
    UploadState,
)
from ingest_pipeline.sessions.model import Event, Session

ID = "AV11_V236_230717_111649_62100"


def event(tag: str, session_id: str = ID, **fields: str) -> Event:
    return Event(session_id=session_id, audio_tag=tag, **fields)


def session(*tags: str, session_id: str = ID, is_whole: bool = True) -> Session:
    events = tuple(event(tag, session_id) for tag in tags)
    return Session(session_id=session_id, events=events, is_whole=is_whole)


def upload(state: UploadState, new_events: int, session_id: str = ID) -> Upload:
    return Upload(session_id=session_id, state=state, new_events=new_events)


class PlainDb(EventDb):
    """Nothing but what an implementation must have."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.events: dict[tuple[str, str], Event] = {}
        self.fails_at: str | None = None

    def connect(self) -> None:
        pass

    def session_exists(self, session_id: str) -> bool:
        return session_id in self.sessions

    def _create_session(self, session_id: str) -> None:
        self.sessions.add(session_id)

    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        if event.audio_tag == self.fails_at:
            raise EventDbError("no")
        self.events.setdefault((session_id, event.audio_tag), event)


def test_the_base_class_wants_what_it_cannot_do_itself() -> None:
    assert EventDb.__abstractmethods__ == {
        "connect",
        "session_exists",
        "_create_session",
        "_create_event_in_session",
    }


def test_a_plain_database_is_enough() -> None:
    db = PlainDb()
    assert db.upload(session("a", "b")) == upload(UploadState.COMPLETED, 2)
    assert db.complete_sessions([ID, "other"]) == {ID}
    assert db.upload(session("a", "b")) == upload(UploadState.UNCHANGED, 0)
    db.close()


def test_a_plain_database_finishes_what_was_interrupted() -> None:
    db = PlainDb()
    db.fails_at = "b"
    with pytest.raises(EventDbError):
        db.upload(session("a", "b", "c"))
    assert (len(db.events), db.session_exists(ID)) == (1, False)
    db.fails_at = None
    db.upload(session("a", "b", "c"))
    assert (len(db.events), db.session_exists(ID)) == (3, True)


def test_a_plain_database_says_that_it_reads_no_events() -> None:
    with pytest.raises(NotImplementedError, match="PlainDb"):
        PlainDb().event_counts([ID])
    with pytest.raises(NotImplementedError, match="PlainDb"):
        PlainDb().table()
    with pytest.raises(NotImplementedError, match="PlainDb"):
        PlainDb().set_comment(ID, "a", "wet road")


def test_a_session_is_complete_when_its_events_are_in(event_db: EventDb) -> None:
    assert not event_db.session_exists(ID)
    assert event_db.upload(session("a", "b", "c")) == upload(UploadState.COMPLETED, 3)
    assert event_db.session_exists(ID)
    assert event_db.event_counts([ID]) == {ID: 3}


def test_again_nothing_is_added(event_db: EventDb) -> None:
    event_db.upload(session("a", "b"))
    assert event_db.upload(session("a", "b")) == upload(UploadState.UNCHANGED, 0)
    assert event_db.upload(session("a", "b", "c")) == upload(UploadState.UNCHANGED, 0)
    assert event_db.event_counts([ID]) == {ID: 2}


def test_a_session_with_events_to_come_stays_open(event_db: EventDb) -> None:
    partial = session("a", "b", is_whole=False)
    assert event_db.upload(partial) == upload(UploadState.PARTIAL, 2)
    assert event_db.upload(partial) == upload(UploadState.PARTIAL, 0)
    assert not event_db.session_exists(ID)
    assert event_db.upload(session("a", "b", "c")) == upload(UploadState.COMPLETED, 1)
    assert event_db.session_exists(ID)
    assert event_db.event_counts([ID]) == {ID: 3}


def test_a_half_uploaded_session_is_finished(event_db: EventDb) -> None:
    event_db._create_event_in_session(ID, event("b"))
    event_db._create_event_in_session(ID, event("b"))
    assert not event_db.session_exists(ID)
    assert event_db.upload(session("a", "b", "c")) == upload(UploadState.COMPLETED, 2)
    assert event_db.event_counts([ID]) == {ID: 3}


def test_a_session_without_events_can_be_complete(event_db: EventDb) -> None:
    assert event_db.upload(session()) == upload(UploadState.COMPLETED, 0)
    assert event_db.session_exists(ID)
    assert event_db.event_counts([ID]).get(ID, 0) == 0


def test_a_tag_given_twice_is_one_event(event_db: EventDb) -> None:
    assert event_db.upload(session("a", "a")) == upload(UploadState.COMPLETED, 1)
    assert event_db.event_counts([ID]) == {ID: 1}


def test_names_are_exact(event_db: EventDb) -> None:
    """Also where the database itself compares without regard to case, accents or blanks."""
    tags = ["a", "A", "ä", "a ", " a", "a\u0308", "a'; DROP TABLE sds; --", "😀", "%", "_"]
    assert event_db.upload(session(*tags)) == upload(UploadState.COMPLETED, len(tags))
    for other in (ID.lower(), f"{ID} ", f"{ID}%", "%"):
        assert not event_db.session_exists(other)
    assert event_db.upload(session("a", session_id=ID.lower())).new_events == 1
    assert event_db.event_counts([ID]) == {ID: len(tags)}


def test_many_sessions_are_asked_for_together(event_db: EventDb) -> None:
    ids = [f"AV11_V236_230717_111649_{number}" for number in range(1203)]
    complete = set(ids[::300])
    for session_id in complete:
        event_db.upload(session("a", session_id=session_id))
    assert event_db.complete_sessions(ids) == complete
    assert event_db.complete_sessions([]) == set()
    assert event_db.event_counts([]) == {}


def test_many_events_are_written(event_db: EventDb) -> None:
    tags = [f"AV_logs/AudioTags/{number}_1_a.wav" for number in range(1200)]
    assert event_db.upload(session(*tags)) == upload(UploadState.COMPLETED, 1200)
    assert event_db.event_counts([ID]) == {ID: 1200}


def test_all_events_are_a_table(event_db: EventDb) -> None:
    assert event_db.table()["audio_tag"].tolist() == []
    event_db.upload(session("a", "b"))
    event_db.upload(session("a", session_id="other", is_whole=False))
    table = event_db.table()
    found = sorted(zip(table["session_id"], table["audio_tag"], strict=True))
    assert found == [(ID, "a"), (ID, "b"), ("other", "a")]


def test_sessions_are_uploaded_together_each_as_if_alone(event_db: EventDb) -> None:
    event_db.upload(session("a", session_id="before"))
    together = [
        session("a", "b", session_id="before"),
        session("a", "b", session_id="half", is_whole=False),
        session("b", "c", session_id="half"),
        session("a", session_id="half"),
        session(session_id="empty"),
    ]
    assert event_db.upload_all(together) == [
        upload(UploadState.UNCHANGED, 0, "before"),
        upload(UploadState.PARTIAL, 2, "half"),
        upload(UploadState.COMPLETED, 1, "half"),
        upload(UploadState.UNCHANGED, 0, "half"),
        upload(UploadState.COMPLETED, 0, "empty"),
    ]
    assert event_db.event_counts(["before", "half"]) == {"before": 1, "half": 3}
    assert event_db.complete_sessions(["before", "half", "empty"]) == {"before", "half", "empty"}
    assert event_db.upload_all([]) == []


def test_threads_may_share_it(event_db: EventDb) -> None:
    """Each session is uploaded four times at once, of which one counts."""
    ids = [f"AV11_V236_230717_111649_{number}" for number in range(30)] * 4
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda each: event_db.upload(session("a", "b", session_id=each)), ids))
    assert event_db.complete_sessions(ids) == set(ids)
    assert event_db.event_counts(set(ids)) == dict.fromkeys(ids, 2)


def comments(db: EventDb) -> dict[str, str]:
    table = db.table()
    return dict(zip(table["audio_tag"], table["comment"], strict=True))


def test_an_event_gets_what_was_said_as_its_comment(event_db: EventDb) -> None:
    event_db.upload(session("a", "b"))
    for text in ("It's wet.", "It's wet.", "It's wet, Zoë! 🌧", "ND", " ", "It's wet."):
        assert event_db.set_comment(ID, "a", text)
        assert comments(event_db) == {"a": text.strip() or "ND", "b": "ND"}


def test_a_comment_of_another_hand_stays(event_db: EventDb) -> None:
    event_db.upload(Session(session_id=ID, events=(event("a", comment="by hand"),)))
    assert not event_db.set_comment(ID, "a", "It's wet.")
    assert event_db.set_comment(ID, "a", "by hand")
    assert comments(event_db) == {"a": "by hand"}


def test_an_event_that_is_not_there_gets_no_comment(event_db: EventDb) -> None:
    event_db.upload(session("a"))
    assert not event_db.set_comment(ID, "b", "It's wet.")
    assert not event_db.set_comment("other", "a", "It's wet.")
    assert comments(event_db) == {"a": "ND"}


def test_an_upload_that_comes_again_leaves_the_comment(event_db: EventDb) -> None:
    event_db.upload(session("a", is_whole=False))
    event_db.set_comment(ID, "a", "It's wet.")
    event_db._create_event_in_session(ID, event("a"))
    event_db.upload(session("a", "b"))
    assert comments(event_db) == {"a": "It's wet.", "b": "ND"}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({}, ["1_1_a.wav", "2_1_b.wav", "3_1_a.wav", "4_1_a.wav"]),
        ({"session_id": "AV11_V1_230717_000000_1"}, ["1_1_a.wav", "2_1_b.wav"]),
        ({"session_id": "V9/AV11_V1_230717_000000_1"}, ["3_1_a.wav", "4_1_a.wav"]),
        ({"session_id": "never"}, []),
        ({"first": date(2023, 7, 18)}, ["3_1_a.wav"]),
        ({"last": date(2023, 7, 17)}, ["1_1_a.wav", "2_1_b.wav"]),
        ({"vehicle": "V2"}, ["2_1_b.wav"]),
        ({"annotation": "a", "last": date(2023, 7, 17)}, ["1_1_a.wav"]),
    ],
)
def test_events_are_found_by_what_is_asked_for(
    event_db: EventDb, search: dict[str, Any], found: list[str]
) -> None:
    def spoken(number: int, annotation: str, moment: str, vehicle: str = "V1") -> Event:
        return Event(
            session_id="AV11_V1_230717_000000_1",
            audio_tag=f"{number}_1_{annotation}.wav",
            annotation=annotation,
            timestamp=moment,
            vehicle_id=vehicle,
        )

    first = (spoken(1, "a", "2023-07-17 00:00:00"), spoken(2, "b", "2023-07-17 23:59:59", "V2"))
    second = (spoken(3, "a", "2023-07-18 00:00:00"), spoken(4, "a", "ND"))
    event_db.upload(Session(session_id="AV11_V1_230717_000000_1", events=first))
    event_db.upload(Session(session_id="V9/AV11_V1_230717_000000_1", events=second))
    rows = list(event_db.find_events(EventSearch(**search)))
    assert sorted(str(row["audio_tag"]) for row in rows) == found
    assert all(set(row) == set(event_db.columns) for row in rows)

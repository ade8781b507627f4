"""The event database in DynamoDB."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from more_itertools import constrained_batches

from ingest_pipeline.aws.items import Items
from ingest_pipeline.aws.resources import check_table
from ingest_pipeline.aws.tables import Tables, ThrottledError
from ingest_pipeline.records.tables import Condition, Index, Table
from ingest_pipeline.sessions.event_db.event_db import (
    Author,
    EventDb,
    EventDbError,
    EventDbUnavailableError,
    EventKey,
    EventSearch,
    Holding,
    Row,
)
from ingest_pipeline.sessions.event_db.limits import Limit
from ingest_pipeline.sessions.export import export
from ingest_pipeline.sessions.model import ND, TIMESTAMP_FORMAT, Event
from ingest_pipeline.sessions.names import MalformedNameError, parse_session_id
from ingest_pipeline.values import Frozen, Timestamp

if TYPE_CHECKING:
    import pandas as pd
    from types_boto3_dynamodb import DynamoDBClient

_T = TypeVar("_T")
_COMPLETE = "#complete"  # in the place of an audio tag, of which none is named so
_KEY = ("session_id", "audio_tag")
_BY_SESSION = Index(None, "session_id")
_IS_EVENT = Condition("attribute_not_exists(completed_at)")
_IS_UNMOVED_EVENT = Condition("attribute_not_exists(completed_at) AND attribute_not_exists(layout)")
_IS_NEW = Condition("attribute_not_exists(session_id)")
_IS_UNMOVED = Condition("attribute_exists(session_id) AND attribute_not_exists(layout)")
_COMMENT_IS_OURS = (
    "attribute_exists(session_id) AND (#comment IN (:nd, :text) OR #comment = transcript)"
)
_LAYOUT = "2"  # of the items: in the first one, `comment` was the driver's, of the whole drive
_MOVED = "#layout 2"  # in the place of a session: all items are of this layout
# An item takes 400 KB, its keys 2 KiB and 1 KiB: together these are less.
_LIMITS = {
    **dict.fromkeys(Event.model_fields, Limit(bytes=4 * 1024)),
    "comment": Limit(bytes=64 * 1024),  # twice: it stands as `transcript`, too
    "mission": Limit(bytes=128 * 1024),
    "session_id": Limit(bytes=2048),
    "audio_tag": Limit(bytes=1024),
}
_KEY_HASH = 65  # bytes at the end of a key that was cut
_CALL = 3_000_000  # bytes of events in one call, of which DynamoDB takes 4 MB
_PAGE = 1000  # items of one call where all are asked for
_SERVER_ERROR = 500
_PASSING = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}


class CompleteSession(Frozen):
    """The item that says that all of a session's events are in."""

    session_id: str
    completed_at: Timestamp


class SeenEvent(Frozen):
    """As much of an event's item as tells who wrote it."""

    session_id: str
    audio_tag: str
    layout: str | None = None


class DynamoEventDb(EventDb):
    """One table with HASH `session_id` and RANGE `audio_tag`, both strings; infra makes it.

    An item holds an event by the names of its fields, the `layout` of the item, and `transcript`:
    the comment that it was given last, if one was. The item of audio tag `#complete` is written
    after the events of its session. boto3 has asked several times before an error is raised.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str = "session_events") -> None:
        self._dynamodb = dynamodb
        self._tables = Tables(dynamodb)
        self._items = Items(dynamodb, table)
        self._name = table
        self._events = Table(
            table,
            Event,
            key=lambda event: _key(event.session_id, event.audio_tag),
            index=lambda _event: {"layout": _LAYOUT},
            condition=lambda _event: _IS_NEW,
        )
        self._seen = Table(table, SeenEvent, key=lambda seen: _key(seen.session_id, seen.audio_tag))
        self._complete = Table(
            table, CompleteSession, key=lambda session: _key(session.session_id, _COMPLETE)
        )

    def __repr__(self) -> str:
        return f"DynamoEventDb({self._name})"

    def connect(self) -> None:
        """See that the table is there, and its items of the layout of today."""
        self._translating(lambda: check_table(self._dynamodb, self._name))
        self._translating(self._move_items)

    def _move_items(self) -> None:
        """Move what the first version wrote; again after an interruption, nothing is moved twice.

        A comment's place was taken by the driver's words on the whole drive.
        """
        if self._tables.get(self._complete, _key(_MOVED, _COMPLETE)):
            return
        for event in self._all_events(_IS_UNMOVED_EVENT):
            change = {"mission": event.comment, "comment": ND, "layout": _LAYOUT}
            change |= _moment_of(event)
            self._items.update(_key(event.session_id, event.audio_tag), change, _IS_UNMOVED)
        self._create_sessions([_MOVED])

    def session_exists(self, session_id: str) -> bool:
        """Whether all events of the session are in the database."""
        return bool(self.complete_sessions([session_id]))

    def complete_sessions(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that exist, by one call for 100 of them."""
        wanted = set(session_ids)
        keys = [_key(session_id, _COMPLETE) for session_id in wanted]
        rows = self._translating(lambda: self._tables.get_many(self._complete, keys))
        found = {row.session_id for row in rows}
        return {each for each in wanted if _key(each, _COMPLETE)["session_id"] in found}

    def event_counts(self, session_ids: Iterable[str]) -> dict[str, int]:
        """How many events of each session are in the database, by one query a session."""
        return {
            session_id: self._translating(partial(self._event_count, session_id))
            for session_id in session_ids
        }

    def _event_count(self, session_id: str) -> int:
        partition = _key(session_id, _COMPLETE)["session_id"]
        return self._tables.count(self._events, _BY_SESSION, partition, _IS_EVENT)

    def table(self) -> "pd.DataFrame":
        """Every event by the names of its fields, in no order; reads the whole table."""
        return export(self._translating(lambda: [*self._all_events()]))

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of an event."""
        return tuple(Event.model_fields)

    def find_events(self, search: EventSearch) -> Iterator[Mapping[str, object]]:
        """Those of one session by a query; else reads the whole table, and tells in no order."""
        rows = (
            self._tables.query(self._events, _BY_SESSION, search.session_id, condition=_IS_EVENT)
            if search.session_id
            else self._all_events()
        )
        while (event := self._translating(lambda: next(rows, None))) is not None:
            if _fits(event, search):
                yield event.model_dump()

    def _all_events(self, condition: Condition = _IS_EVENT) -> Iterator[Event]:
        cursor: str | None = None
        while True:
            page = self._tables.scan(
                self._events, key=_KEY, limit=_PAGE, cursor=cursor, condition=condition
            )
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def _create_session(self, session_id: str) -> None:
        self._create_sessions([session_id])

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        now = datetime.now(UTC)
        rows = [
            CompleteSession(session_id=_key(each, _COMPLETE)["session_id"], completed_at=now)
            for each in session_ids
        ]
        self._translating(lambda: self._tables.put(self._complete, rows))

    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        self._create_events({(session_id, event.audio_tag): event})

    def _create_events(self, events: Mapping[EventKey, Event]) -> None:
        """Write events, 50 a call; one that is there already stays, it may have its comment."""
        rows = [_fitting(session_id, event) for (session_id, _tag), event in events.items()]
        for batch in constrained_batches(rows, _CALL, get_len=_size):
            self._translating(partial(self._tables.put, self._events, batch))

    def _cut(self, event: Event) -> list[str]:
        texts = event.model_dump()
        return [name for name, limit in _LIMITS.items() if limit.cut(texts[name]) != texts[name]]

    def _set_comment(self, session_id: str, audio_tag: str, text: str) -> bool:
        text = _LIMITS["comment"].cut(text)
        ours = Condition(_COMMENT_IS_OURS, {"#comment": "comment"}, {":nd": ND, ":text": text})
        change = {"comment": text, "transcript": text}
        return self._translating(
            lambda: self._items.update(_key(session_id, audio_tag), change, ours)
        )

    def _known_events(self, keys: Collection[EventKey]) -> set[EventKey]:
        by_key = {tuple(_key(*key).values()): key for key in keys}
        rows = self._translating(
            lambda: self._tables.get_many(self._events, [_key(*key) for key in keys])
        )
        return {by_key[row.session_id, row.audio_tag] for row in rows}

    def holdings(self, session_ids: Iterable[str]) -> dict[str, Holding]:
        """What is there of each session, by one query a session."""
        wanted = list(dict.fromkeys(session_ids))
        complete = self.complete_sessions(wanted)
        return {
            session_id: Holding(
                is_complete=session_id in complete,
                rows=tuple(self._translating(partial(self._rows, session_id))),
            )
            for session_id in wanted
        }

    def _rows(self, session_id: str) -> list[Row]:
        partition = _key(session_id, _COMPLETE)["session_id"]
        return [
            Row(
                author=Author.OURS if event.layout else Author.FIRST_VERSION,
                recording=event.audio_tag,
            )
            for event in self._tables.query(self._seen, _BY_SESSION, partition, condition=_IS_EVENT)
        ]

    def _translating(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (BotoCoreError, ThrottledError) as error:
            raise EventDbUnavailableError(f"{self!r}: {error}") from error
        except ClientError as error:
            kind = EventDbUnavailableError if _is_passing(error) else EventDbError
            raise kind(f"{self!r}: {error}") from error


def _fits(event: Event, search: EventSearch) -> bool:
    if search.first or search.last:
        if event.timestamp == ND:
            return False
        day = date.fromisoformat(event.timestamp[:10])
        if not (search.first or day) <= day <= (search.last or day):
            return False
    return search.vehicle in {"", event.vehicle_id} and search.annotation in {"", event.annotation}


def _key(session_id: str, audio_tag: str) -> dict[str, str]:
    return {
        "session_id": _fitting_key("session_id", session_id),
        "audio_tag": _fitting_key("audio_tag", audio_tag),
    }


def _fitting_key(name: str, text: str) -> str:
    """A key, cut where it is too long, with a hash that tells it from others cut alike."""
    limit = _LIMITS[name]
    if limit.cut(text) == text:
        return text
    begin = Limit(bytes=(limit.bytes or 0) - _KEY_HASH).cut(text)
    return f"{begin}#{sha256(text.encode()).hexdigest()}"


def _fitting(session_id: str, event: Event) -> Event:
    """An event as much of which as an item holds."""
    texts = event.model_dump()
    cut = {name: limit.cut(texts[name]) for name, limit in _LIMITS.items()}
    return event.model_copy(update=cut | _key(session_id, event.audio_tag))


def _size(event: Event) -> int:
    return len(event.model_dump_json())


def _moment_of(event: Event) -> dict[str, str]:
    """What an event of the first version lacks: it knew no moment where no log told it."""
    if event.timestamp_source != ND:
        return {}
    if event.timestamp != ND:
        return {"timestamp_source": "log"}
    try:
        started = parse_session_id(event.session_id.rpartition("/")[2]).started
    except MalformedNameError:
        return {"timestamp_source": "session"}
    return {
        "timestamp_source": "session",
        "timestamp": started.strftime(TIMESTAMP_FORMAT),
        "time": started.strftime("%H:%M:%S"),
        "date": started.strftime("%d/%m/%Y"),
    }


def _is_passing(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _SERVER_ERROR or error.response["Error"]["Code"] in _PASSING

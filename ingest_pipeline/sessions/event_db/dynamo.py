"""The event database in DynamoDB."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ingest_pipeline.aws.resources import check_table
from ingest_pipeline.aws.tables import Tables, ThrottledError
from ingest_pipeline.records.tables import Condition, Index, Table
from ingest_pipeline.sessions.event_db.event_db import (
    EventDb,
    EventDbError,
    EventDbUnavailableError,
    EventKey,
    EventSearch,
)
from ingest_pipeline.sessions.export import export
from ingest_pipeline.sessions.model import ND, Event
from ingest_pipeline.values import Frozen, Timestamp

if TYPE_CHECKING:
    import pandas as pd
    from types_boto3_dynamodb import DynamoDBClient

_T = TypeVar("_T")
_COMPLETE = "#complete"  # in the place of an audio tag, of which none is named so
_KEY = ("session_id", "audio_tag")
_BY_SESSION = Index(None, "session_id")
_IS_EVENT = Condition("attribute_not_exists(completed_at)")
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


class DynamoEventDb(EventDb):
    """One table with HASH `session_id` and RANGE `audio_tag`, both strings; infra makes it.

    An item holds an event by the names of its fields. The item of audio tag `#complete` is
    written after the events of its session. boto3 has asked several times before an error is
    raised.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str = "session_events") -> None:
        self._dynamodb = dynamodb
        self._tables = Tables(dynamodb)
        self._name = table
        self._events = Table(table, Event, key=lambda e: _key(e.session_id, e.audio_tag))
        self._complete = Table(
            table, CompleteSession, key=lambda session: _key(session.session_id, _COMPLETE)
        )

    def __repr__(self) -> str:
        return f"DynamoEventDb({self._name})"

    def connect(self) -> None:
        """See that the table is there."""
        self._translating(lambda: check_table(self._dynamodb, self._name))

    def session_exists(self, session_id: str) -> bool:
        """Whether all events of the session are in the database."""
        return bool(self.complete_sessions([session_id]))

    def complete_sessions(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that exist, by one call for 100 of them."""
        keys = [_key(session_id, _COMPLETE) for session_id in session_ids]
        rows = self._translating(lambda: self._tables.get_many(self._complete, keys))
        return {row.session_id for row in rows}

    def event_counts(self, session_ids: Iterable[str]) -> dict[str, int]:
        """How many events of each session are in the database, by one query a session."""
        return {
            session_id: self._translating(partial(self._event_count, session_id))
            for session_id in session_ids
        }

    def _event_count(self, session_id: str) -> int:
        return self._tables.count(self._events, _BY_SESSION, session_id, _IS_EVENT)

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

    def _all_events(self) -> Iterator[Event]:
        cursor: str | None = None
        while True:
            page = self._tables.scan(
                self._events, key=_KEY, limit=_PAGE, cursor=cursor, condition=_IS_EVENT
            )
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def _create_session(self, session_id: str) -> None:
        self._create_sessions([session_id])

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        now = datetime.now(UTC)
        rows = [CompleteSession(session_id=each, completed_at=now) for each in session_ids]
        self._translating(lambda: self._tables.put(self._complete, rows))

    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        self._create_events({(session_id, event.audio_tag): event})

    def _create_events(self, events: Mapping[EventKey, Event]) -> None:
        """Write events, 25 a call; one that is there already is written over with the same."""
        rows = [
            event.model_copy(update={"session_id": session_id})
            for (session_id, _tag), event in events.items()
        ]
        self._translating(lambda: self._tables.put(self._events, rows))

    def _known_events(self, keys: Collection[EventKey]) -> set[EventKey]:
        rows = self._translating(
            lambda: self._tables.get_many(self._events, [_key(*key) for key in keys])
        )
        return {(row.session_id, row.audio_tag) for row in rows}

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
    return {"session_id": session_id, "audio_tag": audio_tag}


def _is_passing(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _SERVER_ERROR or error.response["Error"]["Code"] in _PASSING

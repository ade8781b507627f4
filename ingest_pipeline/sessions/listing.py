"""The sessions on record, newest first: what lists and pages of them are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from heapq import merge
from typing import Annotated

from pydantic import Field, TypeAdapter

from ingest_pipeline.aws import cursors
from ingest_pipeline.aws.items import Page
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.tables import BY_DAY, Condition
from ingest_pipeline.sessions.model import SessionOutcome, SessionState
from ingest_pipeline.sessions.names import MalformedNameError, parse_session_id
from ingest_pipeline.sessions.records import BY_PLACE, SESSION_OUTCOMES, SessionRow, listing_of
from ingest_pipeline.values import Frozen, object_uri

_CALLS = 30  # of one list that look for the rows of a page
_MANY = 1000  # rows of a call where few may match
_PLACE = TypeAdapter(tuple[Annotated[str, Field(pattern=r"(?s)^\d{4}-\d{2}-\d{2}.*/$")]])
_KEY = TypeAdapter(dict[str, dict[str, str]])
_LAST_DAY = date(2100, 1, 1)  # behind all that folders of two-digit years can tell
_LAST_CHARACTER = "\U0010ffff"


class SessionSearch(Frozen):
    """Which sessions are asked for; what is left out matches everything."""

    vehicle: str = ""  # the name of its folder
    first: date | None = None  # the sessions' own days, on the vehicles' clocks
    last: date | None = None
    state: SessionState | None = None
    is_lacking: bool | None = None  # whether something is still to come, or to be mended


@dataclass(frozen=True)
class _Found:
    """A row, or with None the place up to which was looked in vain."""

    place: str
    row: SessionRow | None


@dataclass(frozen=True)
class SessionListing:
    """The sessions of a bucket."""

    tables: Tables
    bucket: str

    def page(
        self, search: SessionSearch, limit: int, cursor: str | None = None
    ) -> Page[SessionRow]:
        """Up to `limit` sessions; fewer, with a cursor, where many were looked at in vain.

        Raises:
            InvalidCursorError: the cursor is none that a page gave.
        """
        (before,) = cursors.decode(cursor, _PLACE) if cursor else (_end_of(search),)
        if _first_place(search) >= before:
            return Page([], None)
        lists = [
            self._newest_first(search, before, limit, is_lacking=is_lacking)
            for is_lacking in (True, False)
            if search.is_lacking in {None, is_lacking}
        ]
        rows: list[SessionRow] = []
        place = before
        for found in merge(*lists, key=lambda each: each.place, reverse=True):
            if len(rows) == limit:
                return Page(rows, cursors.encode([place]))
            place = found.place
            if found.row is None:
                return Page(rows, cursors.encode([place]))
            rows.append(found.row)
        return Page(rows, None)

    def all(self, search: SessionSearch) -> Iterator[SessionRow]:
        """Every session, fetched as they are asked for."""
        cursor: str | None = None
        while True:
            page = self.page(search, _MANY, cursor)
            yield from page.rows
            if (cursor := page.cursor) is None:
                return

    def find(self, name: str) -> SessionRow | None:
        """The session of an id as rows have it, or of a folder below the bucket."""
        folders = [_as_folder(name)]
        try:
            session = parse_session_id(name.rpartition("/")[2])
        except MalformedNameError:
            session = None
        if session:
            vehicle = name.rpartition("/")[0] or session.vehicle
            folders.append(f"{vehicle}/{session.started:%y%m%d/%H%M%S}/{name.rpartition('/')[2]}/")
        keys = [{"folder": object_uri(self.bucket, folder)} for folder in folders]
        rows = self.tables.get_many(SESSION_OUTCOMES, keys)
        if session and not rows:  # its folder may tell another time than its id
            day = f"{session.started:%Y-%m-%d}"
            in_bucket = _begins("folder", object_uri(self.bucket, ""))
            on_day = self.tables.query(SESSION_OUTCOMES, BY_DAY, day, within=in_bucket)
            rows = [row for row in on_day if row.session_id == name]
        return next(iter(rows), None)

    def _newest_first(
        self, search: SessionSearch, before: str, limit: int, *, is_lacking: bool
    ) -> Iterator[_Found]:
        """The rows of one list from behind a place; their number of calls is bounded."""
        condition = _condition(search, self.bucket)
        cursor, place = None, before
        for _ in range(_CALLS):
            page = self.tables.page(
                SESSION_OUTCOMES,
                BY_PLACE,
                listing_of(self.bucket, is_lacking=is_lacking),
                limit=_MANY if condition else limit + 1,
                cursor=cursor,
                newest_first=True,
                within=_within(search, before),
                condition=condition,
            )
            yield from (_Found(row.place, row) for row in page.rows)
            if page.cursor is None:
                return
            cursor = page.cursor
            place = _place_in(cursor)
        yield _Found(place, None)


def _place_in(cursor: str) -> str:
    """Where a cursor of the index points to."""
    return cursors.decode(cursor, _KEY)["place"]["S"]


def _as_folder(name: str) -> str:
    return f"{name.strip('/')}/"


def _end_of(search: SessionSearch) -> str:
    """A place behind all that are asked for; places begin with their day."""
    return f"{min(search.last or _LAST_DAY, _LAST_DAY) + timedelta(days=1)}"


def _first_place(search: SessionSearch) -> str:
    return f"{search.first or date.min}"


def _within(search: SessionSearch, before: str) -> Condition:
    """Places from the first day on and before a place; BETWEEN takes its ends in."""
    last = before[:-1] + chr(ord(before[-1]) - 1) + _LAST_CHARACTER
    return Condition(
        "#place BETWEEN :first AND :last",
        {"#place": "place"},
        {":first": _first_place(search), ":last": last},
    )


def _condition(search: SessionSearch, bucket: str) -> Condition | None:
    """What DynamoDB leaves out by itself."""
    conditions = []
    if search.vehicle:
        conditions.append(_begins("folder", object_uri(bucket, f"{search.vehicle}/")))
    if search.state:
        state = search.state.value
        conditions.append(Condition("#state = :state", {"#state": "state"}, {":state": state}))
    if not conditions:
        return None
    return Condition(
        " AND ".join(each.expression for each in conditions),
        {name: of for each in conditions for name, of in each.names.items()},
        {name: of for each in conditions for name, of in each.values.items()},
    )


def _begins(attribute: str, text: str) -> Condition:
    return Condition(
        f"begins_with(#{attribute}, :{attribute})",
        {f"#{attribute}": attribute},
        {f":{attribute}": text},
    )


def what_lacks(row: SessionOutcome) -> Iterator[str]:
    """What is still to come of a session, or to be mended, in words."""
    if not row.is_lacking:
        return
    if row.state is SessionState.AWAITED:
        yield "its upload report"
    if row.reason:
        yield f"{row.reason}: {row.detail}"
    if row.database_events is not None:
        yield f"the database holds {row.database_events} events instead of {row.events}"
    for problem in row.problems:
        if problem.is_passing:
            yield f"{problem.audio_tag}: {problem.reason}"

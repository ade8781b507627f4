"""The pages of driving sessions: which there are, what lacks, and what was said on each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from ingest_pipeline.api.dependencies import TheSystem
from ingest_pipeline.api.identity import Operator
from ingest_pipeline.api.pages import words
from ingest_pipeline.api.pages.cards import Chip
from ingest_pipeline.api.pages.rendering import PageRoute, page
from ingest_pipeline.api.pages.views import object_href
from ingest_pipeline.api.sessions import events_of, found_session, listing_of, vehicle_of
from ingest_pipeline.catalogue.history import run_url
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.sessions.listing import SessionSearch, what_lacks
from ingest_pipeline.sessions.model import ND, SessionState
from ingest_pipeline.sessions.records import SessionRow
from ingest_pipeline.system import System
from ingest_pipeline.values import Frozen

_PAGE = 50
_HOME = "/browse/sessions"
_INCOMPLETE = "incomplete"
_STATES = {
    SessionState.PROCESSED: "Taken in",
    SessionState.UNCHANGED: "Taken in",
    SessionState.SKIPPED: "Skipped",
    SessionState.AWAITED: "Awaited",
}
# The colours of objects' outcomes: what is well, what a person must see to, what comes by itself.
_TONES = {
    SessionState.PROCESSED: "indexed",
    SessionState.UNCHANGED: "indexed",
    SessionState.SKIPPED: "rejected",
    SessionState.AWAITED: "waiting",
}

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Operator])


class Asked(Frozen):
    """What the address of the list asks for; fields that are left empty ask nothing."""

    model_config = ConfigDict(extra="ignore")

    vehicle: str = Field("", max_length=255, pattern="^[^/]*$")
    first: date | None = None
    last: date | None = None
    show: str = Field("", pattern=f"^(|{_INCOMPLETE}|processed|skipped|awaited)$")
    cursor: str | None = Field(None, max_length=8192)

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """Read an address.

        Raises:
            RequestValidationError: something in it is nothing that can be asked.
        """
        try:
            return cls.model_validate({n: v for n, v in request.query_params.items() if v})
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error

    @property
    def search(self) -> SessionSearch:
        """The sessions that are asked for."""
        is_state = self.show not in {"", _INCOMPLETE}
        return SessionSearch(
            vehicle=self.vehicle,
            first=self.first,
            last=self.last,
            state=SessionState(self.show) if is_state else None,
            is_lacking=True if self.show == _INCOMPLETE else None,
        )

    def href(self, **changes: str | None) -> str:
        """The address of the list from its start, changed as said."""
        asked = self.model_dump(mode="json", exclude={"cursor"}) | changes
        query = {name: value for name, value in asked.items() if value}
        return f"{_HOME}?{urlencode(query, quote_via=quote)}" if query else _HOME


class SessionView(Frozen):
    """A session, in words."""

    name: str
    href: str
    vehicle: str
    day: str
    clock: str  # on the vehicle's clock
    state: str
    tone: str
    reason: str
    events: int
    lacking: tuple[str, ...]
    problems: tuple[str, ...]
    folder: str
    recorded: str
    run_url: str | None
    record: str  # as JSON


class EventView(Frozen):
    """An event, in words."""

    moment: str
    annotation: str
    transcript: str | None
    recording: str  # the audio tag
    page: str | None  # of its recording
    player: str | None  # where the recording plays from; None: it is not in the index
    facts: str


class DayView(Frozen):
    """The sessions of a day."""

    day: str
    sessions: tuple[SessionView, ...]


@router.get(_HOME)
def show_sessions(request: Request, system: TheSystem) -> Response:
    """The sessions on record, newest first, by day."""
    asked = Asked.of(request)
    found = listing_of(system).page(asked.search, _PAGE, asked.cursor)
    views = [_session_view(row, system) for row in found.rows]
    return page(
        request,
        "sessions.html",
        asked=asked,
        chips=list(_chips(asked)),
        days=[
            DayView(day=day, sessions=tuple(group))
            for day, group in groupby(views, key=lambda view: view.day)
        ],
        is_filtered=asked.href() != _HOME,
        is_first=asked.cursor is None,
        first_href=asked.href(),
        next_href=asked.href(cursor=found.cursor) if found.cursor else None,
        home=_HOME,
    )


@router.get(f"{_HOME}/{{session_id:key}}")
def show_session(
    request: Request, system: TheSystem, session_id: Annotated[str, Path(max_length=1024)]
) -> Response:
    """A session: what became of it, and its events with what was said."""
    row = found_session(system, session_id)
    events = events_of(system, row)
    return page(
        request,
        "session.html",
        session=_session_view(row, system),
        events=list(_event_views(system, row, events)),
        home=_HOME,
    )


def _chips(asked: Asked) -> Iterator[Chip]:
    shown = {
        "": "All",
        _INCOMPLETE: "Incomplete",
        "processed": "Taken in",
        "skipped": "Skipped",
        "awaited": "Awaited",
    }
    for show, text in shown.items():
        yield Chip(text=text, href=asked.href(show=show), is_chosen=show == asked.show)


def _session_view(row: SessionRow, system: System) -> SessionView:
    quoted = quote(row.session_id)
    return SessionView(
        name=words.visible(row.session_id),
        href=f"{_HOME}/{quoted}",
        vehicle=words.visible(vehicle_of(row)),
        day=row.day,
        clock=row.started.partition("T")[2],
        state="Incomplete" if _is_half(row) else _STATES[row.state],
        tone="waiting" if _is_half(row) else _TONES[row.state],
        reason=words.visible(": ".join(filter(None, (row.reason, row.detail)))),
        events=row.events,
        lacking=tuple(map(words.visible, what_lacks(row))),
        problems=tuple(words.visible(f"{each.audio_tag}: {each.reason}") for each in row.problems),
        folder=words.visible(row.folder),
        recorded=words.moment(row.recorded_at),
        run_url=run_url(system.config.dagster_link, row.run_id),
        record=f"/sessions/{quoted}",
    )


def _is_half(row: SessionRow) -> bool:
    return row.is_lacking and row.state is SessionState.PROCESSED


def _event_views(
    system: System, row: SessionRow, events: Sequence[Mapping[str, str | None]]
) -> Iterator[EventView]:
    bucket, _, prefix = row.folder.removeprefix("s3://").partition("/")
    tags = [event.get("audio_tag") for event in events]
    keys = [{"bucket": bucket, "file": prefix + tag} for tag in tags if tag]
    versions = {
        asset.file: asset.version
        for asset in system.tables.get_many(ASSETS, keys)
        if not asset.is_deleted
    }
    for event, tag in zip(events, tags, strict=True):
        key = f"{prefix}{tag}" if tag else None
        version = versions.get(key) if key else None
        query = urlencode({"key": key, "version": version}, quote_via=quote)
        yield EventView(
            moment=event["timestamp"] or ND,
            annotation=words.visible(event["annotation"] or ND),
            transcript=_known(event["comment"]),
            recording=words.visible(tag or event.get("sds_provider_id") or ND),
            page=object_href(bucket, key) if key and version else None,
            player=f"/content/{bucket}?{query}" if version else None,
            facts=_facts(event),
        )


def _known(text: str | None) -> str | None:
    return None if text in {None, "", ND} else words.visible(str(text))


def _facts(event: Mapping[str, str | None]) -> str:
    """Who drove, and where."""
    known = (_known(event.get(name)) for name in ("driver", "codriver", "country"))
    return " · ".join(filter(None, known))

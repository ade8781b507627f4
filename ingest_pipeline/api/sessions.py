"""Driving sessions: what became of each, and its events."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, BeforeValidator, Field

from ingest_pipeline.api.dependencies import Cursor, Limit, TheSystem
from ingest_pipeline.api.keys import fits
from ingest_pipeline.api.models import Message
from ingest_pipeline.catalogue.history import run_url
from ingest_pipeline.sessions.event_db.event_db import EventSearch
from ingest_pipeline.sessions.listing import SessionListing, SessionSearch, what_lacks
from ingest_pipeline.sessions.model import SessionState, TagProblem
from ingest_pipeline.sessions.records import SessionRow
from ingest_pipeline.system import System
from ingest_pipeline.values import Timestamp

_EXAMPLE_ID = "AV11_V236_230717_111649_62100"
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso(text: str) -> str:
    """Pydantic takes numbers for days, too."""
    if not _ISO_DAY.fullmatch(text):
        raise ValueError("a day is YYYY-MM-DD")
    return text


Day = Annotated[date, BeforeValidator(_iso)]
Vehicle = Annotated[
    str, Query(max_length=255, pattern="^[^/]*$", description="The name of its folder.")
]

router = APIRouter(tags=["sessions"])


class PublicSession(BaseModel):
    """A driving session, as its last run left it."""

    session_id: str = Field(
        description="Its id; the vehicle of its folder and a slash before it where that is another "
        "than the id's.",
        examples=[_EXAMPLE_ID],
    )
    vehicle: str = Field(description="The name of its folder.")
    started: str = Field(description="On the vehicle's clock, which tells no time zone.")
    folder: str = Field(description="s3://bucket/prefix")
    state: SessionState = Field(
        description="`processed`, `skipped` (see `reason`), `awaited` (its upload report is still "
        "to come) or `unchanged`."
    )
    reason: str | None
    detail: str
    is_complete: bool
    lacking: list[str] = Field(description="What is still to come, or to be mended, in words.")
    event_count: int
    problems: list[TagProblem] = Field(description="Audio tags that became no event.")
    report_at: Timestamp | None = Field(description="When the report that counts was put.")
    recorded_at: Timestamp
    run_url: str | None = Field(description="The run in the Dagster UI.")

    @classmethod
    def of(cls, row: SessionRow, ui_url: str) -> "PublicSession":
        """Show a row."""
        return cls(**_shown(row, ui_url))


class WholeSession(PublicSession):
    """A driving session with its events."""

    events: list[dict[str, str | None]] = Field(
        description="By the columns of the event database, in the order of their timestamps."
    )


class Sessions(BaseModel):
    """A page of sessions, newest first."""

    sessions: list[PublicSession]
    cursor: str | None = Field(
        description="Where the next page starts; null when this is the last. A page may be short, "
        "or empty, and still have a next one."
    )


def _shown(row: SessionRow, ui_url: str) -> dict[str, Any]:
    return {
        "session_id": row.session_id,
        "vehicle": vehicle_of(row),
        "started": row.started or row.day,
        "folder": row.folder,
        "state": row.state,
        "reason": row.reason,
        "detail": row.detail,
        "is_complete": row.is_complete,
        "lacking": list(what_lacks(row)),
        "event_count": row.events,
        "problems": row.problems,
        "report_at": row.report_at,
        "recorded_at": row.recorded_at,
        "run_url": run_url(ui_url, row.run_id),
    }


def vehicle_of(row: SessionRow) -> str:
    """The name of a session's vehicle, as its folder has it."""
    return row.folder.removeprefix("s3://").split("/")[1]


def listing_of(system: System) -> SessionListing:
    """The sessions of our bucket."""
    return SessionListing(system.tables, system.config.session_bucket)


def events_of(system: System, row: SessionRow) -> list[dict[str, str | None]]:
    """The events of a session as text, in the order of their timestamps."""
    with system.event_db() as database:
        found = list(database.find_events(EventSearch(session_id=row.session_id)))
    events = [
        {name: None if value is None else str(value) for name, value in event.items()}
        for event in found
    ]
    return sorted(events, key=lambda event: (event["timestamp"] or "", event["audio_tag"] or ""))


@router.get("/sessions", responses={400: {"model": Message}})
def list_sessions(
    system: TheSystem,
    *,
    vehicle: Vehicle = "",
    first: Annotated[
        Day | None, Query(alias="from", description="The sessions' own first day.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, included.")] = None,
    state: Annotated[SessionState | None, Query(description="What became of it.")] = None,
    incomplete: Annotated[
        Literal["true", "false"] | None,
        Query(description="Whether something is still to come, or to be mended."),
    ] = None,
    limit: Annotated[int, Limit] = 100,
    cursor: Cursor = None,
) -> Sessions:
    """The sessions on record, newest first."""
    if first and last and last < first:
        raise HTTPException(400, "`to` is before `from`")
    search = SessionSearch(
        vehicle=vehicle,
        first=first,
        last=last,
        state=state,
        is_lacking=None if incomplete is None else incomplete == "true",
    )
    page = listing_of(system).page(search, limit, cursor)
    ui_url = system.config.dagster_link
    return Sessions(
        sessions=[PublicSession.of(row, ui_url) for row in page.rows], cursor=page.cursor
    )


@router.get("/sessions/{session_id:key}", responses={404: {"model": Message}})
def get_session(
    system: TheSystem,
    session_id: Annotated[
        str,
        Path(
            max_length=1024,
            description="Its id, percent-encoded; `/` may stand as it is. Its folder does, too.",
            examples=[_EXAMPLE_ID],
        ),
    ],
) -> WholeSession:
    """A session with its events."""
    row = found_session(system, session_id)
    shown = _shown(row, system.config.dagster_link)
    return WholeSession(**shown, events=events_of(system, row))


def found_session(system: System, session_id: str) -> SessionRow:
    """A session by its id or folder.

    Raises:
        HTTPException: there is none, 404.
    """
    row = listing_of(system).find(session_id) if fits(session_id) else None
    if row is None:
        raise HTTPException(404, "there is no such session on record")
    return row

"""What an event database must do, whatever it is made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ingest_pipeline.errors import IngestError, MistakeError, TransientError
from ingest_pipeline.sessions.model import ND, Event, Session
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")
EventKey = tuple[str, str]  # session id, audio tag


class EventDbError(IngestError):
    """The database refused; asking again does not help."""


class EventDbUnavailableError(EventDbError, TransientError):
    """The database gave no answer, also when asked again; passing, the work may be repeated."""


class EventDbUrlError(MistakeError, ValueError):
    """A URL names no event database that we know; the message does not repeat it."""


class UploadState(StrEnum):
    """How a session stands in the database after an upload."""

    COMPLETED = "completed"  # all of its events are in
    PARTIAL = "partial"  # the events given are in, more are to come
    UNCHANGED = "unchanged"  # it was complete before


class Upload(Frozen):
    """What an upload did."""

    session_id: str
    state: UploadState
    new_events: int  # written now; others were there before
    cut: tuple[str, ...] = ()  # the columns that take less than the session's events say


class Author(StrEnum):
    """Who wrote a row of the events."""

    OLD_JOB = "old job"  # or another program that is not ours
    FIRST_VERSION = "our first version"  # not moved yet: `connect` does
    OURS = "ours"


class Row(Frozen):
    """A row of the events, as far as it tells whose it is."""

    author: Author
    recording: str  # its path below the session, of the old job's its name; empty: not told


class Holding(Frozen):
    """What a database holds of a session."""

    is_complete: bool = False  # as we know it: all of its events are in
    rows: tuple[Row, ...] = ()

    @property
    def is_of_old_job(self) -> bool:
        """Whether the old job took it in: such a session counts as whole."""
        return any(row.author is Author.OLD_JOB for row in self.rows)


class EventSearch(Frozen):
    """Which events are asked for; what is left out matches everything."""

    session_id: str = ""  # as of a Session
    first: date | None = None  # days of the events' timestamps; one without has no day
    last: date | None = None
    vehicle: str = ""
    annotation: str = ""


class EventDb(ABC):
    """A database of sessions and their events; threads may share one.

    An event is known by its session and audio tag: written again, it stays as it is. A session
    exists only when it is complete: it is created after its events, so one whose upload was
    interrupted is finished by the next upload, with nothing twice.

    Implementations that can write many rows at a time, or know transactions, override
    `_create_events`, `_create_sessions`, `_known_events`, `complete_sessions` and
    `_in_transaction`; those that can read events, `event_counts`, `columns`, `find_events`, `table`
    and `holdings`; those that can change one, `_set_comment`; those with limits, `_cut`; those that
    another program writes, too, `sessions_of_old_job`.

    Every method raises EventDbUnavailableError for what passes, and EventDbError for the rest.
    """

    @abstractmethod
    def connect(self) -> None:
        """Reach the database and bring its tables up to date; before anything else."""

    def close(self) -> None:  # noqa: B027 - not every database holds something
        """Give back what `connect` took."""

    @abstractmethod
    def session_exists(self, session_id: str) -> bool:
        """Whether all events of the session are in the database.

        One of which the old job wrote a row counts as whole.
        """

    def complete_sessions(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that exist."""
        return set(filter(self.session_exists, session_ids))

    def sessions_of_old_job(self, _session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions of which another program than ours has written rows."""
        return set()

    def event_counts(self, session_ids: Iterable[str]) -> dict[str, int]:
        """How many events of each session are in the database; those without any may lack."""
        raise NotImplementedError(f"{type(self).__name__} does not count events")

    def table(self) -> "pd.DataFrame":
        """Every event, a row each, in the columns of this database."""
        raise NotImplementedError(f"{type(self).__name__} does not list events")

    def holdings(self, session_ids: Iterable[str]) -> dict[str, Holding]:
        """What is there of each session, and by whom; needs no `connect`, and changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} does not tell who wrote what")

    def set_comment(self, session_id: str, audio_tag: str, text: str) -> bool:
        """Write down what was said in the recording of an event, as its comment.

        The text takes the place of "ND" or of one that this method wrote before; "ND" is written
        where it is blank. Returns whether the event has the text now. It has not where uploads
        have not written the event (yet), or where somebody else has written a comment: those of
        other programs stay.
        """
        return self._set_comment(session_id, audio_tag, text.strip() or ND)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what `find_events` tells of each."""
        raise NotImplementedError(f"{type(self).__name__} does not list events")

    def find_events(self, search: EventSearch) -> Iterator[Mapping[str, object]]:
        """The events that are asked for, by the names of columns, fetched as they are taken."""
        raise NotImplementedError(f"{type(self).__name__} does not list events")

    def upload(self, session: Session) -> Upload:
        """Write the events of a session that are not there yet.

        A session that is whole is complete from then on, and not looked at again unless it is
        amended. One that is not stays open for the events still to come.
        """
        (upload,) = self.upload_all([session])
        return upload

    def upload_all(self, sessions: Sequence[Session]) -> list[Upload]:
        """Upload sessions together, all or none where the database knows transactions.

        25 sessions of 3 events are 5 statements instead of 100.
        """
        return self._in_transaction(partial(self._write, sessions))

    def _write(self, sessions: Sequence[Session]) -> list[Upload]:
        amended = {session.session_id for session in sessions if session.is_amended}
        complete = self.complete_sessions(session.session_id for session in sessions) - amended
        known = self._known_events(
            [
                (session.session_id, event.audio_tag)
                for session in sessions
                if session.session_id not in complete
                for event in session.events
            ]
        )
        new_events: dict[EventKey, Event] = {}
        new_sessions: list[str] = []
        uploads = []
        for session in sessions:
            session_id = session.session_id
            if session_id in complete:
                uploads.append(_upload(session_id, UploadState.UNCHANGED))
                continue
            events = {(session_id, event.audio_tag): event for event in session.events}
            new = {key: event for key, event in events.items() if key not in known}
            new_events |= new
            known |= new.keys()
            if session.is_whole:
                complete.add(session_id)
                new_sessions.append(session_id)
            state = UploadState.COMPLETED if session.is_whole else UploadState.PARTIAL
            cut = dict.fromkeys(name for each in events.values() for name in self._cut(each))
            uploads.append(_upload(session_id, state, len(new), tuple(cut)))
        self._create_events(new_events)
        self._create_sessions(new_sessions)
        return uploads

    @abstractmethod
    def _create_session(self, session_id: str) -> None:
        """Record that all events of the session are in; again, nothing changes."""

    @abstractmethod
    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        """Write an event, unless the session has one of this audio tag."""

    def _create_events(self, events: Mapping[EventKey, Event]) -> None:
        """Write events, unless their sessions have ones of these audio tags."""
        for (session_id, _audio_tag), event in events.items():
            self._create_event_in_session(session_id, event)

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        """Record that all events of these sessions are in."""
        for session_id in session_ids:
            self._create_session(session_id)

    def _known_events(self, _keys: Collection[EventKey]) -> set[EventKey]:
        """Those of the events that are in; at least none, it only saves work."""
        return set()

    def _cut(self, _event: Event) -> Iterable[str]:
        """The columns that take less than the event says."""
        return ()

    def _set_comment(self, _session_id: str, _audio_tag: str, _text: str) -> bool:
        """Do what `set_comment` says, with a text that is not blank."""
        raise NotImplementedError(f"{type(self).__name__} changes no comments")

    def _in_transaction(self, work: Callable[[], _T]) -> _T:
        """Do the work with all of its writes or none, as far as the database can."""
        return work()


def _upload(
    session_id: str, state: UploadState, new_events: int = 0, cut: tuple[str, ...] = ()
) -> Upload:
    return Upload(session_id=session_id, state=state, new_events=new_events, cut=cut)

"""What an event database must do, whatever it is made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ingest_pipeline.media.model import Frozen
from ingest_pipeline.sessions.model import Event, Session

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")


class EventDbError(Exception):
    """The database refused; asking again does not help."""


class EventDbUnavailableError(EventDbError):
    """The database gave no answer, also when asked again; passing, the work may be repeated."""


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


class EventDb(ABC):
    """A database of sessions and their events; threads may share one.

    An event is known by its session and audio tag: written again, it stays as it is. A session
    exists only when it is complete: it is created after its events, so one whose upload was
    interrupted is finished by the next upload, with nothing twice.

    Implementations that can write more than one event at a time, or know transactions, override
    `_create_events`, `_known_tags`, `complete_sessions` and `_in_transaction`; those that can read
    events, `event_counts` and `table`.

    Every method raises EventDbUnavailableError for what passes, and EventDbError for the rest.
    """

    @abstractmethod
    def connect(self) -> None:
        """Reach the database and bring its tables up to date; before anything else."""

    def close(self) -> None:  # noqa: B027 - not every database holds something
        """Give back what `connect` took."""

    @abstractmethod
    def session_exists(self, session_id: str) -> bool:
        """Whether all events of the session are in the database."""

    def complete_sessions(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that exist."""
        return set(filter(self.session_exists, session_ids))

    def event_counts(self, session_ids: Iterable[str]) -> dict[str, int]:
        """How many events of each session are in the database; those without any may lack."""
        raise NotImplementedError(f"{type(self).__name__} does not count events")

    def table(self) -> "pd.DataFrame":
        """Every event, a row each, in the columns of this database."""
        raise NotImplementedError(f"{type(self).__name__} does not list events")

    def upload(self, session: Session) -> Upload:
        """Write the events of a session that are not there yet.

        A session that is whole is complete from then on and never looked at again. One that is
        not stays open for the events still to come.
        """
        return self._in_transaction(partial(self._write, session))

    def _write(self, session: Session) -> Upload:
        if self.session_exists(session.session_id):
            return Upload(session_id=session.session_id, state=UploadState.UNCHANGED, new_events=0)
        known = self._known_tags(session.session_id, [e.audio_tag for e in session.events])
        new = {e.audio_tag: e for e in session.events if e.audio_tag not in known}
        self._create_events(session.session_id, [*new.values()])
        if session.is_whole:
            self._create_session(session.session_id)
        state = UploadState.COMPLETED if session.is_whole else UploadState.PARTIAL
        return Upload(session_id=session.session_id, state=state, new_events=len(new))

    @abstractmethod
    def _create_session(self, session_id: str) -> None:
        """Record that all events of the session are in; again, nothing changes."""

    @abstractmethod
    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        """Write an event, unless the session has one of this audio tag."""

    def _create_events(self, session_id: str, events: Sequence[Event]) -> None:
        """Write events, unless the session has ones of these audio tags."""
        for event in events:
            self._create_event_in_session(session_id, event)

    def _known_tags(self, _session_id: str, _audio_tags: Collection[str]) -> set[str]:
        """Those of the audio tags whose events are in; at least none, it only saves work."""
        return set()

    def _in_transaction(self, work: Callable[[], _T]) -> _T:
        """Do the work with all of its writes or none, as far as the database can."""
        return work()

"""What takes session events beside the database, for those who search them elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ingest_pipeline.errors import MistakeError, TransientError
from ingest_pipeline.sessions.model import Session

EventKey = tuple[str, str]  # session id, audio tag


class EventSinkUnavailableError(TransientError):
    """The sink did not take everything, and may later; the work may be repeated."""


class EventSinkUrlError(MistakeError, ValueError):
    """A URL names no event sink that we know; the message does not repeat it."""


class EventSink(ABC):
    """A place that has each event once, by its session and audio tag; threads may share one."""

    @abstractmethod
    def write(self, sessions: Sequence[Session]) -> Mapping[EventKey, str]:
        """Write the events of sessions; those that it refuses for good, with the reason.

        Written again, an event is the same one. A comment that came meanwhile stays, unless the
        event brings one of its own.

        Raises:
            EventSinkUnavailableError: some are not written, and may be later.
        """

    @abstractmethod
    def set_comments(self, comments: Mapping[EventKey, str]) -> Mapping[EventKey, str]:
        """Write what was said in recordings, known later than their events; what is refused.

        Of an event that is not there yet the comment waits for it.

        Raises:
            EventSinkUnavailableError: some are not written, and may be later.
        """

    def close(self) -> None:  # noqa: B027 - not every sink holds something
        """Give back what it holds."""

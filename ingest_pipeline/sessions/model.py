"""The words for a session: its id, its events, and what became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from ingest_pipeline.errors import RefusedError
from ingest_pipeline.values import Frozen, Timestamp

ND: Final = "ND"  # a value that nobody determined
TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S"


def _timestamp(text: str) -> str:
    if text != ND:
        datetime.strptime(text, TIMESTAMP_FORMAT)  # noqa: DTZ007 - vehicles log their local time
    return text


class Event(Frozen):
    """A moment that somebody in the vehicle spoke about, known by its session and audio tag."""

    vehicle_id: str = ND
    sw_release: str = ND
    session_id: str = ND
    country: str = ND
    city: str = ND
    map_version: str = ND
    driver: str = ND
    codriver: str = ND
    time: str = ND  # HH:MM:SS of the timestamp, the vehicle's clock
    date: str = ND  # DD/MM/YYYY of the timestamp
    annotation: str = ND
    takeover: str = ND
    comment: str = ND
    audio_tag: str = ND  # path of the recording below the session
    link_to_audio_file: str = ND  # s3://bucket/key
    mission: str = ND
    remote_path: str = ND  # key in the bucket
    local_path: str = ND  # of the downloaded recording
    file_url: str = ND  # HTTP address of the recording, for those who may read the bucket
    timestamp: Annotated[str, AfterValidator(_timestamp)] = ND  # %Y-%m-%d %H:%M:%S
    timestamp_source: Literal["log", "session", "ND"] = ND  # session: its start, as no log tells


class TagProblem(Frozen):
    """An audio tag that became no event."""

    audio_tag: str
    reason: str
    is_passing: bool = False  # a later run may find it mended: the recording is not uploaded yet


class Session(Frozen):
    """What a database takes in; `is_whole` is False while events are still to come."""

    session_id: str  # where it lies in another vehicle's folder, with that before it and a slash
    events: tuple[Event, ...]
    is_whole: bool = True
    is_amended: bool = False  # a report that is newer than the one it was complete by


class SkipReason(StrEnum):
    """Why a session gave no events."""

    NO_EVENTS = "No Events"  # its report lists no audio tag
    MISSING_METADATA = "Missing metadata"  # on record only: no drive_info is no obstacle any more
    NO_EVENT_READABLE = "Unable to get event"  # it has audio tags, and each has a problem
    MALFORMED_ID = "Malformed session id"
    MALFORMED_REPORT = "Malformed report"
    SEVERAL_REPORTS = "Several reports"  # on record only: the newest counts
    UNREADABLE = "Unreadable in S3"
    REFUSED = "Refused by the database"
    UNDETERMINED = "ND"  # unforeseen; the detail and the log have the error


class SessionSkippedError(RefusedError):
    """A session gives no events; carries the reason, what is known of it, and the country."""

    def __init__(
        self,
        reason: SkipReason,
        detail: str,
        problems: tuple[TagProblem, ...] = (),
        country: str = ND,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.problems = problems
        self.country = country


class SessionState(StrEnum):
    """What a run did with a session."""

    PROCESSED = "processed"  # its events are in the database
    SKIPPED = "skipped"  # it gave no events; the reason says why
    UNCHANGED = "unchanged"  # it was complete before
    AWAITED = "awaited"  # it has no report: not uploaded yet


class SessionOutcome(Frozen):
    """What became of one session in one run."""

    session_id: str  # as of a Session
    folder: str  # s3://bucket/prefix
    state: SessionState
    reason: SkipReason | None = None  # of a skipped one
    detail: str = ""  # the reason in full; what is to be known of one that was taken in
    country: str = ND  # where it was driven, as far as its report was read
    events: int = 0  # events of the session in the database now, as far as this run knows
    new_events: int = 0  # written by this run
    database_events: int | None = None  # in the database, where it holds another number
    timeless_events: int = 0  # those whose time no log tells: they have the session's start
    problems: tuple[TagProblem, ...] = ()
    is_complete: bool = False  # False: a later run looks at it again
    report_at: Timestamp | None = None  # when the report that counts was put; None: none is known

    @property
    def is_lacking(self) -> bool:
        """Whether something of it is still to come, or to be mended.

        One whose report lists no audio tag lacks nothing, though a later run looks again.
        """
        return not self.is_complete and self.reason is not SkipReason.NO_EVENTS

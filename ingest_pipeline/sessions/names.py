"""What the names of folders, sessions and audio tags tell."""

import re
from datetime import date, datetime, time

from ingest_pipeline.errors import RefusedError
from ingest_pipeline.values import Frozen

# [0-9] and not \d, which takes the digits of any script.
_DATE_OR_TIME = re.compile(r"[0-9]{6}")
_SESSION_ID = re.compile(
    r"(?P<release>.+?)_(?P<vehicle>[^_]+)_(?P<start>[0-9]{6}_[0-9]{6})(_(?P<number>.*))?",
    re.DOTALL,
)
_TAG = re.compile(r"(?P<frame>[0-9]+)_.+_(?P<annotation>[^_]+)\.wav", re.IGNORECASE | re.DOTALL)
_DISPLAY_LOGS = "AV_logs/DisplayLogs/"


class MalformedNameError(RefusedError):
    """A name is not formed as agreed; the message names it and the form."""


class SessionId(Frozen):
    """`AV11_V236_230717_111649_62100`: release, vehicle, date, time and mostly a number."""

    release: str
    vehicle: str
    started: datetime  # the vehicle's clock
    number: str = ""  # whatever follows the time, if anything does


class TagName(Frozen):
    """`<frame>_<n>_<annotation>.wav`; the annotation is what follows the last underscore."""

    frame: str  # digits, without leading zeros
    annotation: str


def is_date_or_time(folder: str) -> bool:
    """Whether a folder's name has the six digits of a date or a time, real or not."""
    return _DATE_OR_TIME.fullmatch(folder) is not None


def parse_date(folder: str) -> date:
    """The date of `YYMMDD`.

    Raises:
        MalformedNameError: there is no such date.
    """
    return _parse(folder, "%y%m%d", "date YYMMDD").date()


def parse_time(folder: str) -> time:
    """The time of `HHMMSS`.

    Raises:
        MalformedNameError: there is no such time.
    """
    return _parse(folder, "%H%M%S", "time HHMMSS").time()


def parse_session_id(session_id: str) -> SessionId:
    """The parts of a session id; a release may have underscores itself, a number may lack.

    Raises:
        MalformedNameError: it is not formed so, or its date or time does not exist.
    """
    match = _SESSION_ID.fullmatch(session_id)
    if match is None:
        raise MalformedNameError(
            f"{session_id!r} does not begin with <release>_<vehicle>_<YYMMDD>_<HHMMSS>"
        )
    return SessionId(
        release=match["release"],
        vehicle=match["vehicle"],
        started=_parse(match["start"], "%y%m%d_%H%M%S", "date and time"),
        number=match["number"] or "",
    )


def _parse(text: str, form: str, what: str) -> datetime:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - vehicles tell no time zone
    except ValueError:
        raise MalformedNameError(f"{text!r} is no {what}") from None


def is_audio_tag(path: str) -> bool:
    """Whether a file of a session is an audio tag."""
    return path.lower().endswith(".wav")


def parse_tag(path: str) -> TagName:
    """The parts of an audio tag's file name.

    Raises:
        MalformedNameError: it is not formed so.
    """
    name = path.rpartition("/")[2]
    match = _TAG.fullmatch(name)
    if match is None:
        raise MalformedNameError(f"{name!r} is not <frame>_<n>_<annotation>.wav")
    return TagName(frame=match["frame"].lstrip("0") or "0", annotation=match["annotation"])


def display_logs_folders(audio_tag: str) -> tuple[str, ...]:
    """Where a tag's logs may lie below its session: beside the tag's folder, or one level higher.

    The way up ends at the session: the logs of its neighbours tell nothing of it.
    """
    folders = audio_tag.split("/")[:-1]
    places = ("/".join([*folders[:-up], _DISPLAY_LOGS]) for up in (1, 2))
    return tuple(dict.fromkeys(places))


def is_display_log(path: str) -> bool:
    """Whether a file of a session is a log that event times are read from."""
    return path.endswith(".log") and f"/{_DISPLAY_LOGS}" in f"/{path}"

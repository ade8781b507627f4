"""Sessions in a bucket: `<VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/...`."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from ingest_pipeline.aws.objects.listing import ListedFile, list_files, list_folders
from ingest_pipeline.sessions.names import (
    MalformedNameError,
    is_audio_tag,
    is_date_or_time,
    is_display_log,
    parse_date,
    parse_session_id,
    parse_time,
)
from ingest_pipeline.values import Frozen, object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_REPORT = "logged_Upload_Report.json"
_LEVELS = 4  # vehicle, date, time, session


class Timeframe(Frozen):
    """From `start` to `end`, both included, on the vehicles' clocks (no time zone)."""

    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start.tzinfo or self.end.tzinfo:
            raise ValueError("folders tell no time zone: give times without one")
        if self.end < self.start:
            raise ValueError(f"it ends {self.end}, before it starts {self.start}")
        return self

    @classmethod
    def of_days(cls, first: date, last: date) -> Self:
        """Whole days, both included."""
        return cls(start=datetime.combine(first, time.min), end=datetime.combine(last, time.max))

    @classmethod
    def last_days(cls, days: int, until: date) -> Self:
        """That many whole days, the last of them `until`."""
        return cls.of_days(until - timedelta(days=days - 1), until)

    def has_day(self, day: date) -> bool:
        """Whether a part of the day lies in it."""
        return self.start.date() <= day <= self.end.date()

    def has(self, moment: datetime) -> bool:
        """Whether the moment, exact to the second, lies in it."""
        return self.start.replace(microsecond=0) <= moment <= self.end


@dataclass(frozen=True)
class FoundSession:
    """A session's folder and those of its files that tell of events."""

    bucket: str
    prefix: str  # the folder, ending in a slash
    session_id: str  # the folder's name
    reports: tuple[ListedFile, ...]  # one when it is uploaded, none before, seldom several
    audio_tags: frozenset[str]  # paths below the folder
    display_logs: tuple[str, ...]  # paths below the folder, those with content, sorted

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return object_uri(self.bucket, self.prefix)

    @property
    def identity(self) -> str:
        """What tells it from every other: its id, which names the vehicle of its folder.

        One that lies in the folder of another vehicle has that folder's name before it: the same
        id may stand in both.
        """
        return session_identity(self.prefix)

    @property
    def report(self) -> ListedFile | None:
        """The report that counts: the newest."""
        return max(self.reports, key=lambda file: (file.modified, file.key), default=None)


class FolderProblem(Frozen):
    """A folder of which a date or a time is none; what is below it is not looked at."""

    folder: str  # s3://bucket/prefix
    reason: str


def find_sessions(
    s3: "S3Client", bucket: str, timeframe: Timeframe
) -> Iterator[FoundSession | FolderProblem]:
    """Sessions whose folders lie in the timeframe, in the order of their keys.

    The bucket is never listed whole: one listing names the vehicles, one a vehicle the dates, one
    the dates in the timeframe that stand side by side everything below them; neither a day nor a
    session costs a call of its own. Folders of other names are passed over.
    """
    for vehicle in list_folders(s3, bucket, ""):
        folders = list_folders(s3, bucket, vehicle)
        for is_wanted, group in groupby(folders, key=partial(_is_day_of, timeframe)):
            side_by_side = list(group)
            if is_wanted:
                first, last = side_by_side[0], side_by_side[-1]
                yield from _sessions_between(s3, bucket, first, last, timeframe)
            else:
                yield from _problems_with_dates(bucket, side_by_side)


def find_session(s3: "S3Client", bucket: str, folder: str) -> FoundSession | FolderProblem:
    """The session that a folder belongs to, given as a prefix with its slash; one listing tells.

    A folder with nothing in it is a session without report, and not a problem.
    """
    try:
        prefix = session_prefix(folder)
    except MalformedNameError as error:
        return _problem(bucket, folder, error)
    return _session(bucket, prefix, list_files(s3, bucket, prefix))


def is_report(key: str) -> bool:
    """Whether a file tells by its name that its session is uploaded."""
    return key.endswith(_REPORT)


def session_prefix(key: str) -> str:
    """The folder of the session that a file belongs to, with its slash.

    Raises:
        MalformedNameError: the file does not lie in `<VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/`.
    """
    folders = key.split("/")[:_LEVELS]
    if key.count("/") < _LEVELS or not all(folders):
        raise MalformedNameError(f"{key!r} is not below <VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/")
    prefix = "".join(f"{folder}/" for folder in folders)
    session_start(prefix)
    return prefix


def session_identity(prefix: str) -> str:
    """What tells the session of a folder from every other; see `FoundSession.identity`."""
    vehicle, _day, _time, session_id, *_ = prefix.split("/")
    is_named = f"_{vehicle}_".casefold() in session_id.casefold()
    return session_id if is_named else f"{vehicle}/{session_id}"


def session_start(prefix: str) -> datetime:
    """When a session started, as its folders say; its id where the six digits are no time.

    Raises:
        MalformedNameError: the folders are no date and time, and the id does not help.
    """
    _vehicle, day, clock, session_id, *_ = prefix.split("/")
    return datetime.combine(parse_date(day), _clock(clock, session_id))


def _clock(folder: str, session_id: str) -> time:
    try:
        return parse_time(folder)
    except MalformedNameError:
        if is_date_or_time(folder):
            with suppress(MalformedNameError):
                return parse_session_id(session_id).started.time()
        raise


def _is_day_of(timeframe: Timeframe, folder: str) -> bool:
    name = folder.split("/")[-2]
    try:
        return is_date_or_time(name) and timeframe.has_day(parse_date(name))
    except MalformedNameError:
        return False


def _problems_with_dates(bucket: str, folders: Iterable[str]) -> Iterator[FolderProblem]:
    """Those of the folders that have the six digits of a date and are none."""
    for folder in folders:
        name = folder.split("/")[-2]
        try:
            if is_date_or_time(name):
                parse_date(name)
        except MalformedNameError as error:
            yield _problem(bucket, folder, error)


def _sessions_between(
    s3: "S3Client", bucket: str, first: str, last: str, timeframe: Timeframe
) -> Iterator[FoundSession | FolderProblem]:
    """The sessions of date folders of one vehicle, between which no other folder lies."""
    vehicle, *_ = first.split("/")
    until_last = takewhile(
        lambda file: file.key.startswith(last) or file.key < last,
        list_files(s3, bucket, f"{vehicle}/", after=first),
    )
    files = (file for file in until_last if file.key.count("/") >= _LEVELS)
    for prefix, content in groupby(files, key=_folder_of_session):
        if not is_date_or_time(prefix.split("/")[2]):
            continue
        try:
            started = session_start(prefix)
        except MalformedNameError as error:
            yield _problem(bucket, prefix, error)
            continue
        if timeframe.has(started):
            yield _session(bucket, prefix, content)


def _folder_of_session(file: ListedFile) -> str:
    """The folder four levels below the bucket, with its slash."""
    return "".join(f"{part}/" for part in file.key.split("/", _LEVELS)[:_LEVELS])


def _session(bucket: str, prefix: str, files: Iterable[ListedFile]) -> FoundSession:
    reports, tags, logs = [], set(), []
    for file in files:
        path = file.key.removeprefix(prefix)
        if is_report(path):
            reports.append(file)
        elif is_audio_tag(path):
            tags.add(path)
        elif is_display_log(path) and file.size:
            logs.append(path)
    return FoundSession(
        bucket=bucket,
        prefix=prefix,
        session_id=prefix.split("/")[-2],
        reports=tuple(reports),
        audio_tags=frozenset(tags),
        display_logs=tuple(sorted(logs)),
    )


def _problem(bucket: str, folder: str, error: MalformedNameError) -> FolderProblem:
    return FolderProblem(folder=object_uri(bucket, folder), reason=str(error))

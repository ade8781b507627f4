"""From a session in S3 to its events."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from more_itertools import map_reduce

from ingest_pipeline.aws.objects.content import open_object
from ingest_pipeline.aws.objects.listing import ListedFile
from ingest_pipeline.aws.objects.signing import unsigned_url
from ingest_pipeline.sessions.display_logs import Log, LogTime, frame_times
from ingest_pipeline.sessions.model import (
    ND,
    TIMESTAMP_FORMAT,
    Event,
    Session,
    SessionSkippedError,
    SkipReason,
    TagProblem,
)
from ingest_pipeline.sessions.names import (
    MalformedNameError,
    SessionId,
    TagName,
    display_logs_folders,
    is_audio_tag,
    parse_session_id,
    parse_tag,
)
from ingest_pipeline.sessions.report import (
    DriveInfo,
    MalformedReportError,
    UploadReport,
    parse_report,
)
from ingest_pipeline.sessions.tree import FoundSession
from ingest_pipeline.values import Frozen, object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_LARGEST_REPORT = 64 * 1024 * 1024  # bytes; one of 1,200 files has some 100 kB


class SessionReading(Frozen):
    """The events of a session, and the audio tags that gave none."""

    session_id: str  # the identity: with the folder's vehicle where that is another
    events: tuple[Event, ...]
    problems: tuple[TagProblem, ...] = ()
    country: str = ND  # where it was driven

    @property
    def session(self) -> Session:
        """What goes to the database; not whole while a recording is still to come."""
        is_whole = not any(problem.is_passing for problem in self.problems)
        return Session(session_id=self.session_id, events=self.events, is_whole=is_whole)


@dataclass(frozen=True)
class _Tag:
    path: str  # below the session
    name: TagName


def read_session(s3: "S3Client", found: FoundSession) -> SessionReading:
    """The events of an uploaded session: one GET of its report, one of each log that is needed.

    Recordings are not read. A tag with a problem does not disturb its neighbours.

    Raises:
        SessionSkippedError: there are none, and why.
        BotoCoreError, ClientError: S3 gave no answer, or none for good.
    """
    session_id = _session_id(found)
    report = _report(s3, found)
    drive_info = report.drive_info or DriveInfo()  # who drove and where is not worth an event
    tags, problems = _tags(report, found)
    times = _times(s3, found, tags)
    events = tuple(
        _event(
            s3, found, tag, session_id=session_id, drive_info=drive_info, time=times.get(tag.path)
        )
        for tag in tags
    )
    return SessionReading(
        session_id=found.identity,
        events=events,
        problems=tuple(problems),
        country=drive_info.data_info.country,
    )


def _session_id(found: FoundSession) -> SessionId:
    try:
        return parse_session_id(found.session_id)
    except MalformedNameError as error:
        raise SessionSkippedError(SkipReason.MALFORMED_ID, str(error)) from error


def _report(s3: "S3Client", found: FoundSession) -> UploadReport:
    if found.report is None:
        raise SessionSkippedError(SkipReason.UNDETERMINED, "it has no report yet")
    try:
        return parse_report(_content(s3, found.bucket, found.report))
    except MalformedReportError as error:
        raise SessionSkippedError(SkipReason.MALFORMED_REPORT, str(error)) from error


def _content(s3: "S3Client", bucket: str, file: ListedFile) -> bytes:
    if file.size > _LARGEST_REPORT:
        raise MalformedReportError(f"{file.size} bytes, at most {_LARGEST_REPORT} are read")
    with closing(open_object(s3, bucket, file.key)) as body:
        return body.read()


def _tags(report: UploadReport, found: FoundSession) -> tuple[list[_Tag], list[TagProblem]]:
    """The audio tags that can become events, and what is wrong with the others.

    Raises:
        SessionSkippedError: none can.
    """
    country = (report.drive_info or DriveInfo()).data_info.country
    tags, problems = [], []
    paths = dict.fromkeys(file.file for file in report.files)
    for path in filter(is_audio_tag, paths):
        try:
            tag = _Tag(path, parse_tag(path))
        except MalformedNameError as error:
            problems.append(TagProblem(audio_tag=path, reason=str(error)))
            continue
        if path in found.audio_tags:
            tags.append(tag)
        else:
            reason = "the report lists it, but it is not in the bucket"
            problems.append(TagProblem(audio_tag=path, reason=reason, is_passing=True))
    if not tags and not problems:
        raise SessionSkippedError(
            SkipReason.NO_EVENTS, "the report lists no audio tag", country=country
        )
    if not tags:
        detail = f"none of {len(problems)} audio tags is usable: {problems[0].reason}"
        raise SessionSkippedError(
            SkipReason.NO_EVENT_READABLE, detail, tuple(problems), country=country
        )
    return tags, problems


def _times(s3: "S3Client", found: FoundSession, tags: list[_Tag]) -> dict[str, LogTime]:
    """The times that logs tell, by the tags' paths; a log is read once for all that need it."""
    times: dict[str, LogTime] = {}
    for logs, its_tags in map_reduce(tags, lambda tag: _logs_of(tag, found)).items():
        by_frame = frame_times(_opened(s3, found, logs), {tag.name.frame for tag in its_tags})
        times |= {
            tag.path: by_frame[tag.name.frame] for tag in its_tags if tag.name.frame in by_frame
        }
    return times


def _logs_of(tag: _Tag, found: FoundSession) -> tuple[str, ...]:
    """The logs in the nearest folder of the tag that has any."""
    places = (
        tuple(path for path in found.display_logs if path.startswith(folder))
        for folder in display_logs_folders(tag.path)
    )
    return next(filter(None, places), ())


def _opened(s3: "S3Client", found: FoundSession, logs: Iterable[str]) -> Iterator[Log]:
    for path in logs:
        yield open_object(s3, found.bucket, found.prefix + path)


def _event(
    s3: "S3Client",
    found: FoundSession,
    tag: _Tag,
    *,
    session_id: SessionId,
    drive_info: DriveInfo,
    time: LogTime | None,
) -> Event:
    key = found.prefix + tag.path
    moment = time.moment(session_id.started) if time else session_id.started
    return Event(
        vehicle_id=session_id.vehicle,
        sw_release=session_id.release,
        session_id=found.session_id,
        country=drive_info.data_info.country,
        driver=drive_info.base_data.driver,
        codriver=drive_info.base_data.co_pilot,
        time=moment.strftime("%H:%M:%S"),
        date=moment.strftime("%d/%m/%Y"),
        annotation=tag.name.annotation,
        mission=drive_info.data_info.driver_comment,
        audio_tag=tag.path,
        link_to_audio_file=object_uri(found.bucket, key),
        remote_path=key,
        file_url=unsigned_url(s3, found.bucket, key),
        timestamp=moment.strftime(TIMESTAMP_FORMAT),
        timestamp_source="log" if time else "session",
    )

"""Sessions from S3 into an event database, one or all of a timeframe."""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.sessions.event_db.event_db import (
    EventDb,
    EventDbError,
    EventDbUnavailableError,
    Upload,
    UploadState,
)
from ingest_pipeline.sessions.event_sink.event_sink import (
    EventKey,
    EventSink,
)
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import (
    Session,
    SessionOutcome,
    SessionSkippedError,
    SessionState,
    SkipReason,
)
from ingest_pipeline.sessions.reading import SessionReading, read_session
from ingest_pipeline.sessions.tree import FolderProblem, FoundSession, Timeframe, find_sessions

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_log = logging.getLogger(__name__)
_BATCH = 500  # sessions held at a time, and asked for in one query
WRITTEN_BY_OLD_JOB = "already there, written by the old job"
_UPLOADED_TOGETHER = 25  # sessions: so many at most does a killed run leave to be read again


def ingest_timeframe(
    s3: "S3Client", bucket: str, db: EventDb, timeframe: Timeframe, *, threads: int = 8
) -> JobReport:
    """Take in every session of the timeframe that is uploaded and not complete yet.

    A session that cannot be taken in is an outcome with its reason, and the others go on. May be
    repeated at any time, also after it was interrupted: nothing is written twice.

    Raises:
        EventDbUnavailableError: the database gave no answer; what was written stays.
        BotoCoreError, ClientError: the bucket could not be listed.
    """
    outcomes: list[SessionOutcome] = []
    problems: list[FolderProblem] = []
    for batch in chunked(find_sessions(s3, bucket, timeframe), _BATCH):
        problems += [each for each in batch if isinstance(each, FolderProblem)]
        sessions = [each for each in batch if isinstance(each, FoundSession)]
        outcomes += ingest_sessions(s3, db, sessions, threads=threads)
    return JobReport(timeframe=timeframe, outcomes=tuple(outcomes), problems=tuple(problems))


def ingest_sessions(
    s3: "S3Client",
    db: EventDb,
    sessions: Sequence[FoundSession],
    *,
    amended: Collection[str] = (),
    threads: int = 8,
    sink: EventSink | None = None,
) -> list[SessionOutcome]:
    """Take in sessions, several at a time; an outcome for each, in their order.

    Those whose identity is among `amended` are read again though they were complete: what their
    report lists in addition is added, and nothing is taken away.

    Raises:
        EventDbUnavailableError: the database gave no answer; what was written stays.
        EventSinkUnavailableError: the sink gave none; of its events none is in the database.
    """
    complete = db.complete_sessions(session.identity for session in sessions)
    old = db.sessions_of_old_job(complete)
    again = complete.intersection(amended)
    complete -= again
    with ThreadPoolExecutor(threads) as pool:
        looks = pool.map(partial(_look, s3, complete, old), sessions)
        batches = chunked(zip(sessions, looks, strict=True), _UPLOADED_TOGETHER)
        return [outcome for batch in batches for outcome in _uploaded(db, sink, batch, again)]


def ingest_session(s3: "S3Client", db: EventDb, session: FoundSession) -> SessionOutcome:
    """Take in one session, unless it is complete or not uploaded yet.

    Raises:
        EventDbUnavailableError: the database gave no answer.
    """
    (outcome,) = ingest_sessions(s3, db, [session], threads=1)
    return outcome


def _look(
    s3: "S3Client", complete: set[str], old: set[str], session: FoundSession
) -> SessionReading | SessionOutcome:
    """What is to be uploaded of a session, or why nothing is."""
    if session.identity in complete:
        detail = WRITTEN_BY_OLD_JOB if session.identity in old else ""
        return _outcome(session, SessionState.UNCHANGED, detail=detail, is_complete=True)
    if not session.reports:
        return _outcome(session, SessionState.AWAITED)
    try:
        return read_session(s3, session)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other sessions go on
        return _skipped(session, _explained(session, error))


def _uploaded(
    db: EventDb,
    sink: EventSink | None,
    looks: Sequence[tuple[FoundSession, SessionReading | SessionOutcome]],
    again: Collection[str],
) -> list[SessionOutcome]:
    """The outcomes of sessions, those that were read being uploaded together.

    Into the sink first: a session that is complete in the database is never looked at again.
    """
    readings = [look for _session, look in looks if isinstance(look, SessionReading)]
    refused = sink.write([reading.session for reading in readings]) if sink and readings else {}
    uploads = iter(_uploads(db, [_to_upload(reading, again) for reading in readings]))
    return [
        look
        if isinstance(look, SessionOutcome)
        else _with_refused(refused, _outcome_of(session, look, next(uploads)))
        for session, look in looks
    ]


def _with_refused(refused: Mapping[EventKey, str], outcome: SessionOutcome) -> SessionOutcome:
    """The outcome, and in its detail what the sink would not take: the database has it."""
    tags = [tag for session_id, tag in refused if session_id == outcome.session_id]
    if not tags:
        return outcome
    number = "1 event is" if len(tags) == 1 else f"{len(tags)} events are"
    first = f"{tags[0]}: {refused[outcome.session_id, tags[0]]}"
    note = f"{number} refused by the event sink: {first}"
    _log.warning("%s: %s", outcome.folder, note)
    return outcome.model_copy(update={"detail": "; ".join(filter(None, (outcome.detail, note)))})


def _to_upload(reading: SessionReading, again: Collection[str]) -> Session:
    is_amended = reading.session_id in again
    return reading.session.model_copy(update={"is_amended": is_amended})


def _uploads(db: EventDb, sessions: Sequence[Session]) -> list[Upload | Exception]:
    """What became of each: one that cannot be uploaded must not keep its neighbours out."""
    try:
        return [*db.upload_all(sessions)]
    except EventDbUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other sessions go on
        if len(sessions) == 1:
            return [error]
        return [upload for session in sessions for upload in _uploads(db, [session])]


def _outcome_of(
    session: FoundSession, reading: SessionReading, upload: Upload | Exception
) -> SessionOutcome:
    if isinstance(upload, Exception):
        return _skipped(session, _explained(session, upload))
    is_unchanged = upload.state is UploadState.UNCHANGED  # another run was faster
    return _outcome(
        session,
        SessionState.UNCHANGED if is_unchanged else SessionState.PROCESSED,
        country=reading.country,
        detail="; ".join(filter(None, (_which_report(session), _what_was_cut(upload)))),
        events=len(reading.events),
        new_events=upload.new_events,
        timeless_events=sum(event.timestamp_source == "session" for event in reading.events),
        problems=reading.problems,
        is_complete=upload.state is not UploadState.PARTIAL,
    )


def _explained(session: FoundSession, error: Exception) -> SessionSkippedError:
    match error:
        case SessionSkippedError():
            return error
        case EventDbError():
            return SessionSkippedError(SkipReason.REFUSED, str(error))
        case _ if isinstance(error, AWS_ERRORS):
            return SessionSkippedError(SkipReason.UNREADABLE, str(error))
        case _:
            _log.error("%s", session.uri, exc_info=error)
            return SessionSkippedError(SkipReason.UNDETERMINED, repr(error))


def _skipped(session: FoundSession, error: SessionSkippedError) -> SessionOutcome:
    return _outcome(
        session,
        SessionState.SKIPPED,
        reason=error.reason,
        country=error.country,
        detail="; ".join(filter(None, (error.detail, _which_report(session)))),
        problems=error.problems,
    )


def _which_report(session: FoundSession) -> str:
    """Which of several reports counts; nothing where there is no choice."""
    if session.report is None or len(session.reports) == 1:
        return ""
    name = session.report.key.removeprefix(session.prefix)
    return f"{len(session.reports)} reports, the newest counts: {name}"


def _what_was_cut(upload: Upload) -> str:
    if not upload.cut:
        return ""
    return f"cut to what the database takes: {', '.join(upload.cut)}"


def _outcome(session: FoundSession, state: SessionState, **fields: object) -> SessionOutcome:
    known = {
        "session_id": session.identity,
        "folder": session.uri,
        "state": state,
        "report_at": session.report.modified if session.report else None,
    }
    return SessionOutcome.model_validate(known | fields)

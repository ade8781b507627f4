"""Sessions through a run: which ones the messages are about, and what is done with them."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.aws.events import ParsedBody, parse_ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.result import Done, Refused, Result, RetryLater
from ingest_pipeline.records.model import ObjectRef, Transcript
from ingest_pipeline.sessions.event_db.event_db import (
    EventDb,
    EventDbError,
    EventDbUnavailableError,
)
from ingest_pipeline.sessions.event_sink.event_sink import EventSink
from ingest_pipeline.sessions.ingest import ingest_sessions
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.listing import what_lacks
from ingest_pipeline.sessions.model import SessionOutcome, SessionState, SkipReason
from ingest_pipeline.sessions.names import MalformedNameError, is_audio_tag
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline.sessions.tree import (
    FolderProblem,
    FoundSession,
    Timeframe,
    find_session,
    is_report,
    session_identity,
    session_prefix,
    session_start,
)
from ingest_pipeline.values import FIRST_DAY

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_log = logging.getLogger(__name__)
_TOGETHER = 500  # sessions between two writes of their outcomes
_UPLOAD_TIME = timedelta(days=1)
_MOST_AHEAD = timedelta(hours=14)  # of UTC: where vehicles' clocks are farthest east


@dataclass(frozen=True)
class SessionNews:
    """What messages of the session bucket ask to be read."""

    s3: "S3Client"
    tables: Tables

    def parse(self, message: Message) -> ParsedBody:
        """The session folders that are to be read, each arrived on its session's own date.

        A report asks for its session, and so does a recording that lands after the report. A
        report outside `<VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/` is a problem; other files of a
        session, and recordings elsewhere, are passed over.
        """
        parsed = parse_ingest_body(message.body, message.sent_at)
        folders: dict[str, ObjectRef] = {}
        problems = list(parsed.problems)
        for ref in parsed.objects:
            try:
                if is_report(ref.key) or (is_audio_tag(ref.key) and self._is_late(_folder(ref))):
                    folder = _folder(ref)
                    folders[folder.key] = folder
            except MalformedNameError as error:
                if is_report(ref.key):
                    problems.append(f"{ref.uri}: {error}")
        return ParsedBody(tuple(folders.values()), tuple(problems))

    def _is_late(self, folder: ObjectRef) -> bool:
        """Whether a recording came after its session's report, which may lack it.

        Without a report nothing is to be read: when the report lands, the recording stands there.
        A report that is not on record yet may be read this moment, by a listing that was made
        before the recording came.
        """
        row = self.tables.get(SESSION_OUTCOMES, {"folder": folder.uri})
        if row is not None and row.report_at is not None and not row.is_complete:
            return True
        found = find_session(self.s3, folder.bucket, folder.key)
        if not isinstance(found, FoundSession) or found.report is None:
            return False
        return row is None or row.report_at is None or found.report.modified > row.report_at


def _folder(file: ObjectRef) -> ObjectRef:
    prefix = session_prefix(file.key)
    started = _started(prefix)
    if not FIRST_DAY <= started <= datetime.now(UTC) + _MOST_AHEAD:
        raise MalformedNameError(f"{started:%Y-%m-%d} lies before 2015 or in the future")
    return ObjectRef(bucket=file.bucket, key=prefix, arrived=started)


def _started(prefix: str) -> datetime:
    return session_start(prefix).replace(tzinfo=UTC)


def comments_into(
    database: Callable[[], EventDb], bucket: str, sink: EventSink | None = None
) -> Callable[[Transcript], None]:
    """What puts what is said in a session's recordings into the comments of its events.

    The database is asked for only when there is something to put. A comment that it or the sink
    refuses is told in the log: the transcript itself is none the worse.
    """

    def tell(row: Transcript) -> None:
        if row.bucket != bucket:
            return
        try:
            prefix = session_prefix(row.key)
        except MalformedNameError:  # of no session
            return
        session_id, tag = session_identity(prefix), row.key.removeprefix(prefix)
        try:
            is_there = database().set_comment(session_id, tag, row.line)
        except EventDbUnavailableError:
            raise
        except EventDbError as error:
            _log.warning("%s: its transcript is no comment: %s", row.uri, error)
            return
        if not (sink and is_there and row.has_text):
            return
        for reason in sink.set_comments({(session_id, tag): row.line}).values():
            _log.warning("%s: its transcript is no comment in the sink: %s", row.uri, reason)

    return tell


def _no_transcripts(_recordings: Iterable[ObjectRef]) -> Iterable[Transcript]:
    return ()


@dataclass(frozen=True)
class SessionIngest:
    """Ingests sessions: events into the database, recordings into the index, outcomes on record.

    May be killed at any line and run again: the database knows whose events are complete, and
    the outcomes on record whose recordings are, and by which report.
    """

    s3: "S3Client"
    tables: Tables
    database: EventDb
    ingest_recordings: Callable[[Sequence[ObjectRef]], object]  # like other audio
    run_id: str | None = None
    sink: EventSink | None = None
    # What is said in recordings, as far as it is on record; the rest comes by `comments_into`.
    transcripts: Callable[[Iterable[ObjectRef]], Iterable[Transcript]] = _no_transcripts

    def ingest(
        self, found: Iterable[FoundSession | FolderProblem], timeframe: Timeframe
    ) -> JobReport:
        """Ingest what was found; the outcomes of 500 sessions are recorded together."""
        outcomes: list[SessionOutcome] = []
        problems: list[FolderProblem] = []
        for batch in chunked(found, _TOGETHER):
            problems += [each for each in batch if isinstance(each, FolderProblem)]
            sessions = [each for each in batch if isinstance(each, FoundSession)]
            outcomes += self._ingest_together(sessions)
        return JobReport(timeframe=timeframe, outcomes=tuple(outcomes), problems=tuple(problems))

    def _ingest_together(self, sessions: list[FoundSession]) -> list[SessionOutcome]:
        keys = [{"folder": session.uri} for session in sessions]
        rows = {row.folder: row for row in self.tables.get_many(SESSION_OUTCOMES, keys)}
        before = self._amended(sessions, rows)
        read = ingest_sessions(self.s3, self.database, sessions, amended=before, sink=self.sink)
        undone = _undone(read, rows)
        outcomes = self._counted(self._picked_up([_added(each, before) for each in read], undone))
        recordings = [
            recording
            for session, outcome in zip(sessions, outcomes, strict=True)
            if outcome.state is SessionState.PROCESSED or outcome.session_id in undone
            for recording in _recordings(session)
        ]
        self.ingest_recordings(recordings)
        self._comment(recordings)
        new_rows = map(self._row, sessions, outcomes)
        self.tables.put(SESSION_OUTCOMES, [_placed(row, rows.get(row.folder)) for row in new_rows])
        return outcomes

    def _comment(self, recordings: Sequence[ObjectRef]) -> None:
        """After the events and the index: who transcribes from now on finds both."""
        for row in self.transcripts(recordings):
            comments_into(lambda: self.database, row.bucket, self.sink)(row)

    def _amended(
        self, sessions: Sequence[FoundSession], rows: Mapping[str, SessionRow]
    ) -> dict[str, int]:
        """The complete sessions that are to be read again, with the number of their events.

        One that another program took in is not: its events are not added a second time.
        """
        changed = {each.identity for each in sessions if _is_changed(each, rows.get(each.uri))}
        complete = self.database.complete_sessions(changed)
        ours = complete - self.database.sessions_of_old_job(complete)
        return {name: n for name, n in self.database.event_counts(ours).items() if n}

    def _picked_up(self, outcomes: list[SessionOutcome], undone: set[str]) -> list[SessionOutcome]:
        """The outcomes, where a killed run left recordings and record undone as this run's own.

        Those that the old job wrote are not: they stay as they are.
        """
        ours = undone - self.database.sessions_of_old_job(undone)
        events = self.database.event_counts(ours)
        return [
            each.model_copy(
                update={
                    "state": SessionState.PROCESSED,
                    "events": events.get(each.session_id, 0),
                }
            )
            if each.session_id in ours
            else each
            for each in outcomes
        ]

    def _counted(self, outcomes: list[SessionOutcome]) -> list[SessionOutcome]:
        """The outcomes; one whose events the database does not hold is looked at again."""
        processed = [each.session_id for each in outcomes if each.state is SessionState.PROCESSED]
        counts = self.database.event_counts(processed)
        return [
            each
            if each.state is not SessionState.PROCESSED
            or (count := counts.get(each.session_id, 0)) == each.events
            else each.model_copy(update={"database_events": count, "is_complete": False})
            for each in outcomes
        ]

    def _row(self, session: FoundSession, outcome: SessionOutcome) -> SessionRow:
        started = session_start(session.prefix)
        return SessionRow(
            **dict(outcome),
            day=started.strftime("%Y-%m-%d"),
            started=started.isoformat(timespec="seconds"),
            recorded_at=datetime.now(UTC),
            run_id=self.run_id,
        )


def _placed(row: SessionRow, known: SessionRow | None) -> SessionRow:
    """The row; of a session that nothing was left to do of, the older one that had no place yet."""
    if known is None or known.started or row.state is not SessionState.UNCHANGED:
        return row
    return known.model_copy(update={"started": row.started})


def _undone(outcomes: Iterable[SessionOutcome], rows: Mapping[str, SessionRow]) -> set[str]:
    """The complete sessions whose recordings and record are still to be done."""
    done = {row.folder for row in rows.values() if row.is_complete}
    return {
        each.session_id
        for each in outcomes
        if each.state is SessionState.UNCHANGED and each.folder not in done
    }


def _is_changed(session: FoundSession, row: SessionRow | None) -> bool:
    """Whether something of a session lacks by its record, or its report is newer than that."""
    if row is None or session.report is None:
        return False
    return not row.is_complete or session.report.modified > (row.report_at or row.recorded_at)


def _added(outcome: SessionOutcome, before: Mapping[str, int]) -> SessionOutcome:
    """What became of a session that was complete before: its events stay, others are added."""
    if outcome.state is not SessionState.PROCESSED or outcome.session_id not in before:
        return outcome
    events = before[outcome.session_id]
    note = f"read again by a newer report: {outcome.new_events} events in addition to {events}"
    return outcome.model_copy(
        update={
            "events": events + outcome.new_events,
            "detail": "; ".join(filter(None, (outcome.detail, note))),
        }
    )


def _recordings(session: FoundSession) -> list[ObjectRef]:
    """The recordings that stand in the bucket; they count to the day of their session."""
    started = _started(session.prefix)
    return [
        ObjectRef(bucket=session.bucket, key=session.prefix + tag, arrived=started)
        for tag in sorted(session.audio_tags)
    ]


def results(report: JobReport) -> list[Result[SessionOutcome]]:
    """What the run answers for each session: a skipped one is refused, unless S3 was the reason."""
    return list(map(_answer, report.outcomes))


def _answer(outcome: SessionOutcome) -> Result[SessionOutcome]:
    bucket, _, prefix = outcome.folder.removeprefix("s3://").partition("/")
    ref = ObjectRef(bucket=bucket, key=prefix, arrived=_started(prefix))
    if outcome.state is not SessionState.SKIPPED:
        return Done(ref, outcome)
    why = f"{outcome.reason}: {outcome.detail}"
    if outcome.reason is SkipReason.UNREADABLE:
        return RetryLater(ref, why, outcome)
    return Refused(ref, why, outcome)


def lacking(on_record: Iterable[SessionOutcome], report: JobReport) -> dict[str, SessionOutcome]:
    """The sessions of which something lacks, by folder: what a run found counts before the record.

    Indexes follow after a moment: a row that the run wrote may not be among those on record yet.
    """
    outcomes = {each.folder: each for each in (*on_record, *report.outcomes)}
    return {
        folder: each
        for folder, each in sorted(outcomes.items())
        if each.state is not SessionState.UNCHANGED and each.is_lacking
    }


def missing_files(outcomes: Iterable[SessionOutcome]) -> list[str]:
    """The recordings that reports list and that are not in the bucket; odd names are no such."""
    return [
        f"{outcome.folder}{problem.audio_tag}: {problem.reason}"
        for outcome in outcomes
        for problem in outcome.problems
        if problem.is_passing
    ]


def missing_events(outcomes: Iterable[SessionOutcome]) -> list[str]:
    """The sessions of which the database holds fewer or more events than the report gives."""
    return [
        f"{outcome.session_id}: {outcome.database_events} instead of {outcome.events}"
        for outcome in outcomes
        if outcome.database_events is not None
    ]


def overdue(outcomes: Iterable[SessionOutcome], now: datetime) -> list[str]:
    """The sessions of which something lacks; an upload report has a day's time to come."""
    return [
        f"{outcome.folder}: {'; '.join(what_lacks(outcome))}"
        for outcome in outcomes
        if outcome.state is not SessionState.AWAITED
        or _started(outcome.folder.split("/", 3)[3]) < now - _UPLOAD_TIME
    ]

"""Sessions through a run: which ones the messages are about, and what is done with them."""

import logging
from collections.abc import Callable, Iterable, Sequence
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
from ingest_pipeline.sessions.model import SessionOutcome, SessionState, SkipReason
from ingest_pipeline.sessions.names import MalformedNameError
from ingest_pipeline.sessions.records import SESSION_OUTCOMES, SessionRow
from ingest_pipeline.sessions.tree import (
    FolderProblem,
    FoundSession,
    Timeframe,
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
_MOST_AHEAD = timedelta(hours=14)  # of UTC: where vehicles' clocks are farthest east


def parse_report(message: Message) -> ParsedBody:
    """The session folders whose reports have landed, each arrived on its session's own date.

    A report outside `<VEHICLE>/<YYMMDD>/<HHMMSS>/<SESSION>/` is a problem; other files of a
    session are passed over.
    """
    parsed = parse_ingest_body(message.body, message.sent_at)
    folders: list[ObjectRef] = []
    problems = list(parsed.problems)
    for ref in parsed.objects:
        if not is_report(ref.key):
            continue
        try:
            folders.append(_folder(ref))
        except MalformedNameError as error:
            problems.append(f"{ref.uri}: {error}")
    return ParsedBody(tuple(folders), tuple(problems))


def _folder(report: ObjectRef) -> ObjectRef:
    prefix = session_prefix(report.key)
    started = _started(prefix)
    if not FIRST_DAY <= started <= datetime.now(UTC) + _MOST_AHEAD:
        raise MalformedNameError(f"{started:%Y-%m-%d} lies before 2015 or in the future")
    return ObjectRef(bucket=report.bucket, key=prefix, arrived=started)


def _started(prefix: str) -> datetime:
    return session_start(prefix).replace(tzinfo=UTC)


def comments_into(database: Callable[[], EventDb], bucket: str) -> Callable[[Transcript], None]:
    """What puts what is said in a session's recordings into the comments of its events.

    The database is asked for only when there is something to put. A comment that it refuses is
    told in the log: the transcript itself is none the worse.
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
            database().set_comment(session_id, tag, row.line)
        except EventDbUnavailableError:
            raise
        except EventDbError as error:
            _log.warning("%s: its transcript is no comment: %s", row.uri, error)

    return tell


def _no_transcripts(_recordings: Iterable[ObjectRef]) -> Iterable[Transcript]:
    return ()


@dataclass(frozen=True)
class SessionIngest:
    """Ingests sessions: events into the database, recordings into the index, outcomes on record.

    May be killed at any line and run again: the database knows whose events are complete, and
    the outcomes on record whose recordings are.
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
        ingested = ingest_sessions(self.s3, self.database, sessions, sink=self.sink)
        undone = self._undone(ingested)
        outcomes = self._picked_up(ingested, undone)
        recordings = [
            recording
            for session, outcome in zip(sessions, outcomes, strict=True)
            if outcome.state is SessionState.PROCESSED or outcome.session_id in undone
            for recording in _recordings(session)
        ]
        self.ingest_recordings(recordings)
        self._comment(recordings)
        rows = [
            self._row(session, outcome) for session, outcome in zip(sessions, outcomes, strict=True)
        ]
        self.tables.put(SESSION_OUTCOMES, rows)
        return outcomes

    def _comment(self, recordings: Sequence[ObjectRef]) -> None:
        """After the events and the index: who transcribes from now on finds both."""
        for row in self.transcripts(recordings):
            comments_into(lambda: self.database, row.bucket)(row)

    def _undone(self, outcomes: list[SessionOutcome]) -> set[str]:
        """The complete sessions whose recordings and record are still to be done."""
        unchanged = [each for each in outcomes if each.state is SessionState.UNCHANGED]
        keys = [{"folder": each.folder} for each in unchanged]
        rows = self.tables.get_many(SESSION_OUTCOMES, keys)
        done = {row.folder for row in rows if row.is_complete}
        return {each.session_id for each in unchanged if each.folder not in done}

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

    def _row(self, session: FoundSession, outcome: SessionOutcome) -> SessionRow:
        return SessionRow(
            **dict(outcome),
            day=_started(session.prefix).strftime("%Y-%m-%d"),
            recorded_at=datetime.now(UTC),
            run_id=self.run_id,
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


def missing_events(report: JobReport, counts: dict[str, int]) -> list[str]:
    """The complete sessions of which the database holds fewer or more events than the report."""
    return [
        f"{outcome.session_id}: {counts.get(outcome.session_id, 0)} instead of {outcome.events}"
        for outcome in report.outcomes
        if outcome.state is SessionState.PROCESSED
        and counts.get(outcome.session_id, 0) != outcome.events
    ]

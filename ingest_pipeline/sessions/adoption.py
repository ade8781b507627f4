"""What a database holds of the sessions of a bucket, by whom, and what a backfill would add."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.sessions.event_db.event_db import Author, EventDb, Holding
from ingest_pipeline.sessions.model import SessionSkippedError
from ingest_pipeline.sessions.reading import read_session
from ingest_pipeline.sessions.tree import FolderProblem, FoundSession, Timeframe, find_sessions
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_TOGETHER = 500  # sessions asked for in one query


class SurveyedSession(Frozen):
    """One session: what is there of it, and what would be."""

    session_id: str  # the identity
    folder: str  # s3://bucket/prefix
    rows: dict[Author, int]  # how many there are, by who wrote them
    would_add: int = 0  # rows that a backfill would write
    without_row: tuple[str, ...] = ()  # recordings that the old job left out, and so do we
    note: str = ""


class Survey(Frozen):
    """The sessions of a timeframe, in the order of their folders, and the folders that are none."""

    sessions: tuple[SurveyedSession, ...]
    problems: tuple[FolderProblem, ...] = ()

    @property
    def rows(self) -> dict[Author, int]:
        """How many rows there are of all of them; every author is named."""
        counts = Counter[Author]()
        for session in self.sessions:
            counts.update(session.rows)
        return {author: counts[author] for author in Author}

    @property
    def would_add(self) -> int:
        """How many rows a backfill of the timeframe would write."""
        return sum(session.would_add for session in self.sessions)


def survey(
    s3: "S3Client", bucket: str, db: EventDb, timeframe: Timeframe, *, threads: int = 8
) -> Survey:
    """Look at everything and change nothing; the database need not be connected.

    Raises:
        EventDbUnavailableError: the database gave no answer.
        BotoCoreError, ClientError: S3 gave none.
    """
    sessions: list[SurveyedSession] = []
    problems: list[FolderProblem] = []
    with ThreadPoolExecutor(threads) as pool:
        for batch in chunked(find_sessions(s3, bucket, timeframe), _TOGETHER):
            problems += [each for each in batch if isinstance(each, FolderProblem)]
            found = [each for each in batch if isinstance(each, FoundSession)]
            holdings = db.holdings(session.identity for session in found)
            sessions += pool.map(partial(_surveyed, s3, holdings), found)
    return Survey(sessions=tuple(sessions), problems=tuple(problems))


def _surveyed(
    s3: "S3Client", holdings: dict[str, Holding], session: FoundSession
) -> SurveyedSession:
    holding = holdings[session.identity]
    told = SurveyedSession(
        session_id=session.identity,
        folder=session.uri,
        rows=Counter(row.author for row in holding.rows),
    )
    if not holding.is_of_old_job and holding.is_complete:
        return told
    if not session.reports:
        return told.model_copy(update={"note": "no report: not uploaded yet"})
    try:
        recordings = [event.audio_tag for event in read_session(s3, session).events]
    except SessionSkippedError as error:
        return told.model_copy(update={"note": str(error)})
    if holding.is_of_old_job:
        without_row = _without_row(recordings, holding)
        return told.model_copy(
            update={"without_row": without_row, "note": _note(holding, len(without_row))}
        )
    present = {row.recording for row in holding.rows}
    return told.model_copy(update={"would_add": len(set(recordings) - present)})


def _without_row(recordings: Sequence[str], holding: Holding) -> tuple[str, ...]:
    """Rows of the old job tell a recording's name, and not where it lies below the session."""
    names = Counter(row.recording for row in holding.rows if row.author is Author.OLD_JOB)
    without = []
    for recording in recordings:
        name = recording.rpartition("/")[2]
        if names[name]:
            names[name] -= 1
        else:
            without.append(recording)
    return tuple(without)


def _note(holding: Holding, without_row: int) -> str:
    notes = ["written by the old job: left as it is"]
    if without_row:
        notes.append(f"{without_row} recordings of its report have no row")
    if any(row.author is not Author.OLD_JOB for row in holding.rows):
        notes.append("we wrote rows of it, too")
    return "; ".join(notes)

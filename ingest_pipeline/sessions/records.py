"""The row that each session has in DynamoDB: what became of it, and in which run."""

from ingest_pipeline.records.tables import (
    Condition,
    Table,
)
from ingest_pipeline.sessions.model import SessionOutcome, SessionState
from ingest_pipeline.values import Timestamp


class SessionRow(SessionOutcome):
    """A session's outcome with its place in time."""

    day: str  # partition: the session's own date, YYYY-MM-DD
    recorded_at: Timestamp
    run_id: str | None = None


def _says_more(row: SessionRow) -> Condition | None:
    """That nothing was left to do says less than what was done."""
    if row.state is not SessionState.UNCHANGED:
        return None
    return Condition("attribute_not_exists(folder)")


SESSION_OUTCOMES = Table(
    "session_outcomes",
    SessionRow,
    key=lambda row: {"folder": row.folder},
    condition=_says_more,
)

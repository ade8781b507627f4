"""The row that each session has in DynamoDB: what became of it, and in which run."""

from typing import Any

from ingest_pipeline.records.tables import (
    Condition,
    Index,
    Table,
)
from ingest_pipeline.sessions.model import SessionOutcome, SessionState
from ingest_pipeline.values import Timestamp


class SessionRow(SessionOutcome):
    """A session's outcome with its place in time."""

    day: str  # partition: the session's own date, YYYY-MM-DD
    started: str = ""  # on the vehicle's clock, YYYY-MM-DDTHH:MM:SS; empty: an older row
    recorded_at: Timestamp
    run_id: str | None = None

    @property
    def place(self) -> str:
        """Where it stands among the sessions of its bucket: by time, and no two at one place."""
        return f"{self.started or self.day} {self.folder}"


BY_PLACE = Index("by_place", "listing")  # of a bucket's sessions, those that lack something apart


def listing_of(bucket: str, *, is_lacking: bool) -> str:
    """The partition of `BY_PLACE` that holds these sessions of a bucket."""
    return f"{bucket}#{'incomplete' if is_lacking else 'complete'}"


def _index(row: SessionRow) -> dict[str, Any]:
    bucket = row.folder.removeprefix("s3://").partition("/")[0]
    return {"listing": listing_of(bucket, is_lacking=row.is_lacking), "place": row.place}


def _says_more(row: SessionRow) -> Condition | None:
    """That nothing was left to do says less than what was done."""
    if row.state is not SessionState.UNCHANGED:
        return None
    return Condition("attribute_not_exists(folder)")


SESSION_OUTCOMES = Table(
    "session_outcomes",
    SessionRow,
    key=lambda row: {"folder": row.folder},
    index=_index,
    condition=_says_more,
)

"""What a run over a timeframe came to, for people."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from ingest_pipeline.extras import extra
from ingest_pipeline.sessions.model import SessionOutcome, SessionState, SkipReason
from ingest_pipeline.sessions.names import parse_date
from ingest_pipeline.sessions.tree import FolderProblem, Timeframe
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int


class ReportTable(Frozen):
    """Rows under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_dataframe(self) -> "pd.DataFrame":
        """The same as a DataFrame, with its columns also where there is no row."""
        with extra("parquet", "a DataFrame"):
            import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

        return pd.DataFrame(list(self.rows), columns=list(self.columns))


class Summary(Frozen):
    """How many events a run skipped and processed, and of how many sessions.

    Sessions that were left alone do not count. A skipped event is an audio tag that gave none.
    """

    skipped: int
    processed: int  # of the sessions taken in, also those that an interrupted run had written
    skipped_sessions: int  # those without events included
    processed_sessions: int

    @property
    def total(self) -> int:
        """Skipped and processed events."""
        return self.skipped + self.processed

    @property
    def total_sessions(self) -> int:
        """Skipped and processed sessions."""
        return self.skipped_sessions + self.processed_sessions

    @property
    def table(self) -> ReportTable:
        """Events and sessions in a row each, under Skipped, Processed and Total."""
        return ReportTable(
            columns=("Counted", "Skipped", "Processed", "Total"),
            rows=(
                ("events", self.skipped, self.processed, self.total),
                (
                    "sessions",
                    self.skipped_sessions,
                    self.processed_sessions,
                    self.total_sessions,
                ),
            ),
        )

    def as_dataframe(self) -> "pd.DataFrame":
        """The same as a DataFrame."""
        return self.table.as_dataframe()


class JobReport(Frozen):
    """Every session of a timeframe with its outcome, and the folders that could not be read."""

    timeframe: Timeframe
    outcomes: tuple[SessionOutcome, ...]
    problems: tuple[FolderProblem, ...] = ()

    @property
    def summary(self) -> Summary:
        """The counts."""
        skipped = self._in_state(SessionState.SKIPPED)
        processed = self._in_state(SessionState.PROCESSED)
        return Summary(
            skipped=sum(len(outcome.problems) for outcome in (*skipped, *processed)),
            processed=sum(outcome.events for outcome in processed),
            skipped_sessions=len(skipped),
            processed_sessions=len(processed),
        )

    @property
    def processed_ids(self) -> list[str]:
        """The sessions whose events this run wrote."""
        return [outcome.session_id for outcome in self._in_state(SessionState.PROCESSED)]

    def of_day(self, day: date) -> "JobReport":
        """The same of one day's sessions; folders that are no date belong to none."""
        outcomes = tuple(
            each for each in self.outcomes if parse_date(each.folder.split("/")[4]) == day
        )
        return JobReport(timeframe=Timeframe.of_days(day, day), outcomes=outcomes)

    @property
    def by_day_and_vehicle(self) -> Counter[tuple[date, str]]:
        """How many sessions there are of each day and vehicle, as their folders say."""
        folders = [outcome.folder.removeprefix("s3://").split("/") for outcome in self.outcomes]
        return Counter((parse_date(day), vehicle) for _bucket, vehicle, day, *_ in folders)

    @property
    def no_events(self) -> ReportTable:
        """The sessions without audio tags."""
        return _table(
            ("session", "Country", "folder"),
            (
                (outcome.session_id, outcome.country, outcome.folder)
                for outcome in self._in_state(SessionState.SKIPPED)
                if outcome.reason is SkipReason.NO_EVENTS
            ),
        )

    @property
    def skipped(self) -> ReportTable:
        """The other sessions that gave no events, with the reason."""
        return _table(
            ("session", "Country", "folder", "reason", "detail"),
            (
                (
                    outcome.session_id,
                    outcome.country,
                    outcome.folder,
                    str(outcome.reason),
                    outcome.detail,
                )
                for outcome in self._in_state(SessionState.SKIPPED)
                if outcome.reason is not SkipReason.NO_EVENTS
            ),
        )

    @property
    def processed(self) -> ReportTable:
        """The sessions whose events are in the database, with what was wrong with their tags."""
        return _table(
            ("session", "Country", "folder", "events", "new", "without time", "problems"),
            (
                (
                    outcome.session_id,
                    outcome.country,
                    outcome.folder,
                    outcome.events,
                    outcome.new_events,
                    outcome.timeless_events,
                    "; ".join(f"{each.audio_tag}: {each.reason}" for each in outcome.problems),
                )
                for outcome in self._in_state(SessionState.PROCESSED)
            ),
        )

    def _in_state(self, state: SessionState) -> list[SessionOutcome]:
        return [outcome for outcome in self.outcomes if outcome.state is state]


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> ReportTable:
    return ReportTable(columns=columns, rows=tuple(rows))

"""What a run says of all its rows, of which it keeps only the first."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ingest_pipeline.defs.common.metadata import SHOWN
from ingest_pipeline.values import Frozen

Row = TypeVar("Row", bound=Frozen)


@dataclass
class Tally(Generic[Row]):
    """What is kept of rows that are too many to keep: counts, sums, and the first of them."""

    count_by: tuple[str, ...] = ()  # names of fields
    sum_of: tuple[str, ...] = ()
    rows: int = 0
    first: list[Row] = field(default_factory=list)
    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sums: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Row]) -> None:
        """Take some in."""
        self.rows += len(rows)
        self.first += rows[: SHOWN - len(self.first)]
        for name in self.count_by:
            self.counts[name].update(str(getattr(row, name)) for row in rows)
        for name in self.sum_of:
            self.sums[name] += sum(getattr(row, name) for row in rows)

    def number(self, name: str, value: str) -> int:
        """How many rows have this value in a field that is counted by."""
        return self.counts[name][value]

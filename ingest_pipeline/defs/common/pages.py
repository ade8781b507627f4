"""Rows that flow from step to step a page at a time, so that a day of any size fits into memory."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import dagster as dg

from ingest_pipeline.records.model import Asset, ObjectRef, Report
from ingest_pipeline.values import Frozen

TOGETHER = 500  # objects of a page: as many as the largest usual batch
SHOWN = 100  # rows of a table: an event of more is slow to load in the UI

Row = TypeVar("Row", bound=Frozen)
Metadata = Mapping[str, dg.MetadataValue]


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
        """Take a page in."""
        self.rows += len(rows)
        self.first += rows[: SHOWN - len(self.first)]
        for name in self.count_by:
            self.counts[name].update(str(getattr(row, name)) for row in rows)
        for name in self.sum_of:
            self.sums[name] += sum(getattr(row, name) for row in rows)

    def number(self, name: str, value: str) -> int:
        """How many rows have this value in a field that is counted by."""
        return self.counts[name][value]


@dataclass(frozen=True)
class MadePages(Generic[Row]):
    """Rows that a step makes, each page when it is to be stored, and how the UI shows them all."""

    pages: Iterable[list[Row]]
    tally: Tally[Row]
    describe: Callable[[Tally[Row]], Metadata]


@dataclass(frozen=True)
class Pages(Generic[Row]):
    """Stored rows of a batch or of days, each page read when its turn comes."""

    read: Callable[[], Iterable[list[Row]]]
    find: Callable[[Sequence[ObjectRef]], list[Row]]  # those of some objects

    def __iter__(self) -> Iterator[list[Row]]:
        return iter(self.read())


# Dagster takes no parametrized class for a type: each kind of row has classes of its own.
class ReportPages(Pages[Report]):
    """Stored reports."""


class AssetPages(Pages[Asset]):
    """Stored rows of the index."""


class MadeReports(MadePages[Report]):
    """Reports that a step makes."""


class MadeAssets(MadePages[Asset]):
    """Rows of the index that a step makes."""

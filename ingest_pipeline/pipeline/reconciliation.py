"""Buckets, tables and what is made of objects: compared, and mended where they disagree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from more_itertools import chunked

from ingest_pipeline.pipeline.enrich.requests import Requests
from ingest_pipeline.pipeline.ingest.reconcile import Difference, Reconciler
from ingest_pipeline.pipeline.leftovers import Leftover, Leftovers

_TOGETHER = 100  # found before the first of them are mended


def recent_days() -> list[str]:
    """Today and yesterday, in UTC: what an older object lacks is a backfill's work."""
    now = datetime.now(UTC)
    return [(now - timedelta(days=ago)).strftime("%Y-%m-%d") for ago in (0, 1)]


@dataclass(frozen=True)
class Reconciled:
    """What was found and done."""

    differences: int = 0  # between buckets and tables
    sent: int = 0  # objects sent through ingest, or their deletion, again
    leftovers: int = 0  # of objects that are no longer in the index
    removed: int = 0
    requested: int = 0  # objects of which something lacking was asked for again

    def __str__(self) -> str:
        return (
            f"{self.differences} differences, {self.sent} objects sent through the queue again; "
            f"{self.leftovers} leftovers, {self.removed} removed; "
            f"{self.requested} objects asked for again what they lack"
        )


@dataclass(frozen=True)
class Reconciliation:
    """In three directions: objects without rows, rows without objects, and what outlived both."""

    reconciler: Reconciler
    leftovers: Leftovers
    requests: Requests
    buckets: Sequence[str]

    def run(
        self,
        grace: timedelta,
        tell: Callable[[Difference | Leftover], None],
        *,
        dry_run: bool = False,
    ) -> Reconciled:
        """Look, tell of each thing that is wrong, and mend it unless only a look is wanted.

        What is younger than `grace` may still be on its way through a run.
        """
        differences = sent = leftovers = removed = 0
        for bucket in self.buckets:
            for found in chunked(self.reconciler.differences(bucket, grace), _TOGETHER):
                differences += len(found)
                for each in found:
                    tell(each)
                sent += 0 if dry_run else self.reconciler.repair(found)
        for outlived in chunked(self.leftovers.find(grace), _TOGETHER):
            leftovers += len(outlived)
            for leftover in outlived:
                tell(leftover)
            removed += 0 if dry_run else self.leftovers.remove(outlived)
        requested = 0 if dry_run else self.requests.request_again(recent_days(), grace)
        return Reconciled(differences, sent, leftovers, removed, requested)

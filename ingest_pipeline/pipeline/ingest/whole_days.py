"""Days that are ingested again as a whole: what is left of them, whoever began."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.aws.objects.listing import list_newest_versions
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, UnfinishedDay
from ingest_pipeline.records.tables import BY_DAY, REPORTS, UNFINISHED_DAYS, Condition, report_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_TOGETHER = 100  # listed objects whose reports are looked up in one go
# Whoever does a day again after weeks means all of it, not what failed weeks ago.
_RESUMED_WITHIN = timedelta(days=7)
_OPEN = (Outcome.PENDING, Outcome.FAILED)
_MAY_STAND = (*_OPEN, Outcome.INDEXED, Outcome.KEPT)  # in its bucket; the rest has ended


@dataclass
class WholeDays:
    """All that arrived on some days, for one run to ingest again. Made by `begin`.

    The index by day is in the order of judging, so what is left of a day is what was judged before
    it began, and what failed since. A report that this run has judged is behind the first, and told
    from the second by the run's id: nothing is met twice, whatever the machines' clocks say.
    """

    s3: "S3Client"
    tables: Tables
    sources: Sources
    run_id: str
    days: list[UnfinishedDay]
    resumed: frozenset[UnfinishedDay]  # of `days`, those that another run left unfinished
    done_before: int = field(init=False)  # objects of these that are done
    total: int = field(init=False)  # reports that are left
    passed: int = field(init=False, default=0)  # of these, so far

    def __post_init__(self) -> None:
        """Count, once: while the run works, others ingest what arrives."""
        is_open = _any_of(_OPEN)
        settled = Condition(f"NOT {is_open.expression}", values=is_open.values)
        self.done_before = sum(self._count(day, _since(day), settled) for day in self.resumed)
        self.total = sum(self._count(*left) for left in self._left())

    def refs(self, *, list_buckets: bool = False) -> Iterator[ObjectRef]:
        """What is left, each when its turn comes; with what stands in a bucket and has no report.

        Reports of no source are passed over: its rules are gone, and so it is left alone.
        """
        for day, within, condition in self._left():
            for report in self.tables.query(
                REPORTS, BY_DAY, day.day, within=within, condition=condition
            ):
                self.passed += 1
                if self.sources.for_object(report.bucket, report.key):
                    yield report.ref
        if list_buckets:
            yield from self._unreported()

    def finish(self) -> None:
        """Have the next run begin anew: everything is done."""
        for day in self.days:
            self.tables.delete(UNFINISHED_DAYS, UNFINISHED_DAYS.key(day))

    def __str__(self) -> str:
        """How far it is."""
        return f"{self.passed} of {max(self.passed, self.total)} objects"

    def _left(self) -> Iterator[tuple[UnfinishedDay, Condition, Condition]]:
        """Where what is left stands in the index by day: first what was begun, then the rest."""
        for day in self.days:
            if day in self.resumed:
                yield day, _since(day), self._judged_by_others(_OPEN)
            yield day, _before(day), self._judged_by_others(_MAY_STAND)

    def _judged_by_others(self, outcomes: Iterable[Outcome]) -> Condition:
        is_any, by_others = _any_of(outcomes), "attribute_not_exists(run_id) OR run_id <> :run"
        return Condition(
            f"{is_any.expression} AND ({by_others})", values={**is_any.values, ":run": self.run_id}
        )

    def _count(self, day: UnfinishedDay, within: Condition, condition: Condition) -> int:
        return self.tables.count(REPORTS, BY_DAY, day.day, condition, within)

    def _unreported(self) -> Iterator[ObjectRef]:
        """What stands in the buckets, and was not judged since its day began."""
        for listed in chunked(self._listed(), _TOGETHER):
            judged = self._judged_since(listed)
            for ref in listed:
                if (ref.uri, ref.row_version) not in judged:
                    self.passed += 1
                    yield ref

    def _listed(self) -> Iterator[ObjectRef]:
        days = {day.day for day in self.days}
        for bucket in self.sources.buckets:
            for standing in list_newest_versions(self.s3, bucket):
                is_meant = not standing.deleted and not standing.ref.is_folder
                is_of_days = is_meant and standing.ref.day in days
                if is_of_days and self.sources.for_object(bucket, standing.ref.key):
                    yield standing.ref

    def _judged_since(self, refs: Iterable[ObjectRef]) -> set[tuple[str, str]]:
        began_at = {day.day: day.began_at for day in self.days}
        wanted = {(ref.uri, ref.row_version): ref.day for ref in refs}
        keys = [report_key(*name) for name in wanted]
        reports: list[Report] = self.tables.get_many(REPORTS, keys)
        return {
            (report.uri, report.version)
            for report in reports
            if report.judged_at >= began_at[wanted[report.uri, report.version]]
        }


def begin(
    s3: "S3Client", tables: Tables, sources: Sources, run_id: str, days: Iterable[str]
) -> WholeDays:
    """Note that all of these days is ingested, or go on where a run that noted it was ended.

    One that worked by other rules, or by another version of this package, is not gone on with.
    """
    now, rules = datetime.now(UTC), _digest(sources)
    fresh = [UnfinishedDay(day=day, began_at=now, rules=rules) for day in days]
    found = tables.get_many(UNFINISHED_DAYS, map(UNFINISHED_DAYS.key, fresh))
    resumed = {
        each.day: each
        for each in found
        if each.rules == rules and now - each.began_at < _RESUMED_WITHIN
    }
    begun = [resumed.get(day.day, day) for day in fresh]
    tables.put(UNFINISHED_DAYS, begun)
    return WholeDays(s3, tables, sources, run_id, begun, frozenset(resumed.values()))


def _digest(sources: Sources) -> str:
    """What an object is judged by."""
    judged_by = f"{version('ingest_pipeline')} {sources.model_dump_json()}"
    return hashlib.sha256(judged_by.encode()).hexdigest()


def _any_of(outcomes: Iterable[Outcome]) -> Condition:
    values = {f":{outcome.value}": outcome.value for outcome in outcomes}
    return Condition(f"outcome IN ({', '.join(values)})", values=values)


def _since(day: UnfinishedDay) -> Condition:
    return Condition("judged_at >= :began", values={":began": _began(day)})


def _before(day: UnfinishedDay) -> Condition:
    return Condition("judged_at < :began", values={":began": _began(day)})


def _began(day: UnfinishedDay) -> str:
    moment: str = day.model_dump(mode="json")["began_at"]
    return moment

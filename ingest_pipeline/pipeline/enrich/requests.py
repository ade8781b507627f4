"""Who still lacks what: requests for renditions, previews and labels, and photos into posts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from more_itertools import chunked, unique_everseen

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth, Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.enrich.label import Labelled
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Result, RetryLater, for_each
from ingest_pipeline.records.model import POSTED, ArrivalDay, ObjectRef, Outcome, Report
from ingest_pipeline.records.tables import ASSETS, BY_DAY, DAYS, REPORTS

_TOGETHER = 500  # reports looked at in one go
_AT_ONCE = 8  # photos told to their posts
_EMPTY = Depth(waiting=0, in_flight=0)
_NOT_SHOWN = {Outcome.REJECTED, Outcome.KEPT}  # what is kept was not looked into, or is invalid


class Maker(Protocol):
    """What makes something of indexed objects."""

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """Those of which it is still to be made."""


@dataclass(frozen=True)
class Requests:
    """Asks for what indexed objects lack, each by a message on the queue of those who make it.

    `tell` is called with outcomes first: a photo is shown before anything is made of it.
    """

    tables: Tables
    derived: Derived
    sources: Sources
    rendition_queue: Queue
    rendition_makers: Sequence[Maker]
    enrichment_queue: Queue
    enrichment_makers: Sequence[Maker]
    tell: Callable[[Sequence[Report]], None]

    def follow_up(self, outcomes: Sequence[Report]) -> None:
        """Ask for all that is made of the indexed ones, and note the days that they came on.

        Call it before their messages go: what comes again is asked for again.
        """
        self.tell(outcomes)
        for queue, makers in self._queues():
            _request(queue, _missing(makers, outcomes))
        self.tables.put(DAYS, [ArrivalDay(day=day) for day in {each.day for each in outcomes}])

    def lacking(self, days: Iterable[str], grace: timedelta) -> Iterator[ObjectRef]:
        """The objects of these days that lack something, younger outcomes than `grace` left out."""
        for reports in self._finished(days, grace):
            missing = (ref for _, makers in self._queues() for ref in _missing(makers, reports))
            yield from unique_everseen(missing, key=_identity)

    def request_again(
        self, days: Iterable[str], grace: timedelta, *, idle_only: bool = True
    ) -> int:
        """Ask again for what the indexed objects of these days lack; of how many.

        A request, or the run that had it, was lost. What waits in a queue is not: while it is not
        empty, nothing is asked for, unless many are known to be lost.
        """
        idle = [
            (queue, makers)
            for queue, makers in self._queues()
            if not idle_only or queue.depth() == _EMPTY
        ]
        return sum(
            _request(queue, _missing(makers, reports))
            for reports in self._finished(days, grace)
            for queue, makers in idle
        )

    def busy_queues(self) -> list[str]:
        """The queues whose messages may be asking right now for what is lacking."""
        return [queue.name for queue, _ in self._queues() if queue.depth() != _EMPTY]

    def on_record(self, refs: Sequence[ObjectRef]) -> list[Result[None]]:
        """What the tables say of some enrichment: done, or still to be made."""
        missing = _missing(self.enrichment_makers, reports_of(self.tables, refs))
        return for_each(refs, [RetryLater(ref, "not on record yet") for ref in missing])

    def indexed_on(self, days: Iterable[str]) -> Iterator[ObjectRef]:
        """The objects of our sources that are indexed and arrived on these days."""
        rows = (row for day in days for row in self.tables.query(ASSETS, BY_DAY, day))
        return (
            ObjectRef(
                bucket=row.bucket, key=row.file, version=row.version, arrived=row.last_modified
            )
            for row in rows
            if row.deleted_at is None
            and row.version != POSTED
            and self.sources.for_object(row.bucket, row.file)
        )

    def _queues(self) -> Iterator[tuple[Queue, Sequence[Maker]]]:
        yield self.rendition_queue, self.rendition_makers
        yield self.enrichment_queue, self.enrichment_makers

    def _finished(self, days: Iterable[str], grace: timedelta) -> Iterator[list[Report]]:
        """Reports of indexed versions that have been final for a while, some at a time.

        Not those that have a reason: what was tried and cannot be transcoded would be tried every
        hour.
        """
        before = datetime.now(UTC) - grace
        finished = (
            report
            for day in days
            for report in self.tables.query(REPORTS, BY_DAY, day)
            if report.judged_at < before
            and not report.reasons
            and self.sources.for_object(report.bucket, report.key)
        )
        for reports in chunked(finished, _TOGETHER):
            yield [report for report, _ in self.derived.current(reports)]


def photos_into(posts: Posts) -> Callable[[Sequence[Report]], None]:
    """What tells posts of their photos: shown once they are indexed, or why they are not."""

    def tell(report: Report) -> None:
        if report.outcome is Outcome.INDEXED and report.probe and report.probe.kind is Kind.IMAGE:
            _show(posts, report)
        elif report.outcome in _NOT_SHOWN and report.restored_at is None:
            posts.refuse(report)

    def tell_all(outcomes: Sequence[Report]) -> None:
        photos = [report for report in outcomes if report.bucket == posts.bucket]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(tell, photos))

    return tell_all


def labels_into(posts: Posts) -> Callable[[Sequence[Labelled]], None]:
    """What puts labels into the posts of their images."""

    def tell(labelled: Sequence[Labelled]) -> None:
        for report, row in labelled:
            _show(posts, report, [label.name for label in row.labels])

    return tell


def _show(posts: Posts, report: Report, labels: Sequence[str] | None = None) -> None:
    """Show an image in its post; one whose post is gone goes, too."""
    if not posts.show(report, labels):
        posts.orphaned(report.key, report.version)


def _missing(makers: Iterable[Maker], reports: Sequence[Report]) -> list[ObjectRef]:
    lacking = (ref for maker in makers for ref in maker.missing(reports))
    return list(unique_everseen(lacking, key=_identity))


def _request(queue: Queue, refs: Iterable[ObjectRef]) -> int:
    return queue.send_all(map(ingest_body, refs))


def _identity(ref: ObjectRef) -> tuple[str, str]:
    return ref.uri, ref.row_version

"""Who still lacks what: requests for renditions, previews and labels, and labels into posts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from more_itertools import chunked, unique_everseen

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth, Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Result, RetryLater, for_each
from ingest_pipeline.records.model import POSTED, ArrivalDay, ImageLabels, ObjectRef, Report
from ingest_pipeline.records.tables import ASSETS, BY_DAY, DAYS, REPORTS

_TOGETHER = 500  # reports looked at in one go
_EMPTY = Depth(waiting=0, in_flight=0)


class Maker(Protocol):
    """What makes something of indexed objects."""

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """Those of which it is still to be made."""


@dataclass(frozen=True)
class Requests:
    """Asks for what indexed objects lack, each by a message on the queue of those who make it."""

    tables: Tables
    derived: Derived
    sources: Sources
    rendition_queue: Queue
    rendition_makers: Sequence[Maker]
    enrichment_queue: Queue
    enrichment_makers: Sequence[Maker]

    def follow_up(self, outcomes: Sequence[Report]) -> None:
        """Ask for all that is made of the indexed ones, and note the days that they came on.

        Call it before their messages go: what comes again is asked for again.
        """
        for queue, makers in self._queues():
            _request(queue, _missing(makers, outcomes))
        self.tables.put(DAYS, [ArrivalDay(day=day) for day in {each.day for each in outcomes}])

    def lacking(self, days: Iterable[str], grace: timedelta) -> Iterator[ObjectRef]:
        """The objects of these days that lack something, younger outcomes than `grace` left out."""
        for reports in self._finished(days, grace):
            missing = (ref for _, makers in self._queues() for ref in _missing(makers, reports))
            yield from unique_everseen(missing, key=_identity)

    def request_again(self, days: Iterable[str], grace: timedelta) -> int:
        """Ask again for what the indexed objects of these days lack; of how many.

        A request, or the run that had it, was lost. What waits in a queue is not: while it is not
        empty, nothing is asked for.
        """
        idle = [(queue, makers) for queue, makers in self._queues() if queue.depth() == _EMPTY]
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


def labels_into(posts: Posts) -> Callable[[Sequence[ImageLabels]], None]:
    """What puts labels into the posts of their images; an image whose post is gone goes, too."""

    def show(rows: Sequence[ImageLabels]) -> None:
        for row in rows:
            labels = [label.name for label in row.labels]
            if not posts.attach(row.bucket, row.key, labels, row.version):
                posts.orphaned(row.key, row.version)

    return show


def _missing(makers: Iterable[Maker], reports: Sequence[Report]) -> list[ObjectRef]:
    lacking = (ref for maker in makers for ref in maker.missing(reports))
    return list(unique_everseen(lacking, key=_identity))


def _request(queue: Queue, refs: Iterable[ObjectRef]) -> int:
    return queue.send_all(map(ingest_body, refs))


def _identity(ref: ObjectRef) -> tuple[str, str]:
    return ref.uri, ref.row_version

"""Compare what stands in a bucket with what the tables say, and mend through the ingest queue."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, delete_order_body, ingest_body
from ingest_pipeline.aws.objects.listing import (
    Standing,
    list_newest_versions,
)
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.records.model import (
    POSTED,
    Asset,
    ObjectRef,
    Outcome,
    Report,
    is_settled,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
    REPORTS,
    report_key,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CHUNK = 100  # keys of one BatchGetItem


@dataclass(frozen=True)
class Difference:
    """An object on which bucket and tables disagree."""

    ref: ObjectRef
    problem: str
    is_deletion: bool = False  # that was asked for: it is to be carried out, not undone

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return self.ref.uri


@dataclass(frozen=True)
class Reconciler:
    """Finds differences in both directions; memory does not grow with the bucket."""

    s3: "S3Client"
    tables: Tables
    queue: Queue
    delete_queue: Queue

    def differences(self, bucket: str, grace: timedelta) -> Iterator[Difference]:
        """Where bucket and tables disagree, objects younger than `grace` left to their runs."""
        before = datetime.now(UTC) - grace
        for pairs in chunked(self._side_by_side(bucket), _CHUNK):
            yield from self._compare(pairs, before)

    def repair(self, differences: Iterable[Difference]) -> int:
        """Send each object through the ingest queue again, or its deletion; how many."""
        return sum(map(self._repair, chunked(differences, _CHUNK)))

    def _repair(self, differences: list[Difference]) -> int:
        deletions = [each.ref for each in differences if each.is_deletion]
        for ref in deletions:
            attributes = {VERSION_ATTRIBUTE: ref.version} if ref.version else {}
            self.delete_queue.send(delete_order_body(ref.bucket, ref.key), **attributes)
        others = (ingest_body(each.ref) for each in differences if not each.is_deletion)
        return len(deletions) + self.queue.send_all(others)

    def _side_by_side(self, bucket: str) -> Iterator["_Pair"]:
        """A merge of the bucket's listing and the index: both come in the order of UTF-8 bytes."""
        listed = (s for s in list_newest_versions(self.s3, bucket) if not s.ref.is_folder)
        standing = ((s.ref.key.encode(), s) for s in listed)
        assets = (
            (asset.file.encode(), asset)
            for asset in self.tables.query(ASSETS, ASSETS_BY_BUCKET, bucket)
            if not asset.deleted_at
        )
        merged = heapq.merge(standing, assets, key=itemgetter(0))
        for _key, group in groupby(merged, key=itemgetter(0)):
            sides = [side for _, side in group]
            yield _Pair(
                standing=next((side for side in sides if isinstance(side, Standing)), None),
                asset=next((side for side in sides if isinstance(side, Asset)), None),
            )

    def _compare(self, pairs: list["_Pair"], before: datetime) -> Iterator[Difference]:
        keys = [
            report_key(pair.standing.ref.uri, pair.standing.ref.row_version)
            for pair in pairs
            if pair.standing
        ]
        reports = {(r.uri, r.version): r for r in self.tables.get_many(REPORTS, keys)}
        for pair in pairs:
            ref = pair.ref
            report = reports.get((ref.uri, ref.row_version))
            problem = _problem(pair, report)
            if problem and ref.arrived < before and not _is_just_asked_for(report, before):
                yield Difference(ref, problem, is_deletion=_is_to_be_deleted(pair, report))


@dataclass(frozen=True)
class _Pair:
    standing: Standing | None
    asset: Asset | None

    @property
    def ref(self) -> ObjectRef:
        if self.standing:
            return self.standing.ref
        if self.asset:
            return ObjectRef(
                bucket=self.asset.bucket,
                key=self.asset.file,
                version=None if self.asset.version == POSTED else self.asset.version,
                arrived=self.asset.last_modified,
            )
        raise ValueError("a pair has at least one side")


def _is_to_be_deleted(pair: _Pair, report: Report | None) -> bool:
    is_standing = pair.standing is not None and not pair.standing.deleted
    return is_standing and report is not None and report.outcome is Outcome.DELETING


def _is_just_asked_for(report: Report | None, before: datetime) -> bool:
    """Whether a deletion was asked for so lately that its run is still to come."""
    return report is not None and report.outcome is Outcome.DELETING and report.judged_at >= before


def _problem(pair: _Pair, report: Report | None) -> str | None:
    if pair.standing is None or pair.standing.deleted:
        return _problem_of_absent(pair, report)
    if report is None:
        return "in the bucket, without a report"
    if report.outcome is Outcome.DELETING:
        return "its deletion was asked for and not carried out"
    if report.outcome not in {Outcome.INDEXED, Outcome.KEPT}:
        return f"in the bucket, its report {report.outcome}"
    indexed = pair.asset.version if pair.asset else None
    if indexed != (report.version if report.outcome is Outcome.INDEXED else None):
        return f"its report {report.outcome}, the index disagrees"
    return None


def _problem_of_absent(pair: _Pair, report: Report | None) -> str | None:
    if pair.asset:
        return "in the index, not in the bucket"
    if report is None or not is_settled(report):
        return "deleted without an outcome"
    if report.outcome in {Outcome.INDEXED, Outcome.KEPT, Outcome.DELETING}:
        # Its run died before it said so.
        return f"deleted, its report {report.outcome}"
    return None

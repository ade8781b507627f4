"""What was made of objects that are no longer in the index: reconciliation's third direction.

Nobody was there to take it away: a run was killed between two lines, or an owner deleted an object
at its source. Rows are walked by day and files by listing, some at a time, so memory does not grow
with either.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from more_itertools import chunked

from ingest_pipeline.aws.objects.listing import list_files
from ingest_pipeline.aws.objects.publish import Published, published
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.objects.versions import delete_all
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.records.model import (
    Asset,
    ImageLabels,
    Outcome,
    Preview,
    Rendition,
    Report,
    TranscodeJob,
    Transcript,
)
from ingest_pipeline.records.places import named_objects
from ingest_pipeline.records.tables import (
    ARRIVAL_DAYS,
    ASSETS,
    BY_DAY,
    DAYS,
    IMAGE_LABELS,
    PREVIEWS,
    RENDITIONS,
    REPORTS,
    TRANSCODE_JOBS,
    TRANSCRIPTS,
    Table,
    rendition_key,
    report_key,
)
from ingest_pipeline.values import object_uri

_TOGETHER = 100  # keys of one BatchGetItem
# So long what was made of an older version may wait for the newer one's: a transcoding takes hours.
_PATIENCE = timedelta(days=1)
_FOLDERS = ("previews/", "strips/", "thumbnails/", "posters/", "output/", "streams/")

Made = Rendition | Preview | ImageLabels | Transcript


@dataclass(frozen=True)
class Leftover:
    """What has outlived its object, or the report of a version that says it still stands."""

    uri: str
    problem: str
    of: Made | TranscodeJob | Report | str  # a row, or the key of a file


@dataclass(frozen=True)
class Leftovers:
    """Finds and removes them."""

    tables: Tables
    derived: Derived
    buckets: Sequence[str]  # of sources

    def find(self, grace: timedelta) -> Iterator[Leftover]:
        """All of them; what is younger than `grace` is left to its run."""
        before = datetime.now(UTC) - grace
        for table in (RENDITIONS, PREVIEWS, IMAGE_LABELS, TRANSCRIPTS):
            yield from self._rows(table, before)
        yield from self._jobs(before)
        yield from self._reports(before)
        yield from self._files(before)

    def remove(self, found: Iterable[Leftover]) -> int:
        """Remove them; how many."""
        number = 0
        for leftover in found:
            match leftover.of:
                case Report() as report:
                    self.tables.put(REPORTS, [report.becomes(Outcome.SUPERSEDED)])
                case str(key):
                    delete_all(self.derived.s3, self.derived.bucket, [key])
                case TranscodeJob() as job:
                    self.derived.end_job(job)
                case row:
                    self.derived.remove_version(row.bucket, row.key, row.version)
            number += 1
        return number

    def _rows(self, table: Table[Any], before: datetime) -> Iterator[Leftover]:
        for rows in chunked(self._by_day(table), _TOGETHER):
            standing = self._standing((row.bucket, row.key) for row in rows)
            followed = self._followed(rows, standing)
            for row in rows:
                asset = standing.get(row.uri)
                patience = timedelta(0) if row.uri in followed else _PATIENCE
                if row.made_at < before and _has_outlived(row, asset, before - patience):
                    problem = f"{table.name} of version {row.version}, which is not in the index"
                    yield Leftover(row.uri, problem, row)

    def _followed(self, rows: Sequence[Made], standing: Mapping[str, Asset]) -> set[str]:
        """The objects of older versions' rows of whose newer version all is there.

        A preview comes last, whatever the kind; who published it may have died before the older
        version's went.
        """
        newer = [
            report_key(row.uri, asset.version)
            for row in rows
            if (asset := standing.get(row.uri)) and asset.version != row.version
        ]
        return {preview.uri for preview in self.tables.get_many(PREVIEWS, newer)}

    def _jobs(self, before: datetime) -> Iterator[Leftover]:
        """Jobs of what is not in the index, and those whose rendition stands: their run died."""
        cursor: str | None = None
        while True:
            page = self.tables.scan(
                TRANSCODE_JOBS,
                key=("object", "version_preset"),
                limit=_TOGETHER,
                cursor=cursor,
            )
            standing = self._standing((job.bucket, job.key) for job in page.rows)
            keys = [rendition_key(job.uri, job.version, job.preset) for job in page.rows]
            made = {(r.uri, r.version, r.preset) for r in self.tables.get_many(RENDITIONS, keys)}
            for job in page.rows:
                asset = standing.get(job.uri)
                is_wanted = asset and not asset.is_deleted and asset.version == job.version
                is_done = (job.uri, job.version, job.preset) in made
                if job.submitted_at < before and (is_done or not is_wanted):
                    problem = f"a transcoding of version {job.version} that nobody waits for"
                    yield Leftover(job.uri, problem, job)
            if (cursor := page.cursor) is None:
                return

    def _reports(self, before: datetime) -> Iterator[Leftover]:
        """Reports that say indexed of a version whose place another one has taken."""
        indexed = (row for row in self._by_day(REPORTS) if row.outcome is Outcome.INDEXED)
        for reports in chunked(indexed, _TOGETHER):
            standing = self._standing((report.bucket, report.key) for report in reports)
            for report in reports:
                asset = standing.get(report.uri)
                is_replaced = asset is not None and asset.version != report.version
                if is_replaced and report.judged_at < before:
                    problem = f"version {report.version} is told to be indexed and is not"
                    yield Leftover(report.uri, problem, report)

    def _files(self, before: datetime) -> Iterator[Leftover]:
        """Files in whose place nothing that is in the index can have put them."""
        s3, bucket = self.derived.s3, self.derived.bucket
        files = (file.key for folder in _FOLDERS for file in list_files(s3, bucket, folder))
        for keys in chunked(files, _TOGETHER):
            named = {key: named_objects(key, self.buckets) for key in keys}
            standing = self._standing(each for objects in named.values() for each in objects)
            live = {uri for uri, asset in standing.items() if not asset.is_deleted}
            for key, objects in named.items():
                if live.isdisjoint(object_uri(*each) for each in objects):
                    yield from self._orphan(key, before)

    def _orphan(self, key: str, before: datetime) -> Iterator[Leftover]:
        """The file at a key, unless it is young, or tells of an object that is in the index.

        A file that tells no version was not published: whose it is nobody knows.
        """
        try:
            stored = published(self.derived.s3, self.derived.bucket, key)
        except ObjectGoneError:
            return
        is_ours = stored.source_version is not None
        is_young = stored.last_modified is None or stored.last_modified >= before
        if is_ours and not is_young and not self._is_live(stored):
            uri = object_uri(self.derived.bucket, key)
            yield Leftover(uri, f"made of {stored.source or 'an object'} that is no more", key)

    def _is_live(self, stored: Published) -> bool:
        if stored.source is None:
            return False
        bucket, _, key = stored.source.removeprefix("s3://").partition("/")
        asset = self.tables.get(ASSETS, {"bucket": bucket, "file": key})
        return asset is not None and not asset.is_deleted

    def _by_day(self, table: Table[Any]) -> Iterator[Any]:
        for day in self.tables.query(DAYS, ARRIVAL_DAYS, "all"):
            yield from self.tables.query(table, BY_DAY, day.day)

    def _standing(self, objects: Iterable[tuple[str, str]]) -> dict[str, Asset]:
        """The rows of the index by their objects, tombstones included."""
        keys = [{"bucket": bucket, "file": key} for bucket, key in objects]
        return {asset.uri: asset for asset in self.tables.get_many(ASSETS, keys)}


def _has_outlived(row: Made, asset: Asset | None, since: datetime) -> bool:
    if asset is None or asset.is_deleted:
        return True
    return asset.version != row.version and asset.judged_at < since

"""What is made of an object: for whom it may stand, where it lies, and how it goes.

A rendition, poster, thumbnail, strip, preview, label or transcript stands only for the version in
the index. Publishing and deleting meet without a lock: who deletes writes the tombstone first and
lists the places after it; who publishes writes first and asks the index after that. So either the
one sees the files, or the other sees the tombstone and takes its own back.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.listing import list_folders, list_keys
from ingest_pipeline.aws.objects.publish import Published, published
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.objects.versions import delete_all
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.pipeline.result import Result, Value, for_each
from ingest_pipeline.records.model import Asset, Rendition, Report, TranscodeJob
from ingest_pipeline.records.places import (
    RENDITIONS_FOLDER,
    STREAMS_FOLDER,
    has_room,
    has_stream_room,
    is_stream_file,
    is_thumbnail,
    job_folder,
    picture_place,
    poster_place,
    rendition_place,
    streams_folder,
    thumbnails_folder,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
    PREVIEWS,
    PREVIEWS_BY_OBJECT,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    REPORTS,
    REPORTS_BY_OBJECT,
    TRANSCODE_JOBS,
    TRANSCODE_JOBS_BY_OBJECT,
    TRANSCRIPTS,
    TRANSCRIPTS_BY_OBJECT,
)
from ingest_pipeline.values import object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_WATCH_SECONDS = 2.0


def _cancel_nothing(_job_id: str) -> None:
    """Where no service transcodes, there is no job to cancel."""


@dataclass(frozen=True)
class Removed:
    """What went."""

    files: tuple[str, ...] = ()  # keys in the bucket of renditions
    rows: int = 0


@dataclass(frozen=True)
class Derived:
    """Everything that is made of objects, whatever made it."""

    s3: "S3Client"
    tables: Tables
    bucket: str  # of renditions and pictures
    cancel: Callable[[str], None] = _cancel_nothing  # of a job, by its id

    def current(self, reports: Iterable[Report]) -> list[tuple[Report, Asset]]:
        """Those whose version is the one in the index, each with its row there."""
        reports = list(reports)
        keys = [{"bucket": report.bucket, "file": report.key} for report in reports]
        rows = {
            (asset.bucket, asset.file, asset.version): asset
            for asset in self.tables.get_many(ASSETS, keys)
            if not asset.is_deleted
        }
        found = ((r, rows.get((r.bucket, r.key, r.version))) for r in reports)
        return [(report, asset) for report, asset in found if asset]

    def publish(
        self,
        reports: Sequence[Report],
        write: Callable[[list[Report]], list[Result[Value]]],
    ) -> list[Result[Value]]:
        """Have files and rows of versions written that are the ones in the index.

        Where one no longer is when they stand, they are taken back; where it took another's place,
        what was made of that one goes now. Those that were passed over are done.
        """
        wanted = [report for report, _ in self.current(reports)]
        results = write(wanted)
        standing = {_name(report): asset for report, asset in self.current(wanted)}
        for report in wanted:
            asset = standing.get(_name(report))
            if asset is None:
                self.remove_version(report.bucket, report.key, report.version)
            elif asset.replaces:
                self.remove_others(report.bucket, report.key, report.version)
                self.tables.put(ASSETS, [asset.model_copy(update={"replaces": None})])
        kept = [each for each in results if (each.ref.uri, each.ref.version) in standing]
        return for_each([report.ref for report in reports], kept)

    @contextmanager
    def watched(self, report: Report) -> Iterator[threading.Event]:
        """An event that is set as soon as a version is no longer the one in the index."""
        gone, over = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.wait(_WATCH_SECONDS):
                if not self.current([report]):
                    gone.set()
                    return

        watcher = threading.Thread(target=watch, name="watch", daemon=True)
        watcher.start()
        try:
            yield gone
        finally:
            over.set()
            watcher.join()

    def remove_version(self, bucket: str, key: str, gone: str) -> Removed:
        """Remove what was made of one version of a key."""
        return self._remove(bucket, key, lambda version: version == gone)

    def remove_all(self, bucket: str, key: str) -> Removed:
        """Remove all that was made of any version of a key."""
        return self._remove(bucket, key, lambda _version: True)

    def remove_others(self, bucket: str, key: str, kept: str) -> Removed:
        """Remove what was made of other versions of a key than this one."""
        return self._remove(bucket, key, lambda version: version != kept)

    def end_job(self, job: TranscodeJob) -> None:
        """Cancel a service's job, and delete what it has written so far; its row last."""
        if job.job_id and job.end is None:
            self.cancel(job.job_id)
        folder = job_folder(job.token)
        delete_all(self.s3, self.bucket, list_keys(self.s3, self.bucket, folder))
        self.tables.delete(TRANSCODE_JOBS, TRANSCODE_JOBS.key(job))

    def end_jobs(self, report: Report) -> None:
        """End the jobs of a version."""
        for job in self._jobs(report.uri):
            if job.version == report.version:
                self.end_job(job)

    def _remove(self, bucket: str, key: str, goes: Callable[[str], bool]) -> Removed:
        """Remove by a listing of the places, and the rows last: they are what leads there again."""
        uri = object_uri(bucket, key)
        for job in self._jobs(uri):
            if goes(job.version):
                self.end_job(job)
        mine = _Mine(self.tables, uri)
        files = [
            place
            for place, stored in self._places(bucket, key)
            if stored.source_version and goes(stored.source_version) and mine.made(stored)
        ]
        delete_all(self.s3, self.bucket, files)
        return Removed(tuple(files), self._remove_rows(uri, goes))

    def _places(self, bucket: str, key: str) -> Iterator[tuple[str, Published]]:
        """The files that stand in the places of a key; the rendition last, it leads to the rest."""
        for folder in list_folders(self.s3, self.bucket, RENDITIONS_FOLDER):
            preset = folder.removeprefix(RENDITIONS_FOLDER).rstrip("/")
            if not has_room(preset, key):
                continue
            thumbnails = thumbnails_folder(preset, key)
            names = list_keys(self.s3, self.bucket, thumbnails)
            yield from self._standing(
                [
                    *(name for name in names if is_thumbnail(name.removeprefix(thumbnails))),
                    poster_place(preset, key),
                    rendition_place(preset, key),
                ]
            )
        yield from self._standing(self._stream_files(bucket, key))
        pictures = (picture_place(folder, bucket, key) for folder in ("strips", "previews"))
        yield from self._standing(pictures)

    def _stream_files(self, bucket: str, key: str) -> Iterator[str]:
        for preset_folder in list_folders(self.s3, self.bucket, STREAMS_FOLDER):
            preset = preset_folder.removeprefix(STREAMS_FOLDER).rstrip("/")
            if has_stream_room(preset, bucket, key):
                folder = streams_folder(preset, bucket, key)
                for name in list_keys(self.s3, self.bucket, folder):
                    if is_stream_file(name.removeprefix(folder)):
                        yield name

    def _standing(self, keys: Iterable[str]) -> Iterator[tuple[str, Published]]:
        for key in keys:
            try:
                yield key, published(self.s3, self.bucket, key)
            except ObjectGoneError:
                continue

    def _remove_rows(self, uri: str, goes: Callable[[str], bool]) -> int:
        number = 0
        for preview in list(self.tables.query(PREVIEWS, PREVIEWS_BY_OBJECT, uri)):
            if goes(preview.version):
                self.tables.delete(PREVIEWS, PREVIEWS.key(preview))
                number += 1
        for labels in list(self.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, uri)):
            if goes(labels.version):
                self.tables.delete(IMAGE_LABELS, IMAGE_LABELS.key(labels))
                number += 1
        for transcript in list(self.tables.query(TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT, uri)):
            if goes(transcript.version):
                self.tables.delete(TRANSCRIPTS, TRANSCRIPTS.key(transcript))
                number += 1
        renditions: list[Rendition] = list(self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, uri))
        for rendition in renditions:
            if goes(rendition.version):
                self.tables.delete(RENDITIONS, RENDITIONS.key(rendition))
                number += 1
        return number

    def _jobs(self, uri: str) -> list[TranscodeJob]:
        return list(self.tables.query(TRANSCODE_JOBS, TRANSCODE_JOBS_BY_OBJECT, uri))


def _name(report: Report) -> tuple[str, str | None]:
    return report.uri, report.version


class _Mine:
    """Tells the files of a key from those of the same key in another bucket.

    The contract's place for renditions does not name the bucket. Files that the first version made
    do not say of which object they are: those belong to whom the version is known of.
    """

    def __init__(self, tables: Tables, uri: str) -> None:
        self._tables = tables
        self._uri = uri
        self._versions: set[str] | None = None

    def made(self, stored: Published) -> bool:
        if stored.source:
            return stored.source == self._uri
        if self._versions is None:
            reports = self._tables.query(REPORTS, REPORTS_BY_OBJECT, self._uri)
            self._versions = {report.version for report in reports}
        return stored.source_version in self._versions

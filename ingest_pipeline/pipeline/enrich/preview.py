"""Previews of what is indexed: a waveform, a poster with a strip of frames, or a thumbnail."""

import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.content import download_object
from ingest_pipeline.aws.objects.publish import publish
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
)
from ingest_pipeline.aws.objects.versions import (
    download_version,
    open_version,
)
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.audio.waveform import (
    WaveformDrawer,
    WaveformError,
)
from ingest_pipeline.media.image.reader import (
    MOST_BYTES,
    ImageError,
    ImageReader,
    Picture,
    warm_reader,
)
from ingest_pipeline.media.model import Kind, Reason
from ingest_pipeline.media.video.ffmpeg import full_disk_told
from ingest_pipeline.media.video.strip import (
    FRAME_WIDTH,
    FRAMES,
    take_strip,
)
from ingest_pipeline.media.video.transcode import (
    TranscodeError,
)
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Done, Refused, Result, attempt, for_each
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Preview,
    Rendition,
    Report,
)
from ingest_pipeline.records.places import picture_place
from ingest_pipeline.records.tables import (
    PREVIEWS,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    report_key,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

POSTER_BOX = 480  # pixels
_AT_ONCE = 4  # objects fetched; their pictures are drawn one after the other
_KINDS = {Kind.AUDIO, Kind.IMAGE, Kind.VIDEO}
_UNTRANSCODED = "transcodable"  # the rule by which a report says that there is no rendition
_WANTED = "a preview"


@dataclass(frozen=True)
class Previewer:
    """Makes the previews of indexed versions. Doing so twice makes them once.

    Recordings and images are streamed from their buckets; the pictures of a video are taken of
    its rendition, which is small and of a format of our own. All is decoded in limited children.
    """

    s3: "S3Client"
    tables: Tables
    derived: Derived
    ffmpeg: Path | None = None
    run_id: str | None = None
    _drawer: WaveformDrawer = field(default_factory=WaveformDrawer)
    _images: ImageReader = field(default_factory=warm_reader)

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """The indexed objects whose preview can be made and is not."""
        return [report.ref for report in self._lacking(reports)]

    def preview(self, refs: Sequence[ObjectRef]) -> list[Result[Preview]]:
        """Make what is missing of these: the preview made now, or refused, the row says why."""
        lacking = self._lacking(reports_of(self.tables, refs))
        with self._drawer, ThreadPoolExecutor(_AT_ONCE) as pool:
            return for_each(refs, pool.map(self._attempt, lacking))

    def _lacking(self, reports: Iterable[Report]) -> list[Report]:
        wanted = [
            report
            for report in reports
            if report.outcome is Outcome.INDEXED and report.probe and report.probe.kind in _KINDS
        ]
        keys = [report_key(report.uri, report.version) for report in wanted]
        made = {(each.uri, each.version): each for each in self.tables.get_many(PREVIEWS, keys)}
        return [
            report
            for report in wanted
            if self._lacks(report, made.get((report.uri, report.version)))
        ]

    def _lacks(self, report: Report, made: Preview | None) -> bool:
        """Whether there is something to do now: a video waits for its rendition, or its failure."""
        if report.probe is None or report.probe.kind is not Kind.VIDEO:
            return made is None
        if made is None:
            return self._rendition(report) is not None or _failure(report) is not None
        is_without = made.reason is not None and made.reason.rule == _UNTRANSCODED
        return is_without and self._rendition(report) is not None

    def _attempt(self, report: Report) -> Result[Preview]:
        def work() -> Result[Preview]:
            (result,) = self.derived.publish(
                [report], lambda current: list(map(self._made, current))
            )
            return result

        return attempt(report.ref, work)

    def _made(self, report: Report) -> Result[Preview]:
        with tempfile.TemporaryDirectory(prefix="preview-") as folder:
            preview = self._make(report, Path(folder))
        self.tables.put(PREVIEWS, [preview])
        if preview.preview_key is None:
            return Refused(report.ref, str(preview.reason), preview)
        return Done(report.ref, preview)

    def _make(self, report: Report, folder: Path) -> Preview:
        kind = report.probe.kind if report.probe else Kind.OTHER
        makers = {Kind.AUDIO: self._waveform, Kind.VIDEO: self._film, Kind.IMAGE: self._thumbnail}
        try:
            return makers[kind](report, folder)
        except (ImageError, WaveformError) as error:
            return self._without(report, _unable(error))
        except ObjectGoneError:
            gone = Reason(rule="present", found="the version is gone", wanted="an object")
            return self._without(report, gone)

    def _waveform(self, report: Report, folder: Path) -> Preview:
        source = folder / "source"
        with full_disk_told(folder, report.size or 0):
            download_version(self.s3, report, source)
        return self._published(report, folder, self._drawer.draw(source))

    def _thumbnail(self, report: Report, folder: Path) -> Preview:
        if (report.size or 0) > MOST_BYTES:
            raise ImageError(f"{report.size} bytes, wanted at most {MOST_BYTES}")
        with closing(open_version(self.s3, report)) as body:
            picture = self._images.thumbnail(body.read())
        return self._published(report, folder, picture)

    def _film(self, report: Report, folder: Path) -> Preview:
        rendition = self._rendition(report)
        if rendition is None:
            return self._without(report, _failure(report) or _unable("there is no rendition"))
        poster = self._fetch(rendition, str(rendition.poster_key), folder / "poster").read_bytes()
        preview = self._published(report, folder, self._images.thumbnail(poster, POSTER_BOX))
        if preview.preview_key is None:
            return preview
        try:
            strip = self._strip(rendition, folder)
        except TranscodeError as error:
            return preview.model_copy(update={"reason": _unable(error)})
        key = picture_place("strips", report.bucket, report.key)
        self._publish(report, folder, strip, key)
        return preview.model_copy(update={"strip_key": key})

    def _strip(self, rendition: Rendition, folder: Path) -> Picture:
        with full_disk_told(folder, rendition.size):
            video = self._fetch(rendition, rendition.file_keys[0], folder / "video")
        strip = take_strip(video, folder, rendition.duration_seconds, self.ffmpeg)
        return self._images.thumbnail(strip.read_bytes(), FRAMES * FRAME_WIDTH)

    def _fetch(self, rendition: Rendition, key: str, path: Path) -> Path:
        download_object(self.s3, rendition.rendition_bucket, key, path)
        return path

    def _rendition(self, report: Report) -> Rendition | None:
        made = self.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, report.uri)
        mine = (each for each in made if each.version == report.version)
        return min(mine, key=lambda each: each.is_ladder, default=None)

    def _published(self, report: Report, folder: Path, picture: Picture) -> Preview:
        """The row of a picture, which stands there now unless a newer version's does."""
        key = picture_place("previews", report.bucket, report.key)
        if not self._publish(report, folder, picture, key):
            newer = "a newer version's preview stands there"
            return self._without(report, Reason(rule="newest", found=newer, wanted=_WANTED))
        return self._row(report).model_copy(
            update={
                "preview_key": key,
                "content_type": picture.content_type,
                "width": picture.width,
                "height": picture.height,
                "size": len(picture.data),
            }
        )

    def _publish(self, report: Report, folder: Path, picture: Picture, key: str) -> bool:
        path = folder / "picture"
        path.write_bytes(picture.data)
        return publish(
            self.s3,
            path,
            self.derived.bucket,
            key,
            content_type=picture.content_type,
            source=report,
        )

    def _without(self, report: Report, reason: Reason) -> Preview:
        return self._row(report).model_copy(update={"reason": reason})

    def _row(self, report: Report) -> Preview:
        return Preview(
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            day=report.day,
            kind=report.probe.kind if report.probe else Kind.OTHER,
            preview_bucket=self.derived.bucket,
            made_at=datetime.now(UTC),
            run_id=self.run_id,
        )


def _failure(report: Report) -> Reason | None:
    """Why a video has no rendition and gets none; None: it may still come."""
    return next((reason for reason in report.reasons if reason.rule == _UNTRANSCODED), None)


def _unable(error: object) -> Reason:
    return Reason(rule="previewable", found=str(error)[-500:], wanted=_WANTED)

"""Renditions of videos: from a version in its bucket to files in the rendition bucket and a row."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects import download_version, publish
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalog.model import ObjectRef, Outcome, Rendition, Report
from ingest_pipeline.catalog.tables import RENDITIONS, REPORTS, rendition_key, report_key
from ingest_pipeline.media.model import Kind, Reason, VideoInfo
from ingest_pipeline.media.presets import Preset, Presets
from ingest_pipeline.media.transcode import Progress, Transcoded, TranscodeError, transcode

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ENGINE = "ffmpeg"
_CONTENT_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}
_RULE = "transcodable"


@dataclass(frozen=True)
class Renderer:
    """Makes the renditions that the presets ask for. Doing so twice makes them once.

    A video is streamed to disk, never held in memory.
    """

    s3: "S3Client"
    tables: Tables
    presets: Presets
    bucket: str
    run_id: str | None = None

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """The indexed videos of which a rendition is still to be made."""
        videos = [
            report
            for report in reports
            if report.outcome is Outcome.INDEXED and report.probe and _is_video(report)
        ]
        keys = [
            rendition_key(report.uri, report.version, preset.name)
            for report in videos
            for preset in self.presets.preset
        ]
        made = {(r.uri, r.version, r.preset) for r in self.tables.get_many(RENDITIONS, keys)}
        return [
            _ref(report)
            for report in videos
            if any(
                (report.uri, report.version, preset.name) not in made
                for preset in self.presets.preset
            )
        ]

    def render(self, ref: ObjectRef, on_progress: Callable[[str], None]) -> list[Rendition]:
        """Make the renditions of a version that is still indexed; those made now.

        A video that ffmpeg cannot transcode keeps its place in the index, with ffmpeg's words
        among its reasons: that our encoder failed does not make it invalid.

        Raises:
            TranscodeResourceError: disk, memory or ffmpeg were missing; try again later.
            ObjectGoneError: the version is gone.
        """
        report = self.tables.get(REPORTS, report_key(ref.uri, ref.row_version))
        if report is None or not self.missing([report]):
            return []
        with tempfile.TemporaryDirectory(prefix="render-") as folder:
            source = Path(folder) / "source"
            download_version(self.s3, report, source)
            try:
                return [
                    self._render(report, source, Path(folder), preset, on_progress)
                    for preset in self._presets_for(report)
                ]
            except TranscodeError as error:
                reason = Reason(rule=_RULE, found=str(error)[-500:], wanted="a rendition")
                self.tables.put(REPORTS, [report.becomes(Outcome.INDEXED, reasons=(reason,))])
                return []

    def _presets_for(self, report: Report) -> list[Preset]:
        return [
            preset
            for preset in self.presets.preset
            if not self.tables.get(
                RENDITIONS, rendition_key(report.uri, report.version, preset.name)
            )
        ]

    def _render(
        self,
        report: Report,
        source: Path,
        folder: Path,
        preset: Preset,
        on_progress: Callable[[str], None],
    ) -> Rendition:
        made = transcode(
            source,
            folder,
            preset,
            _video(report),
            on_progress=_Spoken(preset.name, on_progress).say,
        )
        rendition = self._row(report, preset, made)
        files = [
            (made.path, rendition.rendition_key, rendition.content_type),
            (made.poster, str(rendition.poster_key), "image/jpeg"),
            *(
                (path, key, "image/png")
                for path, key in zip(made.thumbnails, rendition.thumbnail_keys, strict=True)
            ),
        ]
        for path, key, content_type in files:
            publish(self.s3, path, self.bucket, key, content_type=content_type, source=report)
        self.tables.put(RENDITIONS, [rendition])
        return rendition

    def _row(self, report: Report, preset: Preset, made: Transcoded) -> Rendition:
        video = made.probe.video
        place = f"{preset.name.lower()}/{report.key}"
        return Rendition(
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            preset=preset.name,
            day=report.day,
            rendition_bucket=self.bucket,
            rendition_key=f"output/{place}",
            content_type=_CONTENT_TYPES[preset.container],
            poster_key=f"posters/{place}.jpg",
            thumbnail_keys=tuple(
                f"thumbnails/{place}/{number:05}.png"
                for number in range(1, len(made.thumbnails) + 1)
            ),
            size=made.path.stat().st_size,
            duration_seconds=(video.duration_seconds or 0.0) if video else 0.0,
            width=(video.width or 0) if video else 0,
            height=(video.height or 0) if video else 0,
            bit_rate=(video.bit_rate or 0) if video else 0,
            engine=_ENGINE,
            seconds_taken=made.seconds,
            checks=tuple(map(str, made.checks)),
            made_at=datetime.now(UTC),
            run_id=self.run_id,
        )


class _Spoken:
    """Progress as lines for a log: one every ten percent, or thirty seconds of video."""

    def __init__(self, preset: str, say: Callable[[str], None]) -> None:
        self._preset = preset
        self._say = say
        self._step = -1

    def say(self, progress: Progress) -> None:
        percent = progress.percent
        step = int(percent // 10 if percent is not None else progress.seconds // 30)
        if step > self._step:
            self._step = step
            done = f"{percent:.0f} %" if percent is not None else f"{progress.seconds:.0f} s"
            self._say(f"{self._preset}: {done}, speed {progress.speed or 0:.1f}x")


def _is_video(report: Report) -> bool:
    return report.probe is not None and report.probe.kind is Kind.VIDEO


def _video(report: Report) -> VideoInfo:
    if report.probe is None or report.probe.video is None:
        raise ValueError(f"{report.uri} was not probed as a video")
    return report.probe.video


def _ref(report: Report) -> ObjectRef:
    return ObjectRef(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        etag=report.etag,
        size=report.size,
        arrived=report.last_modified or report.judged_at,
    )

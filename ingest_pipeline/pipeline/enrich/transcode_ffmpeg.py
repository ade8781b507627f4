"""The engine `ffmpeg`: a limited child on this machine."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.publish import publish
from ingest_pipeline.aws.objects.versions import download_version
from ingest_pipeline.media.video.ffmpeg import full_disk_told
from ingest_pipeline.media.video.ladder import Ladder, make_ladder
from ingest_pipeline.media.video.presets import Preset
from ingest_pipeline.media.video.transcode import (
    Progress,
    Transcoded,
    TranscodeError,
    transcode,
)
from ingest_pipeline.pipeline.enrich.transcode import (
    Candidate,
    Failure,
    as_ladder,
    rendition_row,
    video_of,
)
from ingest_pipeline.records.model import (
    Rendition,
    Report,
)
from ingest_pipeline.records.places import STREAM_TYPES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class FfmpegEngine:
    """Transcodes here. A video is streamed to disk, never held in memory."""

    s3: "S3Client"
    bucket: str  # of renditions
    ffmpeg: Path | None = None  # the program; None: the better of the PATH's and the package's
    run_id: str | None = None

    def transcode(
        self,
        report: Report,
        presets: Sequence[Preset],
        say: Callable[[str], None],
        stop: threading.Event,
    ) -> Iterator[Candidate | Failure]:
        """Download the version once, and make one rendition after the other.

        Raises:
            TranscodeResourceError: disk, memory, time or ffmpeg were missing; try again later.
            TranscodeStoppedError: `stop` was set.
            ObjectGoneError: the version is gone.
        """
        with tempfile.TemporaryDirectory(prefix="transcode-") as folder:
            source = Path(folder) / "source"
            with full_disk_told(Path(folder), report.size or 0):
                download_version(self.s3, report, source)
            for preset in presets:
                make = make_ladder if preset.is_ladder else transcode
                try:
                    made = make(
                        source,
                        Path(folder),
                        preset,
                        video_of(report),
                        on_progress=_Spoken(preset.name, say).say,
                        stop=stop,
                        ffmpeg=self.ffmpeg,
                    )
                except TranscodeError as error:
                    yield Failure(preset.name, str(error))
                    continue
                for warning in made.warnings:
                    say(f"{preset.name}: {warning}")
                yield self._candidate(report, preset, made)

    def _candidate(self, report: Report, preset: Preset, made: Transcoded | Ladder) -> Candidate:
        if isinstance(made, Ladder):
            rendition = self._ladder_row(report, preset, made)
            return Candidate(rendition, partial(self._publish_ladder, report, made, rendition))
        rendition = self._row(report, preset, made)
        return Candidate(rendition, partial(self._publish, report, made, rendition))

    def _publish_ladder(self, report: Report, made: Ladder, rendition: Rendition) -> bool:
        """Put all files, those that name others behind them; the folder is this version's own."""
        return all(
            publish(
                self.s3,
                made.folder / name,
                self.bucket,
                key,
                content_type=STREAM_TYPES[name.rpartition(".")[2]],
                source=report,
            )
            for name, key in zip(made.files, rendition.file_keys, strict=True)
        )

    def _ladder_row(self, report: Report, preset: Preset, made: Ladder) -> Rendition:
        row = rendition_row(
            report,
            preset,
            made.probe,
            made.checks,
            bucket=self.bucket,
            size=made.size,
            thumbnails=0,
            thumbnail_type="jpg",
            engine="ffmpeg",
            seconds_taken=made.seconds,
            run_id=self.run_id,
        )
        return as_ladder(
            row,
            report,
            files=made.files,
            duration_seconds=made.duration_seconds,
            bit_rate=made.bit_rate,
            audio_codec=made.audio_codec,
        )

    def _publish(self, report: Report, made: Transcoded, rendition: Rendition) -> bool:
        """Whether it stands there now; what was made of a newer version stays."""
        files = [
            (made.path, rendition.rendition_key, rendition.content_type),
            (made.poster, str(rendition.poster_key), "image/jpeg"),
            *(
                (path, key, "image/png")
                for path, key in zip(made.thumbnails, rendition.thumbnail_keys, strict=True)
            ),
        ]
        return all(
            publish(self.s3, path, self.bucket, key, content_type=content_type, source=report)
            for path, key, content_type in files
        )

    def _row(self, report: Report, preset: Preset, made: Transcoded) -> Rendition:
        return rendition_row(
            report,
            preset,
            made.probe,
            made.checks,
            bucket=self.bucket,
            size=made.path.stat().st_size,
            thumbnails=len(made.thumbnails),
            thumbnail_type="png",
            engine="ffmpeg",
            seconds_taken=made.seconds,
            run_id=self.run_id,
            remuxed=made.remuxed,
            warnings=made.warnings,
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

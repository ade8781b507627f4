"""Renditions of videos: from a version in its bucket to files in the rendition bucket and a row."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from more_itertools import partition

from ingest_pipeline.aws.objects.publish import published
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Kind, Probe, Reason, VideoInfo
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.media.video.checks import Check
from ingest_pipeline.media.video.ffmpeg import TranscodeStoppedError
from ingest_pipeline.media.video.ladder import MASTER, POSTER
from ingest_pipeline.media.video.presets import (
    Preset,
    Presets,
)
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Done, Refused, Result, attempt, values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Rendition,
    Report,
    TranscodeJob,
)
from ingest_pipeline.records.places import (
    STREAM_TYPES,
    has_room,
    has_stream_room,
    poster_place,
    rendition_place,
    stream_folder,
    thumbnails_folder,
)
from ingest_pipeline.records.tables import (
    RENDITIONS,
    REPORTS,
    Condition,
    rendition_key,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONTENT_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}
_RULE = "transcodable"
_NO_ROOM = "its key is so long that those of its thumbnails would have more than 1,024 bytes"


# A video may have been deleted or replaced while it was transcoded.
_STILL_INDEXED = replace(
    REPORTS,
    condition=lambda _report: Condition(
        "outcome = :indexed", values={":indexed": Outcome.INDEXED.value}
    ),
)


@dataclass(frozen=True)
class Failure:
    """A preset could not be carried out, now or later."""

    preset: str
    words: str  # the engine's


@dataclass(frozen=True)
class Candidate:
    """A rendition that was made and accepted, and what puts its files where they belong."""

    rendition: Rendition
    publish: Callable[[], bool]  # False: a newer version's stands there


class Engine(Protocol):
    """What transcodes: here and now, or a service that is asked and tells later."""

    def transcode(
        self,
        report: Report,
        presets: Sequence[Preset],
        say: Callable[[str], None],
        stop: threading.Event,
    ) -> Iterator[Candidate | TranscodeJob | Failure]:
        """What comes of each preset: a rendition to be published, or the job that is making it.

        Nothing comes where a newer version took the place of this one. What comes is published and
        on record before the iterator is asked for more: then what led to it may be forgotten.

        Raises:
            TranscodeStoppedError: `stop` was set.
        """


@dataclass(frozen=True)
class Transcoding:
    """What became of a version."""

    source: Report
    made: tuple[Rendition, ...]  # now
    jobs: tuple[TranscodeJob, ...]  # that a service is at work on
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Transcoder:
    """Makes the renditions that the presets ask for. Doing so twice makes them once."""

    tables: Tables
    derived: Derived
    presets: Presets
    engine: Engine
    sources: Sources | None = None  # which say the presets of their videos; None: none does

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
            for preset in self._wanted(report)
        ]
        made = {(r.uri, r.version, r.preset) for r in self.tables.get_many(RENDITIONS, keys)}
        return [
            report.ref
            for report in videos
            if any(
                (report.uri, report.version, preset.name) not in made
                for preset in self._wanted(report)
            )
        ]

    def transcode(self, ref: ObjectRef, say: Callable[[str], None]) -> Result[Transcoding]:
        """Make the renditions that a version lacks while it is indexed.

        A video that cannot be transcoded keeps its place in the index, with the engine's words
        among its reasons: that our encoder failed does not make it invalid.
        """
        return attempt(ref, lambda: self._transcode(ref, say))

    def _transcode(self, ref: ObjectRef, say: Callable[[str], None]) -> Result[Transcoding]:
        reports = reports_of(self.tables, [ref])
        if not reports:
            return Done(ref)
        (report,) = reports
        if not self.derived.current(reports):
            say(f"{report.uri} is replaced or deleted")
            self.derived.remove_version(report.bucket, report.key, report.version)
            return Done(ref)
        if not self.missing(reports):
            self.derived.end_jobs(report)  # whose run died once their renditions were on record
            return Done(ref)
        with self.derived.watched(report) as gone:
            try:
                return self._advance(report, say, gone)
            except TranscodeStoppedError:
                say(f"{report.uri} was replaced or deleted meanwhile: stopped")
                return Done(ref)

    def _advance(
        self, report: Report, say: Callable[[str], None], gone: threading.Event
    ) -> Result[Transcoding]:
        """Bring each preset as far as it goes now."""
        ref = report.ref
        made: list[Rendition] = []
        jobs: list[TranscodeJob] = []
        presets = self._presets_for(report)
        cramped, roomy = partition(partial(_has_room, report), presets)
        failures = [Failure(preset.name, _NO_ROOM) for preset in cramped]
        if failures:
            self._record(report, failures)
        for each in self.engine.transcode(report, list(roomy), say, gone):
            match each:
                case Candidate():
                    made += values(
                        self.derived.publish([report], partial(self._published, each, say))
                    )
                case TranscodeJob():
                    if self.derived.current([report]):
                        jobs.append(each)
                    else:  # deleted or replaced while it was asked for
                        self.derived.end_jobs(report)
                case Failure():
                    failures.append(each)
                    self._record(report, failures)
        done = Transcoding(report, tuple(made), tuple(jobs), tuple(failures))
        if failures:
            return Refused(
                ref, "; ".join(f"{each.preset}: {each.words}" for each in failures), done
            )
        return Done(ref, done)

    def _published(
        self, candidate: Candidate, say: Callable[[str], None], current: Sequence[Report]
    ) -> list[Result[Rendition]]:
        rendition = candidate.rendition
        for report in current:
            if candidate.publish():
                self.tables.put(RENDITIONS, [rendition])
                return [Done(report.ref, rendition)]
            say(f"{rendition.preset}: a newer version's rendition stands there")
        return []

    def _record(self, report: Report, failures: Iterable[Failure]) -> None:
        reasons = tuple(
            Reason(rule=_RULE, found=failure.words[-500:], wanted="a rendition")
            for failure in failures
        )
        self.tables.put(_STILL_INDEXED, [report.becomes(Outcome.INDEXED, reasons=reasons)])

    def _wanted(self, report: Report) -> tuple[Preset, ...]:
        source = self.sources.for_object(report.bucket, report.key) if self.sources else None
        return self.presets.wanted(source.presets if source else None)

    def _presets_for(self, report: Report) -> list[Preset]:
        return [
            preset
            for preset in self._wanted(report)
            if not self.tables.get(
                RENDITIONS, rendition_key(report.uri, report.version, preset.name)
            )
        ]


def _has_room(report: Report, preset: Preset) -> bool:
    if preset.is_ladder:
        return has_stream_room(preset.name.lower(), report.bucket, report.key)
    return has_room(preset.name.lower(), report.key)


def rendition_row(
    report: Report,
    preset: Preset,
    probe: Probe,
    checks: Iterable[Check],
    *,
    bucket: str,
    size: int,
    thumbnails: int,
    thumbnail_type: str,
    engine: str,
    seconds_taken: float,
    run_id: str | None,
    remuxed: bool = False,
    warnings: tuple[str, ...] = (),
) -> Rendition:
    """The row of a rendition, which also says where its files go.

    Which key is whose is the contract's: `output/web/<key of the video>`.
    """
    video = probe.video or VideoInfo()
    folder = preset.name.lower()
    return Rendition(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        preset=preset.name,
        day=report.day,
        rendition_bucket=bucket,
        rendition_key=rendition_place(folder, report.key),
        content_type=_CONTENT_TYPES[preset.container],
        poster_key=poster_place(folder, report.key),
        thumbnail_keys=tuple(
            f"{thumbnails_folder(folder, report.key)}{number:05}.{thumbnail_type}"
            for number in range(1, thumbnails + 1)
        ),
        size=size,
        duration_seconds=video.duration_seconds or 0.0,
        width=video.width or 0,
        height=video.height or 0,
        bit_rate=video.bit_rate or 0,
        video_codec=video.video_codec,
        audio_codec=video.audio_codec,
        engine=engine,
        seconds_taken=seconds_taken,
        checks=tuple(map(str, checks)),
        remuxed=remuxed,
        warnings=warnings,
        made_at=datetime.now(UTC),
        run_id=run_id,
    )


def as_ladder(
    row: Rendition,
    report: Report,
    *,
    files: tuple[str, ...],
    duration_seconds: float,
    bit_rate: int,
    audio_codec: str | None,
) -> Rendition:
    """The row of a ladder, from that of its largest rung; all files lie in the version's folder.

    `files` are their names: the largest rung's first, and what names others behind them.
    """
    folder = stream_folder(row.preset.lower(), report.bucket, report.key, report.version)
    return row.model_copy(
        update={
            "rendition_key": f"{folder}{MASTER}",
            "content_type": STREAM_TYPES["m3u8"],
            "poster_key": f"{folder}{POSTER}",
            "files": files,
            "duration_seconds": duration_seconds,
            "bit_rate": bit_rate,
            "audio_codec": audio_codec,
        }
    )


def wrong_renditions(s3: "S3Client", made: Iterable[Rendition]) -> list[str]:
    """What is not as its row says, of each one why: its file is missing, cut off or unchecked.

    Where a newer version's rendition has taken the place meanwhile nothing is wrong.
    """
    problems = ((each.uri, _problem(s3, each)) for each in made)
    return [f"{uri}: {problem}" for uri, problem in problems if problem]


def _problem(s3: "S3Client", rendition: Rendition) -> str | None:
    if not rendition.checks:
        return "it passed no check"
    size = 0
    for key in rendition.file_keys:
        try:
            standing = published(s3, rendition.rendition_bucket, key)
        except ObjectGoneError:
            return f"nothing stands at {key}"
        if standing.source_version != rendition.version:
            return None
        size += standing.size
    return None if size == rendition.size else f"{size} bytes stand there, wanted {rendition.size}"


def video_of(report: Report) -> VideoInfo:
    """What a version was probed as; raises `ValueError` where that is no video."""
    if report.probe is None or report.probe.video is None:
        raise ValueError(f"{report.uri} was not probed as a video")
    return report.probe.video


def _is_video(report: Report) -> bool:
    return report.probe is not None and report.probe.kind is Kind.VIDEO

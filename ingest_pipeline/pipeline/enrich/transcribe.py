"""Transcripts of recordings: from a version in its bucket to a row that says what is said in it."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.objects.versions import download_version
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.media.speech.transcriber import Heard, Transcriber
from ingest_pipeline.media.video.ffmpeg import full_disk_told
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Done, Refused, Result, attempt, for_each
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, Transcript
from ingest_pipeline.records.tables import ASSETS, TRANSCRIPTS, transcript_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def _tell_nobody(_transcript: Transcript) -> None:
    return None


@dataclass(frozen=True)
class Transcribing:
    """Transcribes indexed recordings of the sources that ask for it. Doing so twice does it once.

    Without a transcriber there is nothing to do. `tell` is called with a row before it is written:
    a row means that whoever shows what is said has it, also where a run dies between the two.
    """

    s3: "S3Client"
    tables: Tables
    derived: Derived
    sources: Sources
    transcriber: Transcriber | None
    run_id: str | None = None
    tell: Callable[[Transcript], None] = _tell_nobody

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """The indexed recordings without an up-to-date row."""
        return [report.ref for report in self._lacking(reports)]

    def transcribe(self, refs: Sequence[ObjectRef]) -> list[Result[Transcript]]:
        """Transcribe those of these versions that are missing: the row made now, or why none."""
        lacking = self._lacking(reports_of(self.tables, refs))
        at_once = self.transcriber.at_once if self.transcriber else 1
        with ThreadPoolExecutor(at_once) as pool:
            return for_each(refs, pool.map(self._attempt, lacking))

    def rows(self, refs: Iterable[ObjectRef]) -> list[Transcript]:
        """The up-to-date rows of those of these versions that are indexed recordings."""
        return self._up_to_date(self._wanted(reports_of(self.tables, refs)))

    def standing_rows(self, recordings: Iterable[ObjectRef]) -> list[Transcript]:
        """The up-to-date rows of what is indexed at these keys, whatever its version."""
        if self.transcriber is None:
            return []
        keys = [{"bucket": each.bucket, "file": each.key} for each in recordings]
        standing = [row for row in self.tables.get_many(ASSETS, keys) if not row.is_deleted]
        model = self.transcriber.model
        names = [transcript_key(each.uri, each.version, model) for each in standing]
        return self.tables.get_many(TRANSCRIPTS, names)

    def _lacking(self, reports: Iterable[Report]) -> list[Report]:
        recordings = self._wanted(reports)
        done = {(row.uri, row.version) for row in self._up_to_date(recordings)}
        lacking = [report for report in recordings if (report.uri, report.version) not in done]
        return [report for report, _ in self.derived.current(lacking)]

    def _wanted(self, reports: Iterable[Report]) -> list[Report]:
        if self.transcriber is None:
            return []
        return [each for each in reports if _has_sound(each) and self._is_asked_for(each)]

    def _is_asked_for(self, report: Report) -> bool:
        source = self.sources.for_object(report.bucket, report.key)
        return source is not None and source.transcripts

    def _up_to_date(self, recordings: Iterable[Report]) -> list[Transcript]:
        if self.transcriber is None:
            return []
        model = self.transcriber.model
        keys = [transcript_key(each.uri, each.version, model) for each in recordings]
        return self.tables.get_many(TRANSCRIPTS, keys)

    def _attempt(self, report: Report) -> Result[Transcript]:
        def work() -> Result[Transcript]:
            (result,) = self.derived.publish(
                [report], lambda current: list(map(self._made, current))
            )
            return result

        return attempt(report.ref, work)

    def _made(self, report: Report) -> Result[Transcript]:
        if self.transcriber is None:
            return Done(report.ref)
        heard = self.transcriber.transcribe(_Recording(self.s3, report))
        row = self._row(report, self.transcriber, heard)
        self.tell(row)
        self.tables.put(TRANSCRIPTS, [row])
        if heard.reason is not None:
            return Refused(report.ref, str(heard.reason), row)
        return Done(report.ref, row)

    def _row(self, report: Report, transcriber: Transcriber, heard: Heard) -> Transcript:
        return Transcript(
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            day=report.day,
            model=transcriber.model,
            model_checksum=transcriber.checksum,
            text="\n".join(segment.text for segment in heard.segments),
            segments=heard.segments,
            language=heard.language,
            audio_seconds=heard.audio_seconds,
            work_seconds=heard.work_seconds,
            reason=heard.reason,
            made_at=datetime.now(UTC),
            run_id=self.run_id,
        )


@dataclass(frozen=True)
class _Recording:
    """A version of an object, as a transcriber hears it."""

    s3: "S3Client"
    report: Report

    @property
    def uri(self) -> str:
        return self.report.uri

    @property
    def version(self) -> str:
        return self.report.version

    @property
    def container(self) -> str | None:
        return self.report.probe.container if self.report.probe else None

    @property
    def size(self) -> int:
        return self.report.size or 0

    @property
    def seconds(self) -> float | None:
        probe = self.report.probe
        if probe is None:
            return None
        if probe.video is not None:
            return probe.video.duration_seconds
        return float(probe.audio.duration) if probe.audio and probe.audio.duration else None

    def fetch(self, folder: Path) -> Path:
        path = folder / "recording"
        with full_disk_told(folder, self.size):
            download_version(self.s3, self.report, path)
        return path


def _has_sound(report: Report) -> bool:
    probe = report.probe
    if report.outcome is not Outcome.INDEXED or probe is None:
        return False
    has_track = probe.video is not None and probe.video.audio_streams > 0
    return probe.kind is Kind.AUDIO or (probe.kind is Kind.VIDEO and has_track)

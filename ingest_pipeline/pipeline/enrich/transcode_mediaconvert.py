"""The engine `mediaconvert`: jobs of AWS Elemental MediaConvert, and what becomes of them.

A run submits a job and ends. The job's end comes as an event through EventBridge to a queue; the
sensor's intake writes it into the job's row, and a run like any other goes on from there.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from ingest_pipeline.aws.events import ParsedBody, ingest_body
from ingest_pipeline.aws.mediaconvert.job_event import (
    JobEventError,
    parse_job_event,
)
from ingest_pipeline.aws.mediaconvert.job_request import job_request
from ingest_pipeline.aws.mediaconvert.service import (
    JobRefusedError,
    MediaConvert,
    describe_end,
    is_passing,
)
from ingest_pipeline.aws.objects.listing import list_files, list_keys
from ingest_pipeline.aws.objects.publish import publish_copy
from ingest_pipeline.aws.objects.ranged import RangedObject
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    is_current,
)
from ingest_pipeline.aws.objects.versions import delete_all, read_object
from ingest_pipeline.aws.queues import Message, Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.model import Probe, VideoInfo
from ingest_pipeline.media.video.checks import Check, accept
from ingest_pipeline.media.video.ladder import MASTER, POSTER, rung_presets
from ingest_pipeline.media.video.playlists import PlaylistError, Stream, read_hls
from ingest_pipeline.media.video.presets import Preset
from ingest_pipeline.media.video.transcode import (
    TranscodeError,
    refuse,
)
from ingest_pipeline.pipeline.enrich.transcode import (
    Candidate,
    Failure,
    as_ladder,
    rendition_row,
    video_of,
)
from ingest_pipeline.records.model import (
    ObjectRef,
    Report,
    TranscodeJob,
)
from ingest_pipeline.records.places import STREAM_TYPES, job_folder
from ingest_pipeline.records.tables import (
    TRANSCODE_JOBS,
    rendition_key,
)
from ingest_pipeline.values import object_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ATTEMPTS = 3  # jobs for one rendition, where the service itself fails
_PLAYLIST_BYTES = 16 * 1024 * 1024  # four hours in segments of a second are 1 MB
_COPY_BYTES = 5 * 1024**3  # what S3 copies in one request
_BLOCKS = 1024  # of 64 KiB that a probe may fetch: four hours of video have 10 MB of header


@dataclass(frozen=True)
class MediaConvertEngine:
    """Submits jobs, and publishes what they made.

    The service writes to a folder of the job's own and adds extensions as it likes; what it made
    is probed there, copied to the key where it belongs, and deleted. It is told a key and no
    version, so a job counts only if its version stood at the key when it began and stands there
    when it has ended.
    """

    s3: "S3Client"
    tables: Tables
    service: MediaConvert
    queue: Queue  # of videos that lack a rendition
    bucket: str  # of renditions
    run_id: str | None = None

    def transcode(
        self,
        report: Report,
        presets: Sequence[Preset],
        say: Callable[[str], None],
        stop: threading.Event,  # noqa: ARG002 - a job is canceled by whoever deletes its video
    ) -> Iterator[Candidate | TranscodeJob | Failure]:
        """Bring each preset as far as it goes now: submit its job, or publish what it made.

        Raises:
            TranscodeResourceError: what it made could not be looked at; try again later.
            ClientError: the service or S3 gave no proper answer; try again later.
        """
        for preset in presets:
            try:
                yield from self._advance(report, preset, say)
            except TranscodeError as error:
                yield Failure(preset.name, str(error))
                self._forget(report, preset)

    def _advance(
        self, report: Report, preset: Preset, say: Callable[[str], None]
    ) -> Iterator[Candidate | TranscodeJob]:
        job = self._job_of(report, preset)
        if not is_current(self.s3, report):
            say(f"{preset.name}: {report.uri} is replaced or deleted")
            self._forget(report, preset)
        elif job is None or job.job_id is None:
            attempt = job.attempt if job else 1
            yield self._submit(_job(report, preset, attempt), preset, report, say)
        elif (end := job.end or self.service.end_of(job.job_id)) is None:
            say(f"{preset.name}: job {job.job_id} goes on")
            yield job
        elif end.status == "COMPLETE":
            accepted = self._accepted_ladder if preset.is_ladder else self._accepted
            yield accepted(job, preset, report)
            self._forget(report, preset)
        elif is_passing(end) and job.attempt < _ATTEMPTS:
            say(f"{preset.name}: {describe_end(end)}; once more")
            yield self._ask_again(job, preset, report)
        else:
            raise TranscodeError(describe_end(end))

    def _job_of(self, report: Report, preset: Preset) -> TranscodeJob | None:
        """The job on record, if it is for this preset as it is now."""
        key = rendition_key(report.uri, report.version, preset.name)
        job = self.tables.get(TRANSCODE_JOBS, key)
        is_same = job and job.token == _job(report, preset, job.attempt).token
        return job if is_same else None

    def _submit(
        self, job: TranscodeJob, preset: Preset, report: Report, say: Callable[[str], None]
    ) -> TranscodeJob:
        """Submit, with the row written before: an event that outruns us finds it."""
        video = video_of(report)
        refuse(preset, video)
        self.tables.put(TRANSCODE_JOBS, [job])
        try:
            request = job_request(job, preset, video, self.bucket, job_folder(job.token))
            job_id = self.service.submit(request)
        except JobRefusedError as error:
            raise TranscodeError(f"MediaConvert refused the job: {error}") from error
        submitted = job.model_copy(update={"job_id": job_id})
        self.tables.put(TRANSCODE_JOBS, [submitted])
        say(f"{preset.name}: submitted as job {job_id}")
        return submitted

    def _ask_again(self, job: TranscodeJob, preset: Preset, report: Report) -> TranscodeJob:
        """Have another job submitted by a message like any other.

        The message goes first: once the row is of the next job, the event of this one is nobody's.
        """
        self.queue.send(ingest_body(report.ref))
        following = _job(report, preset, job.attempt + 1)
        self.tables.put(TRANSCODE_JOBS, [following])
        self._empty(job)
        return following

    def _accepted(self, job: TranscodeJob, preset: Preset, report: Report) -> Candidate:
        """Accept what a job made; publishing copies it to where it belongs."""
        folder = job_folder(job.token)
        keys = list_keys(self.s3, self.bucket, folder)
        thumbnails = [key for key in keys if key.startswith(f"{folder}thumbnail.")]
        posters = [key for key in keys if key.startswith(f"{folder}poster.")]
        if not thumbnails or not posters:
            raise TranscodeError("MediaConvert took no picture of the rendition")
        file = self._opened(f"{folder}video.{preset.container}")
        probe, checks = accept(file, file.state.size, preset, video_of(report))
        if file.state.size > preset.max_bytes:
            raise TranscodeError(f"{file.state.size} bytes, wanted at most {preset.max_bytes}")
        rendition = rendition_row(
            report,
            preset,
            probe,
            checks,
            bucket=self.bucket,
            size=file.state.size,
            thumbnails=len(thumbnails),
            thumbnail_type="jpg",
            engine="mediaconvert",
            seconds_taken=_seconds_since(job),
            run_id=self.run_id,
        )
        copies = [
            (f"{folder}video.{preset.container}", rendition.rendition_key, rendition.content_type),
            (posters[-1], str(rendition.poster_key), "image/jpeg"),
            *(
                (key, place, "image/jpeg")
                for key, place in zip(thumbnails, rendition.thumbnail_keys, strict=True)
            ),
        ]

        return Candidate(rendition, partial(self._publish, report, copies))

    def _accepted_ladder(self, job: TranscodeJob, preset: Preset, report: Report) -> Candidate:
        """Accept a ladder as a job made it: the rungs in MPEG-TS, HLS alone, no storyboard."""
        folder = job_folder(job.token)
        made = {
            file.key.removeprefix(folder): file.size
            for file in list_files(self.s3, self.bucket, folder)
        }
        posters = sorted(name for name in made if name.startswith("poster."))
        if not posters:
            raise TranscodeError("MediaConvert took no picture of the rendition")
        rungs, source = rung_presets(preset, video_of(report)), video_of(report)
        stream = self._stream(folder, made)
        looked_at = [
            self._probed(f"{folder}{name}", rung, source)
            for name, rung in _of_each_rung(stream, rungs)
        ]
        names = (*stream.files, posters[-1], *stream.playlists, MASTER)
        files = (*stream.files, POSTER, *stream.playlists, MASTER)
        size = sum(made[name] for name in names)
        _check_sizes(made, names, size, preset)
        row = rendition_row(
            report,
            preset,
            looked_at[0][0],
            [check for _, passed in looked_at for check in passed],
            bucket=self.bucket,
            size=size,
            thumbnails=0,
            thumbnail_type="jpg",
            engine="mediaconvert",
            seconds_taken=_seconds_since(job),
            run_id=self.run_id,
        )
        rendition = as_ladder(
            row,
            report,
            files=files,
            duration_seconds=stream.seconds,
            bit_rate=stream.bit_rate,
            audio_codec=row.audio_codec,
        )
        copies = [
            (f"{folder}{name}", key, STREAM_TYPES[key.rpartition(".")[2]])
            for name, key in zip(names, rendition.file_keys, strict=True)
        ]
        return Candidate(rendition, partial(self._publish, report, copies))

    def _stream(self, folder: str, made: Mapping[str, int]) -> Stream:
        """Read the playlists of a job's folder, and compare them with the files there."""

        def read(name: str) -> str:
            if made[name] > _PLAYLIST_BYTES:
                raise PlaylistError(f"{name} has {made[name]} bytes")
            text = read_object(self.s3, self.bucket, f"{folder}{name}")
            return text.decode(errors="replace")

        try:
            return read_hls(read, made, MASTER)
        except (PlaylistError, ObjectGoneError) as error:
            raise TranscodeError(f"the ladder is broken: {error}") from error

    def _probed(self, key: str, rung: Preset, source: VideoInfo) -> tuple[Probe, tuple[Check, ...]]:
        file = self._opened(key)
        return accept(file, file.state.size, rung, source, container="mpeg-ts")

    def _publish(self, report: Report, copies: Sequence[tuple[str, str, str]]) -> bool:
        """Copy files to their keys, each with its type; what names others comes last."""
        return all(
            publish_copy(
                self.s3, self._made(made), self.bucket, key, content_type=kind, source=report
            )
            for made, key, kind in copies
        )

    def _made(self, key: str) -> ObjectRef:
        """Name a file of the service; its folder is the job's own, so nobody else writes there."""
        return ObjectRef(bucket=self.bucket, key=key, arrived=datetime.now(UTC))

    def _opened(self, key: str) -> RangedObject:
        try:
            return RangedObject(self.s3, self._made(key), max_blocks=_BLOCKS)
        except ObjectGoneError as error:
            raise TranscodeError(f"MediaConvert made no {key}") from error

    def _forget(self, report: Report, preset: Preset) -> None:
        """Delete a job's files and row; the row last, as it names the files."""
        if job := self._job_of(report, preset):
            self._empty(job)
            self.tables.delete(TRANSCODE_JOBS, TRANSCODE_JOBS.key(job))

    def _empty(self, job: TranscodeJob) -> None:
        delete_all(self.s3, self.bucket, list_keys(self.s3, self.bucket, job_folder(job.token)))


def _of_each_rung(stream: Stream, rungs: Sequence[Preset]) -> Iterator[tuple[str, Preset]]:
    """The file of each rung, in the order asked for; raises `TranscodeError` at another number."""
    if stream.sounds or not stream.rungs == len(stream.files) == len(rungs):
        raise TranscodeError(
            f"the ladder has {stream.rungs} rungs in {len(stream.files)} files and {stream.sounds} "
            f"soundtracks beside them, wanted {len(rungs)} rungs, each a file with its sound"
        )
    return zip(stream.files, rungs, strict=True)


def _check_sizes(made: Mapping[str, int], names: Iterable[str], size: int, preset: Preset) -> None:
    if size > preset.max_bytes:
        raise TranscodeError(f"{size} bytes, wanted at most {preset.max_bytes}")
    for name in names:
        if made[name] > _COPY_BYTES:
            raise TranscodeError(f"{name} has {made[name]} bytes, S3 copies {_COPY_BYTES} at most")


def _seconds_since(job: TranscodeJob) -> float:
    return round((datetime.now(UTC) - job.submitted_at).total_seconds(), 3)


def _job(report: Report, preset: Preset, attempt: int) -> TranscodeJob:
    """The job to submit; its token is the same whenever the same is asked for."""
    asked = "\n".join([report.uri, report.version, preset.model_dump_json(), str(attempt)])
    return TranscodeJob(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        preset=preset.name,
        arrived=report.last_modified or report.judged_at,
        token=sha256(asked.encode()).hexdigest(),
        attempt=attempt,
        submitted_at=datetime.now(UTC),
    )


def parse_job_message(tables: Tables, message: Message) -> ParsedBody:
    """The version whose job has ended, its end written into the job's row.

    An event of a job that is forgotten (it comes twice, or late) names nothing.
    """
    try:
        event = parse_job_event(message.body)
    except JobEventError as error:
        return ParsedBody(problems=(str(error),))
    if event is None:
        return ParsedBody()
    uri = object_uri(event.bucket, event.key)
    job = tables.get(TRANSCODE_JOBS, rendition_key(uri, event.version, event.preset))
    if job is None or job.token != event.token or job.job_id not in {None, event.job_id}:
        return ParsedBody()
    ended = job.model_copy(update={"job_id": event.job_id, "end": event.end})
    tables.put(TRANSCODE_JOBS, [ended])
    ref = ObjectRef(bucket=job.bucket, key=job.key, version=job.version, arrived=job.arrived)
    return ParsedBody((ref,))

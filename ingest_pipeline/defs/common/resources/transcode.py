"""What transcodes videos."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.events import ParsedBody
from ingest_pipeline.aws.mediaconvert.limits import beyond_limits
from ingest_pipeline.aws.mediaconvert.service import MediaConvert
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.defs.common.resources.aws import AwsResource
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.queues import ConsumerResource
from ingest_pipeline.media.rules.sources import Sources, load_sources
from ingest_pipeline.media.video.presets import Presets, load_presets
from ingest_pipeline.pipeline.enrich.transcode import Engine, Transcoder
from ingest_pipeline.pipeline.enrich.transcode_ffmpeg import FfmpegEngine
from ingest_pipeline.pipeline.enrich.transcode_mediaconvert import (
    MediaConvertEngine,
    parse_job_message,
)


class TranscoderResource(dg.ConfigurableResource["TranscoderResource"]):
    """ffmpeg on this machine, or AWS Elemental MediaConvert."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    engine: str = Field(description="`ffmpeg` or `mediaconvert`.")
    presets: str = Field(description="Path of `presets.toml`.")
    sources: str = Field(description="Path of `sources.toml`.")
    ffmpeg: str | None = Field(None, description="The program; nothing: the best one found.")
    mediaconvert_role: str | None = Field(None, description="ARN that MediaConvert takes on.")
    mediaconvert_queue: str | None = Field(None, description="ARN; nothing: the default queue.")
    request_queue: str = Field(description="Where a job that failed in passing is asked for again.")

    def transcoder(self, run_id: str | None = None) -> Transcoder:
        """What transcodes for a run."""
        presets = self._presets()
        return Transcoder(
            self.aws.tables,
            self.derived.derived,
            presets,
            self._engine(run_id),
            self._sources(presets),
        )

    def _sources(self, presets: Presets) -> Sources:
        """Load the sources; raises `PresetsError` where one asks for what cannot be made."""
        sources = load_sources(Path(self.sources))
        for source in sources.source:
            presets.wanted(source.presets)
        return sources

    def _presets(self) -> Presets:
        path = Path(self.presets)
        if self.engine == "mediaconvert":
            return load_presets(path, beyond_limits)
        return load_presets(path)

    def _engine(self, run_id: str | None) -> Engine:
        if self.engine == "mediaconvert":
            return MediaConvertEngine(
                self.aws.s3,
                self.aws.tables,
                MediaConvert(
                    self.aws.clients, str(self.mediaconvert_role), self.mediaconvert_queue
                ),
                self.aws.queue(self.request_queue),
                self.derived.bucket,
                run_id,
            )
        ffmpeg = Path(self.ffmpeg) if self.ffmpeg else None
        return FfmpegEngine(self.aws.s3, self.derived.bucket, ffmpeg, run_id)


class TranscodeJobConsumerResource(ConsumerResource):
    """The queue that tells which MediaConvert jobs have ended."""

    aws: dg.ResourceDependency[AwsResource]

    def parse(self, message: Message) -> ParsedBody:
        """The version whose job has ended."""
        return parse_job_message(self.aws.tables, message)

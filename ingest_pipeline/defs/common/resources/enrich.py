"""What makes previews, labels and transcripts, and what asks for them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.rekognition import RekognitionLabeler
from ingest_pipeline.aws.transcribe import TranscribeTranscriber
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.defs.common.resources.aws import AwsResource, SourcesResource
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.sessions import (
    EventDbResource,
    EventSinkResource,
    SessionBucketResource,
)
from ingest_pipeline.defs.common.resources.transcode import TranscoderResource
from ingest_pipeline.media.labels.labeler import Labeler, Wanted
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.media.speech.local import LocalTranscriber
from ingest_pipeline.media.speech.transcriber import Transcriber
from ingest_pipeline.pipeline.enrich.label import ImageLabelling
from ingest_pipeline.pipeline.enrich.preview import Previewer
from ingest_pipeline.pipeline.enrich.requests import Requests, labels_into, photos_into
from ingest_pipeline.pipeline.enrich.transcribe import Transcribing
from ingest_pipeline.pipeline.sessions import comments_into


class PreviewerResource(dg.ConfigurableResource["PreviewerResource"]):
    """Draws waveforms, posters, strips of frames and thumbnails, in limited children."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    ffmpeg: str | None = Field(None, description="The program; nothing: the best one found.")

    def previewer(self, run_id: str | None = None) -> Previewer:
        """What makes previews for a run."""
        ffmpeg = Path(self.ffmpeg) if self.ffmpeg else None
        return Previewer(self.aws.s3, self.aws.tables, self.derived.derived, ffmpeg, run_id)


class LabelerResource(dg.ConfigurableResource["LabelerResource"]):
    """Says what images show, and puts it into the posts of their images."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    engine: str = Field(description="`local`, a network on this machine, or `rekognition`.")
    max_labels: int = Field(description="Of an image.")
    min_confidence: float = Field(description="Percent.")
    threads: int = Field(description="Of the local network; 0: one a core.")
    photo_bucket: str = Field(description="Where the images of posts lie.")
    delete_queue: str = Field(description="Where the image of a deleted post is sent.")

    @property
    def version(self) -> str:
        """What labels are made by: where it is another one, images are labelled again."""
        return f"{self._labeler.model}: {self._wanted}"

    def labelling(self, run_id: str | None = None) -> ImageLabelling:
        """What labels for a run."""
        tell = labels_into(self.posts)
        return ImageLabelling(
            self.aws.s3,
            self.aws.tables,
            self.derived.derived,
            self._labeler,
            self._wanted,
            run_id,
            tell,
        )

    @property
    def posts(self) -> Posts:
        """Where photos and their labels are shown."""
        return Posts(
            self.aws.s3,
            self.aws.clients.dynamodb,
            DeleteRequests(self.aws.tables, self.aws.queue(self.delete_queue)),
            self.photo_bucket,
        )

    @property
    def _labeler(self) -> Labeler:
        if self.engine == "rekognition":
            return RekognitionLabeler(self.aws.clients)
        return _local_labeler(self.threads)

    @property
    def _wanted(self) -> Wanted:
        return Wanted(most=self.max_labels, least_confidence=self.min_confidence)


@cache
def _local_labeler(threads: int) -> LocalLabeler:
    """One a process: it loads its model once."""
    return LocalLabeler(threads)


class TranscriberResource(dg.ConfigurableResource["TranscriberResource"]):
    """Says what is said in recordings, and puts it into the events of their sessions."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    rules: dg.ResourceDependency[SourcesResource]
    event_db: dg.ResourceDependency[EventDbResource]
    event_sink: dg.ResourceDependency[EventSinkResource]
    session_bucket: dg.ResourceDependency[SessionBucketResource]
    engine: str = Field(description="`local`, Whisper on this machine, `transcribe` or `none`.")
    folder: str | None = Field(None, description="Of a local model; nothing: tiny.en.")
    language: str | None = Field(
        None, description="For a local model, ISO 639-1; nothing: it finds it out."
    )
    threads: int = Field(description="Of the local model; 0: one a core.")
    longest_seconds: float = Field(description="Longer recordings are not listened to.")
    spoken_language: str | None = Field(
        None, description="For Amazon Transcribe, as it names them; nothing: it finds it out."
    )
    result_bucket: str = Field(description="Where Amazon Transcribe writes.")

    @property
    def version(self) -> str:
        """What transcripts are made by: where it is another one, they are made again."""
        return self._transcriber.model if self._transcriber else "none"

    @contextmanager
    def transcribing(self, run_id: str | None = None) -> Iterator[Transcribing]:
        """What transcribes for a run; the event database is opened when the first needs it."""
        with self.event_db.when_needed() as database, self.event_sink.opened() as sink:
            tell = comments_into(database, self.session_bucket.name, sink)
            yield replace(self.asking(run_id), tell=tell)

    def asking(self, run_id: str | None = None) -> Transcribing:
        """What knows whose transcripts are missing."""
        return Transcribing(
            self.aws.s3,
            self.aws.tables,
            self.derived.derived,
            self.rules.sources,
            self._transcriber,
            run_id,
        )

    @property
    def _transcriber(self) -> Transcriber | None:
        if self.engine == "none":
            return None
        if self.engine == "transcribe":
            return TranscribeTranscriber(
                self.aws.clients, self.result_bucket, self.spoken_language, self.longest_seconds
            )
        folder = Path(self.folder) if self.folder else None
        return _local_transcriber(
            os.getpid(), folder, self.language, self.longest_seconds, self.threads
        )


@cache
def _local_transcriber(
    _process: int, folder: Path | None, language: str | None, longest: float, threads: int
) -> LocalTranscriber:
    """One a process: a fork must not speak into the pipes of the process that it comes from."""
    return LocalTranscriber(folder, language, longest, threads)


class RequestsResource(dg.ConfigurableResource["RequestsResource"]):
    """Asks for the renditions, previews, labels and transcripts that indexed objects lack."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    rules: dg.ResourceDependency[SourcesResource]
    transcoder: dg.ResourceDependency[TranscoderResource]
    previewer: dg.ResourceDependency[PreviewerResource]
    labeler: dg.ResourceDependency[LabelerResource]
    transcriber: dg.ResourceDependency[TranscriberResource]
    rendition_queue: str = Field(description="Where a video's renditions are asked for.")
    enrichment_queue: str = Field(
        description="Where previews, labels and transcripts are asked for."
    )

    @property
    def requests(self) -> Requests:
        """What asks."""
        return Requests(
            self.aws.tables,
            self.derived.derived,
            self.rules.sources,
            self.aws.queue(self.rendition_queue),
            [self.transcoder.transcoder()],
            self.aws.queue(self.enrichment_queue),
            [self.previewer.previewer(), self.labeler.labelling(), self.transcriber.asking()],
            photos_into(self.labeler.posts),
        )

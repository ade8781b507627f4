"""What makes previews and labels, and what asks for them."""

from functools import cache
from pathlib import Path

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.rekognition import RekognitionLabeler
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.defs.common.resources.aws import AwsResource, SourcesResource
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.transcode import TranscoderResource
from ingest_pipeline.media.labels.labeler import Labeler, Wanted
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.pipeline.enrich.label import ImageLabelling
from ingest_pipeline.pipeline.enrich.preview import Previewer
from ingest_pipeline.pipeline.enrich.requests import Requests, labels_into, photos_into


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


class RequestsResource(dg.ConfigurableResource["RequestsResource"]):
    """Asks for the renditions, previews and labels that indexed objects lack."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    rules: dg.ResourceDependency[SourcesResource]
    transcoder: dg.ResourceDependency[TranscoderResource]
    previewer: dg.ResourceDependency[PreviewerResource]
    labeler: dg.ResourceDependency[LabelerResource]
    rendition_queue: str = Field(description="Where a video's renditions are asked for.")
    enrichment_queue: str = Field(description="Where previews and labels are asked for.")

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
            [self.previewer.previewer(), self.labeler.labelling()],
            photos_into(self.labeler.posts),
        )

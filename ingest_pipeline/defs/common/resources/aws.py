"""AWS, the rules, and where people look."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.clients import Clients, Connection, shared_clients
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.rules.sources import Sources, load_sources

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class AwsResource(dg.ConfigurableResource["AwsResource"]):
    """The embedded or the real AWS."""

    account: str = Field(description="`embedded`, or `real`: the account of the environment.")
    endpoint_url: str | None = Field(description="Where AWS answers; nothing: the real one.")
    region: str = Field(description="The region of buckets, queues and tables.")
    attempts: int = Field(description="Of a call, with growing pauses.")
    connections: int = Field(description="Kept open to a service, at most.")
    mediaconvert_endpoint: str | None = Field(None, description="Of MediaConvert alone.")
    rekognition_endpoint: str | None = Field(None, description="Of Rekognition alone.")
    transcribe_endpoint: str | None = Field(None, description="Of Transcribe alone.")

    @property
    def clients(self) -> Clients:
        """One client a service and process."""
        return shared_clients(
            Connection(
                is_embedded=self.account == "embedded",
                endpoint_url=self.endpoint_url,
                region=self.region,
                attempts=self.attempts,
                connections=self.connections,
                mediaconvert_endpoint=self.mediaconvert_endpoint,
                rekognition_endpoint=self.rekognition_endpoint,
                transcribe_endpoint=self.transcribe_endpoint,
            )
        )

    @property
    def s3(self) -> "S3Client":
        """S3."""
        return self.clients.s3

    @property
    def tables(self) -> Tables:
        """The DynamoDB tables."""
        return Tables(self.clients.dynamodb)

    def queue(self, name: str) -> Queue:
        """An SQS queue."""
        return Queue(self.clients.sqs, name)


class CatalogueResource(dg.ConfigurableResource["CatalogueResource"]):
    """The page on which people look objects up: links of the UI lead there."""

    url: str = Field(description="Its address.")


class SourcesResource(dg.ConfigurableResource["SourcesResource"]):
    """`sources.toml`: what each bucket takes, and what is valid there."""

    file: str = Field(description="Path of the file.")

    @property
    def sources(self) -> Sources:
        """The sources and their rules, as the file has them now."""
        return load_sources(Path(self.file))

"""What ingest and deletion work with."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.events import ParsedBody
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.defs.common.resources.aws import AwsResource, SourcesResource
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.defs.common.resources.queues import ConsumerResource
from ingest_pipeline.pipeline.ingest.delete import Deleter, parse_request
from ingest_pipeline.pipeline.ingest.reconcile import Reconciler
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.ingest.validate import Validator
from ingest_pipeline.pipeline.leftovers import Leftovers
from ingest_pipeline.pipeline.reconciliation import Reconciliation


class ValidatorResource(dg.ConfigurableResource["ValidatorResource"]):
    """Probes objects by ranged reads and judges them by the rules."""

    aws: dg.ResourceDependency[AwsResource]
    rules: dg.ResourceDependency[SourcesResource]
    threads: int = Field(description="Objects probed at a time.")
    ffmpeg: str | None = Field(None, description="The program; nothing: the best one found.")

    def validator(self, run_id: str | None = None) -> Validator:
        """What validates for a run."""
        sources, ffmpeg = self.rules.sources, Path(self.ffmpeg) if self.ffmpeg else None
        return Validator(self.aws.s3, self.aws.tables, sources, self.threads, run_id, ffmpeg)


class RejectorResource(dg.ConfigurableResource["RejectorResource"]):
    """Takes invalid objects out of their buckets, as their source's policy says."""

    aws: dg.ResourceDependency[AwsResource]
    rules: dg.ResourceDependency[SourcesResource]
    quarantine_bucket: str = Field(description="Where the policy `quarantine` moves them.")
    threads: int = Field(description="Objects acted on at a time.")

    def rejector(self) -> Rejector:
        """What rejects."""
        return Rejector(self.aws.s3, self.rules.sources, self.quarantine_bucket, self.threads)


class DeleterResource(dg.ConfigurableResource["DeleterResource"]):
    """Deletes objects that clients no longer want, with all that was made of them."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]

    def deleter(self, run_id: str | None = None) -> Deleter:
        """What deletes for a run."""
        return Deleter(self.aws.s3, self.aws.tables, self.derived.derived, run_id)


class ReconcilerResource(dg.ConfigurableResource["ReconcilerResource"]):
    """Compares buckets, tables and what is made of objects, and mends what disagrees."""

    aws: dg.ResourceDependency[AwsResource]
    derived: dg.ResourceDependency[DerivedResource]
    rules: dg.ResourceDependency[SourcesResource]
    requests: dg.ResourceDependency[RequestsResource]
    queue: str = Field(description="Name of the ingest queue.")
    delete_queue: str = Field(description="Name of the queue of delete requests.")

    @property
    def reconciliation(self) -> Reconciliation:
        """What compares and mends."""
        aws, buckets = self.aws, self.rules.sources.buckets
        return Reconciliation(
            Reconciler(aws.s3, aws.tables, aws.queue(self.queue), aws.queue(self.delete_queue)),
            Leftovers(aws.tables, self.derived.derived, self.rules.sources.all_buckets),
            self.requests.requests,
            buckets,
        )


class DeleteConsumerResource(ConsumerResource):
    """The queue of delete requests."""

    rules: dg.ResourceDependency[SourcesResource]

    def parse(self, message: Message) -> ParsedBody:
        """The object that a request names, if its bucket is one of our sources."""
        return parse_request(self.rules.sources, message)

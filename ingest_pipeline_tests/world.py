"""A corner of the embedded AWS for one test: a bucket, queues and rules of its own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import ClientError

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.defs.common.wiring import Resources, resources
from ingest_pipeline.pipeline.ingest.pipeline import ingest
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.pipeline.queue.leases import Leases, leased
from ingest_pipeline.pipeline.result import Result, values
from ingest_pipeline.records.model import (
    Asset,
    ObjectRef,
    Report,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
    report_key,
)
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System
from ingest_pipeline_tests.embedded import EmbeddedAws

_SOURCE = """
[[source]]
bucket = "{bucket}"
prefix = "{prefix}"
kinds = ["audio", "video", "image"]
on_reject = "{on_reject}"

[source.audio]
codec = "pcm"
sample_rate = 48000
bits_per_sample = 24
"""
_SESSION_SOURCE = """
[[source]]
bucket = "{bucket}"
kinds = ["audio", "other"]
on_reject = "keep"
watched = false
transcripts = true
"""
_POLICIES = {"": "delete", "quarantine/": "quarantine", "keep/": "keep"}  # by prefix


class World:
    """Objects below `quarantine/` and `keep/` are treated so when rejected, others deleted.

    The tables are shared by all worlds; their rows tell the buckets apart.
    """

    def __init__(self, aws: EmbeddedAws, folder: Path) -> None:
        name = uuid4().hex[:12]
        self.bucket = f"world-{name}"
        self.session_bucket = f"world-sessions-{name}"
        sources = folder / "sources.toml"
        sources.write_text(
            "".join(
                _SOURCE.format(bucket=self.bucket, prefix=prefix, on_reject=on_reject)
                for prefix, on_reject in _POLICIES.items()
            )
            + _SESSION_SOURCE.format(bucket=self.session_bucket)
        )
        own_queues = {
            field: f"{field}-{name}" for field in Settings.model_fields if field.endswith("_queue")
        } | {"mediaconvert_queue": None}
        self.settings = aws.settings.model_copy(
            update=own_queues
            | {
                "sources": sources,
                "session_bucket": self.session_bucket,
                "event_db_file": folder / "event-db-url",
            }
        )
        (folder / "event-db-url").write_text(f"sqlite:///{folder / 'events.db'}")
        self.system = System(self.settings)
        self.system.clients = self.clients = aws.clients
        self.tables = self.system.tables
        self.make_bucket(self.bucket)
        self.make_bucket(self.session_bucket)
        for names in self.settings.queues:
            for queue in (names.queue, names.dead_letters):
                self.clients.sqs.create_queue(QueueName=queue)

    @property
    def environment(self) -> dict[str, str]:
        """What makes another part of the code see these settings."""
        return {
            f"INGEST_{name.upper()}": str(value)
            for name, value in self.settings.model_dump(exclude={"region", "endpoint_url"}).items()
            if value is not None
        } | {"AWS_REGION": self.settings.region}

    def make_bucket(self, name: str, *, is_versioned: bool = True) -> str:
        """Make a bucket that notifies nobody."""
        self.clients.s3.create_bucket(Bucket=name)
        if is_versioned:
            self.clients.s3.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        return name

    def put(self, key: str, content: bytes) -> ObjectRef:
        """Upload, and name what was uploaded as its event would."""
        self.clients.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return self.ref_of(key)

    def ref_of(self, key: str) -> ObjectRef:
        """Name what stands at a key as its event would."""
        state = object_state(self.clients.s3, self.bucket, key)
        return ObjectRef(
            bucket=self.bucket,
            key=key,
            version=state.version,
            etag=state.etag,
            size=state.size,
            arrived=state.last_modified,
        )

    def remove(self, key: str) -> None:
        """Delete as the owner would."""
        self.clients.s3.delete_object(Bucket=self.bucket, Key=key)

    def content(self, key: str) -> bytes | None:
        """What stands at a key; None: nothing."""
        try:
            return self.clients.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.clients.s3.exceptions.NoSuchKey:
            return None

    def quarantined(self, key: str) -> bytes | None:
        """What stands at a key of the quarantine bucket; None: nothing."""
        try:
            response = self.clients.s3.get_object(Bucket=self.settings.quarantine_bucket, Key=key)
        except ClientError:
            return None
        return response["Body"].read()

    def report(self, ref: ObjectRef) -> Report:
        """The report of a version, which must exist."""
        report = self.tables.get(REPORTS, report_key(ref.uri, ref.row_version))
        assert report is not None, f"no report of {ref}"
        return report

    def asset(self, key: str) -> Asset | None:
        """The row of the index, tombstones included."""
        return self.tables.get(ASSETS, {"bucket": self.bucket, "file": key})

    def is_indexed(self, key: str) -> bool:
        """Whether a key has a row in the index that is no tombstone."""
        asset = self.asset(key)
        return asset is not None and asset.deleted_at is None

    @cached_property
    def wired(self) -> Resources:
        """What runs work with."""
        return resources(self.settings)

    def ingest(self, refs: Sequence[ObjectRef]) -> list[Report]:
        """What a run does with objects, without Dagster."""
        return values(self._ingest(refs))

    def _ingest(self, refs: Sequence[ObjectRef]) -> list[Result[Report]]:
        """Nothing is asked for that follows: what messages there are is the tests' own affair."""
        return ingest(
            refs,
            tables=self.tables,
            derived=self.wired.derived.derived,
            validator=self.wired.validator.validator(),
            rejector=self.wired.rejector.rejector(),
            follow_up=lambda _reports: None,
        ).results

    def ingest_waiting(self) -> list[Report]:
        """What the sensor and its runs do, until the ingest queue is empty."""
        outcomes: list[Report] = []
        while batches := self.wired.ingest_consumer.consumer.poll(slots=10):
            for batch in batches:
                results = self._ingest(batch.objects)
                with self.leased(batch) as leases:
                    leases.acknowledge(results)
                outcomes += values(results)
        return outcomes

    def leased(self, batch: Batch | None) -> AbstractContextManager[Leases]:
        """The messages of a batch of the ingest queue, as a run leases them."""
        return leased(
            self.system.queues.ingest.queue,
            self.tables,
            batch.id if batch else None,
            self.settings.visibility_seconds,
        )

    def send(self, *refs: ObjectRef) -> None:
        """A message on the ingest queue for each."""
        self.system.queues.ingest.queue.send_all(map(ingest_body, refs))


def bodies(queue: Queue) -> list[str]:
    """Take every message that waits off a queue."""
    found: list[str] = []
    while messages := queue.receive(60):
        found += [message.body for message in messages]
        queue.delete([message.handle for message in messages])
    return found


def some_ref(bucket: str, key: str, **fields: object) -> ObjectRef:
    """A reference to an object that need not exist."""
    return ObjectRef.model_validate(
        {"bucket": bucket, "key": key, "arrived": datetime(2026, 3, 1, 12, tzinfo=UTC)} | fields
    )

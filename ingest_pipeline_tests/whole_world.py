"""A world in which everything is made of objects that can be, and what runs there, in process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest_pipeline.aws.clients import Clients, Connection, shared_clients
from ingest_pipeline.aws.objects.publish import publish
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.media.model import Kind
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.ingest.reconcile import Difference
from ingest_pipeline.pipeline.leftovers import Leftover
from ingest_pipeline.pipeline.queue.consumer import Consumer
from ingest_pipeline.pipeline.queue.leases import leased
from ingest_pipeline.pipeline.reconciliation import Reconciled
from ingest_pipeline.pipeline.result import Result, retries
from ingest_pipeline.records.model import (
    ImageLabels,
    ObjectRef,
    Preview,
    Rendition,
    TranscodeJob,
    Transcript,
)
from ingest_pipeline.records.places import (
    picture_place,
    poster_place,
    rendition_place,
    thumbnails_folder,
)
from ingest_pipeline.records.tables import (
    IMAGE_LABELS,
    PREVIEWS,
    RENDITIONS,
    TRANSCODE_JOBS,
    TRANSCODE_JOBS_BY_OBJECT,
    TRANSCRIPTS,
)
from ingest_pipeline.system import System
from ingest_pipeline_tests import mediaconvert, rekognition
from ingest_pipeline_tests.audit import Put, audit
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.world import World, some_ref

_ROLE = "arn:aws:iam::000000000000:role/transcode"
_READS = ("Get", "Head", "List", "Query", "Scan", "BatchGet", "Describe", "ReceiveMessage")
_SECOND_SOURCE = """
[[source]]
bucket = "{bucket}"
kinds = ["audio", "video", "image"]
on_reject = "delete"
"""


@dataclass(frozen=True)
class Made:
    """What the stand-in for MediaConvert makes of any video."""

    rendition: bytes
    picture: bytes


class WholeWorld(World):
    """A world with a second bucket, and a bucket of renditions of its own.

    Labels come from the stand-in for Rekognition, renditions from ffmpeg or from the stand-in for
    MediaConvert.
    """

    def __init__(
        self,
        aws: EmbeddedAws,
        folder: Path,
        labels: rekognition.StandIn,
        service: mediaconvert.StandIn | None = None,
        made: Made | None = None,
    ) -> None:
        super().__init__(aws, folder)
        self.folder = folder
        name = self.bucket.removeprefix("world-")
        self.second_bucket = self.make_bucket(f"world-second-{name}")
        with self.settings.sources.open("a") as sources:
            sources.write(_SECOND_SOURCE.format(bucket=self.second_bucket))
        self.renditions = self.make_bucket(f"world-renditions-{name}")
        self._service, self._made = service, made
        engine = {
            "transcoder": "mediaconvert",
            "mediaconvert_role": _ROLE,
            "mediaconvert_endpoint": service.endpoint if service else None,
        }
        self.settings = self.settings.model_copy(
            update={
                "rendition_bucket": self.renditions,
                "bucket": self.bucket,
                "labeler": "rekognition",
                "rekognition_endpoint": labels.endpoint,
            }
            | (engine if service else {})
        )
        self.system = System(self.settings)
        self.system.clients = self.clients
        self.tables = self.system.tables
        self._forget_others()

    def _forget_others(self) -> None:
        """Remove what earlier tests left over: the tables are shared, and walked as a whole."""
        leftovers = self.wired.reconciler.reconciliation.leftovers
        leftovers.remove(leftovers.find(timedelta(0)))

    @property
    def derived(self) -> Derived:
        return self.wired.derived.derived

    def put_in(self, bucket: str, key: str, content: bytes) -> ObjectRef:
        """Upload into one of the buckets."""
        own, self.bucket = self.bucket, bucket
        try:
            return self.put(key, content)
        finally:
            self.bucket = own

    def arrive(self, key: str, content: bytes) -> ObjectRef:
        """Upload, and have it go all the way."""
        ref = self.put(key, content)
        self.send(ref)
        self.settle()
        return ref

    def order(self, ref: ObjectRef) -> bool:
        """Ask for the deletion of a version, as the API does."""
        requests = DeleteRequests(self.tables, self.system.queues.delete.queue)
        return requests.request(ref.bucket, ref.key, ref.version)

    def delete(self, *refs: ObjectRef) -> None:
        """What a run does with requests for these versions."""
        now = datetime.now(UTC)
        orders = [some_ref(ref.bucket, ref.key, version=ref.version, arrived=now) for ref in refs]
        assert retries(self.wired.deleter.deleter().delete(orders)) == []

    def make(self, *refs: ObjectRef) -> None:
        """What runs do with requests for all that is made of objects."""
        for ref in refs:
            assert retries(self._transcoded([ref])) == []
        assert retries(self._enriched(refs)) == []

    def settle(self) -> None:
        """What sensors and their runs do, until every queue is empty."""
        wired = self.wired
        steps: list[tuple[Consumer, Callable[[Sequence[ObjectRef]], Iterable[Result[Any]]]]] = [
            (wired.ingest_consumer.consumer, wired.ingest),
            (wired.delete_consumer.consumer, wired.deleter.deleter().delete),
            (wired.rendition_consumer.consumer, self._transcoded),
            (wired.transcode_consumer.consumer, self._transcoded),
            (wired.enrichment_consumer.consumer, self._enriched),
        ]
        while self.service_works() or sum(self._consume(*step) for step in steps):
            pass

    def _consume(
        self, consumer: Consumer, work: Callable[[Sequence[ObjectRef]], Iterable[Result[Any]]]
    ) -> bool:
        batches = consumer.poll(slots=10)
        for batch in batches:
            queue = consumer.source.queue
            with leased(queue, self.tables, batch.id, consumer.source.visibility_seconds) as leases:
                results = list(work(batch.objects))
                assert retries(results) == []
                leases.acknowledge(results)
        return bool(batches)

    def _transcoded(self, refs: Sequence[ObjectRef]) -> list[Result[Any]]:
        transcoder = self.wired.transcoder.transcoder()
        renditions = [transcoder.transcode(ref, lambda _line: None) for ref in refs]
        return [*renditions, *self.wired.previewer.previewer().preview(refs)]

    def _enriched(self, refs: Sequence[ObjectRef]) -> list[Result[Any]]:
        previews = self.wired.previewer.previewer().preview(refs)
        return [*previews, *self.wired.labeler.labelling().label(refs)]

    def jobs(self, ref: ObjectRef) -> list[TranscodeJob]:
        """The jobs of an object that are on record."""
        return list(self.tables.query(TRANSCODE_JOBS, TRANSCODE_JOBS_BY_OBJECT, ref.uri))

    def service_works(self) -> bool:
        """Have the service do every job that it has taken, and tell of it; whether any was."""
        if self._service is None or self._made is None:
            return False
        taken = [name for name, job in self._service.jobs.items() if job["status"] == "SUBMITTED"]
        for job_id in taken:
            for group, bucket, key in self._service.outputs(job_id):
                body = self._made.rendition if group == "video" else self._made.picture
                self.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
            self.system.queues.transcode.queue.send(self._service.end(job_id, "COMPLETE"))
        return bool(taken)

    def reconcile(self) -> tuple[Reconciled, list[Difference | Leftover]]:
        """What the job `reconcile` does and finds, without grace; what it asks for is done."""
        found: list[Difference | Leftover] = []
        done = self.wired.reconciler.reconciliation.run(timedelta(0), found.append)
        self.settle()
        return done, found

    def audit(self, *puts: Put) -> list[str]:
        return audit(self.system, puts)

    def files(self) -> list[str]:
        """What stands in the bucket of renditions."""
        pages = self.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=self.renditions)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def make_up(self, ref: ObjectRef, *, preset: str = "Web", thumbnails: int = 2) -> list[str]:
        """Publish files in all places of an object, as if they were made of it; where they lie."""
        report, folder = self.report(ref), preset.lower()
        pictures = [picture_place(each, ref.bucket, ref.key) for each in ("previews", "strips")]
        rendition = Rendition(
            bucket=ref.bucket,
            key=ref.key,
            version=report.version,
            preset=preset,
            day=report.day,
            rendition_bucket=self.renditions,
            rendition_key=rendition_place(folder, ref.key),
            content_type="video/mp4",
            poster_key=poster_place(folder, ref.key),
            thumbnail_keys=tuple(
                f"{thumbnails_folder(folder, ref.key)}{number:05}.png"
                for number in range(1, thumbnails + 1)
            ),
            size=4,
            duration_seconds=1,
            width=1,
            height=1,
            bit_rate=1,
            engine="none",
            seconds_taken=0,
            made_at=datetime.now(UTC),
        )
        preview = Preview(
            bucket=ref.bucket,
            key=ref.key,
            version=report.version,
            day=report.day,
            kind=Kind.VIDEO,
            preview_bucket=self.renditions,
            preview_key=pictures[0],
            strip_key=pictures[1],
            made_at=datetime.now(UTC),
        )
        places = [
            rendition.rendition_key,
            str(rendition.poster_key),
            *rendition.thumbnail_keys,
            *pictures,
        ]
        file = self.folder / "made"
        file.write_bytes(b"made")
        for place in places:
            publish(
                self.clients.s3,
                file,
                self.renditions,
                place,
                content_type="text/plain",
                source=report,
            )
        self.tables.put(RENDITIONS, [rendition])
        self.tables.put(PREVIEWS, [preview])
        labels = ImageLabels(
            bucket=ref.bucket,
            key=ref.key,
            version=report.version,
            day=report.day,
            model="none",
            max_labels=0,
            min_confidence=0,
            made_at=datetime.now(UTC),
        )
        self.tables.put(IMAGE_LABELS, [labels])
        transcript = Transcript(
            bucket=ref.bucket,
            key=ref.key,
            version=report.version,
            day=report.day,
            model="none",
            made_at=datetime.now(UTC),
        )
        self.tables.put(TRANSCRIPTS, [transcript])
        return sorted(places)

    @contextmanager
    def dying_at(self, write: int) -> Iterator["Death"]:
        """Let so many writes less one through; then the process is dead, and calls AWS no more."""
        with dying_at(shared_clients(Connection.of(self.settings)), write) as death:
            yield death


class Killed(BaseException):
    """The process is gone: nothing that cleans up after errors may catch it."""


@dataclass
class Death:
    """How far a process came."""

    write: int  # at which it dies
    writes: list[str] = field(default_factory=list)
    is_dead: bool = False

    def __call__(self, model: Any, **_: Any) -> None:
        if not self.is_dead and not model.name.startswith(_READS):
            self.writes.append(model.name)
            self.is_dead = len(self.writes) == self.write
        if self.is_dead:
            raise Killed(self.writes)


@contextmanager
def dying_at(clients: Clients, write: int) -> Iterator[Death]:
    """Have a process die at its n-th call that changes something."""
    death = Death(write)
    made: list[Any] = [clients.s3, clients.dynamodb, clients.sqs]
    if clients._mediaconvert_endpoint:
        made.append(clients.mediaconvert)
    for client in made:
        client.meta.events.register_first("before-call", death)
    try:
        yield death
    except Killed:
        assert death.is_dead
    finally:
        for client in made:
            client.meta.events.unregister("before-call", death)

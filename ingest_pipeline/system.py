"""The parts put together for one process: clients, tables, queues, rules and the steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from more_itertools import chunked, unique_everseen

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.aws.events import ParsedBody, ingest_body
from ingest_pipeline.aws.mediaconvert.service import MediaConvert
from ingest_pipeline.aws.queues import Depth, Message, Queue
from ingest_pipeline.aws.rekognition import RekognitionLabeler
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.history import (
    History,
    history,
)
from ingest_pipeline.catalogue.posts import Posts
from ingest_pipeline.media.labels.labeler import (
    Labeler,
    Wanted,
)
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.media.rules.sources import (
    Sources,
    load_sources,
)
from ingest_pipeline.media.video.presets import load_presets
from ingest_pipeline.pipeline.enrich.label import ImageLabelling
from ingest_pipeline.pipeline.enrich.preview import Previewer
from ingest_pipeline.pipeline.enrich.transcode import (
    Engine,
    Renderer,
)
from ingest_pipeline.pipeline.enrich.transcode_ffmpeg import FfmpegEngine
from ingest_pipeline.pipeline.enrich.transcode_mediaconvert import (
    MediaConvertEngine,
    understand_job_event,
)
from ingest_pipeline.pipeline.ingest.delete import (
    Deleter,
    understand_order,
)
from ingest_pipeline.pipeline.ingest.pipeline import take_in
from ingest_pipeline.pipeline.ingest.reconcile import Reconciler
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.ingest.restore import Restorer
from ingest_pipeline.pipeline.ingest.validate import Examiner
from ingest_pipeline.pipeline.queue.batching import by_month
from ingest_pipeline.pipeline.queue.consumer import (
    Intake,
    understand_event,
)
from ingest_pipeline.pipeline.queue.leases import HeldReceipts
from ingest_pipeline.pipeline.sessions import understand_report
from ingest_pipeline.records.model import (
    POSTED,
    ArrivalDay,
    ImageLabels,
    ObjectRef,
    Report,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    BY_DAY,
    DAYS,
    REPORTS,
    report_key,
)
from ingest_pipeline.settings import Settings

_TOGETHER = 500  # reports looked at in one go


class System:
    """Everything that a run, the API or a command works with; made once, connects when used."""

    def __init__(self, config: Settings) -> None:
        self.config = config

    @cached_property
    def clients(self) -> Clients:
        """The AWS clients."""
        return connect(self.config)

    @cached_property
    def tables(self) -> Tables:
        """The DynamoDB tables."""
        return Tables(self.clients.dynamodb)

    @cached_property
    def sources(self) -> Sources:
        """What each bucket takes."""
        return load_sources(self.config.sources)

    @cached_property
    def ingest_queue(self) -> Queue:
        """Where every object enters."""
        return Queue(self.clients.sqs, self.config.ingest_queue)

    @cached_property
    def ingest_dead_letters(self) -> Queue:
        """Where messages end that could not be understood or answered."""
        return Queue(self.clients.sqs, self.config.ingest_dead_letter_queue)

    @cached_property
    def delete_queue(self) -> Queue:
        """Where delete orders come from."""
        return Queue(self.clients.sqs, self.config.delete_queue)

    @cached_property
    def delete_dead_letters(self) -> Queue:
        """Where orders end that were malformed or refused."""
        return Queue(self.clients.sqs, self.config.delete_dead_letter_queue)

    @cached_property
    def rendition_queue(self) -> Queue:
        """Where indexed videos wait for their renditions."""
        return Queue(self.clients.sqs, self.config.rendition_queue)

    @cached_property
    def rendition_dead_letters(self) -> Queue:
        """Where videos end whose renditions could not be made."""
        return Queue(self.clients.sqs, self.config.rendition_dead_letter_queue)

    @cached_property
    def transcode_queue(self) -> Queue:
        """Where MediaConvert's jobs are told to have ended."""
        return Queue(self.clients.sqs, self.config.transcode_queue)

    @cached_property
    def transcode_dead_letters(self) -> Queue:
        """Where messages about jobs end that could not be understood or answered."""
        return Queue(self.clients.sqs, self.config.transcode_dead_letter_queue)

    @cached_property
    def enrichment_queue(self) -> Queue:
        """Where indexed objects wait for their previews and labels."""
        return Queue(self.clients.sqs, self.config.enrichment_queue)

    @cached_property
    def enrichment_dead_letters(self) -> Queue:
        """Where objects end whose previews or labels could not be made."""
        return Queue(self.clients.sqs, self.config.enrichment_dead_letter_queue)

    @cached_property
    def session_queue(self) -> Queue:
        """Where the session bucket announces upload reports."""
        return Queue(self.clients.sqs, self.config.session_queue)

    @cached_property
    def session_dead_letters(self) -> Queue:
        """Where messages about sessions end that could not be understood or answered."""
        return Queue(self.clients.sqs, self.config.session_dead_letter_queue)

    @property
    def queues(self) -> tuple[tuple[Queue, Queue], ...]:
        """Every queue that the sensors look at, each with its dead-letter queue."""
        return (
            (self.ingest_queue, self.ingest_dead_letters),
            (self.delete_queue, self.delete_dead_letters),
            (self.rendition_queue, self.rendition_dead_letters),
            (self.transcode_queue, self.transcode_dead_letters),
            (self.enrichment_queue, self.enrichment_dead_letters),
            (self.session_queue, self.session_dead_letters),
        )

    def intake(self) -> Intake:
        """The ingest sensor's work."""
        return self._intake(understand_event, self.ingest_queue, self.ingest_dead_letters)

    def order_intake(self) -> Intake:
        """The delete sensor's work."""
        understand = partial(understand_order, self.sources)
        return self._intake(understand, self.delete_queue, self.delete_dead_letters)

    def rendition_intake(self) -> Intake:
        """The rendition sensor's work: each video has a run of its own."""
        intake = self._intake(understand_event, self.rendition_queue, self.rendition_dead_letters)
        return replace(intake, max_objects=1)

    def transcode_intake(self) -> Intake:
        """The transcode sensor's work: the end of a job, too, has a run of its own."""
        understand = partial(understand_job_event, self.tables)
        intake = self._intake(understand, self.transcode_queue, self.transcode_dead_letters)
        return replace(intake, max_objects=1)

    def renderer(self, run_id: str | None = None) -> Renderer:
        """Makes renditions."""
        return Renderer(self.tables, load_presets(self.config.presets), self._engine(run_id))

    def _engine(self, run_id: str | None) -> Engine:
        config = self.config
        if config.transcoder == "mediaconvert":
            service = MediaConvert(
                self.clients, str(config.mediaconvert_role), config.mediaconvert_queue
            )
            return MediaConvertEngine(
                self.clients.s3,
                self.tables,
                service,
                self.rendition_queue,
                config.rendition_bucket,
                run_id,
            )
        return FfmpegEngine(self.clients.s3, config.rendition_bucket, config.ffmpeg, run_id)

    def order_renditions(self, outcomes: Iterable[Report]) -> int:
        """Ask for the renditions that these objects lack; of how many."""
        return self.rendition_queue.send_all(map(ingest_body, self.renderer().missing(outcomes)))

    def enrichment_intake(self) -> Intake:
        """The enrichment sensor's work: a run of 200 photos or recordings takes half a minute."""
        intake = self._intake(understand_event, self.enrichment_queue, self.enrichment_dead_letters)
        return replace(intake, max_objects=min(200, intake.max_objects))

    def previewer(self, run_id: str | None = None) -> Previewer:
        """Makes previews."""
        return Previewer(
            self.clients.s3, self.tables, self.config.rendition_bucket, self.config.ffmpeg, run_id
        )

    def order_enrichment(self, outcomes: Sequence[Report]) -> int:
        """Ask for the previews and labels that these objects lack; of how many."""
        return self.enrichment_queue.send_all(map(ingest_body, self._unenriched(outcomes)))

    def unenriched(self, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
        """Those that still lack a preview or labels, and no reason says why."""
        keys = [report_key(ref.uri, ref.row_version) for ref in refs]
        return self._unenriched(self.tables.get_many(REPORTS, keys))

    def _unenriched(self, reports: Sequence[Report]) -> list[ObjectRef]:
        makers = (self.previewer(), self.image_labelling())
        lacking = (ref for maker in makers for ref in maker.missing(reports))
        return list(unique_everseen(lacking, key=lambda ref: (ref.uri, ref.version)))

    def indexed_on(self, days: Iterable[str]) -> Iterator[ObjectRef]:
        """The objects of our sources that are indexed and arrived on these days."""
        rows = (row for day in days for row in self.tables.query(ASSETS, BY_DAY, day))
        return (
            ObjectRef(
                bucket=row.bucket, key=row.file, version=row.version, arrived=row.last_modified
            )
            for row in rows
            if row.deleted_at is None
            and row.version != POSTED
            and self.sources.for_object(row.bucket, row.file)
        )

    def follow_up(self, outcomes: Sequence[Report]) -> None:
        """Ask for all that is made of the indexed ones, and note the days that they came on.

        Call it before their messages go: what comes again is asked for again.
        """
        self.order_renditions(outcomes)
        self.order_enrichment(outcomes)
        self.tables.put(DAYS, [ArrivalDay(day=day) for day in {each.day for each in outcomes}])

    def ask_again(self, days: Iterable[str], grace: timedelta) -> int:
        """Ask again for what the indexed objects of these days lack; of how many.

        An order, or the run that had it, was lost. What waits in a queue is not: while it is not
        empty, nothing is asked for. Nor is what was tried and cannot be transcoded, of which the
        report has the reason: it would be tried every hour.
        """
        before = datetime.now(UTC) - grace
        settled = (
            report
            for day in days
            for report in self.tables.query(REPORTS, BY_DAY, day)
            if report.judged_at < before
            and not report.reasons
            and self.sources.for_object(report.bucket, report.key)
        )
        orders = [
            order
            for queue, order in (
                (self.rendition_queue, self.order_renditions),
                (self.enrichment_queue, self.order_enrichment),
            )
            if queue.depth() == Depth(waiting=0, in_flight=0)
        ]
        return sum(order(some) for some in chunked(settled, _TOGETHER) for order in orders)

    @cached_property
    def labeler(self) -> Labeler:
        """What says what an image shows; it loads its model once."""
        if self.config.labeler == "rekognition":
            return RekognitionLabeler(self.clients)
        return LocalLabeler(self.config.labeler_threads)

    @property
    def labels_wanted(self) -> Wanted:
        """How many labels of an image, and how sure ones."""
        return Wanted(most=self.config.max_labels, least_confidence=self.config.min_confidence)

    @property
    def labels_version(self) -> str:
        """What labels are made by: where it is another one, images are labelled again."""
        return f"{self.labeler.model}: {self.labels_wanted}"

    def image_labelling(self, run_id: str | None = None) -> ImageLabelling:
        """Labels images."""
        return ImageLabelling(
            self.clients.s3,
            self.tables,
            self.labeler,
            self.labels_wanted,
            run_id,
            self._show_labels,
        )

    def _show_labels(self, rows: Sequence[ImageLabels]) -> None:
        """Put labels into the posts of their images; an image whose post is gone goes, too."""
        posts = self.posts()
        for row in rows:
            labels = [label.name for label in row.labels]
            if not posts.attach(row.bucket, row.key, labels, row.version):
                posts.orphaned(row.key, row.version)

    def session_intake(self) -> Intake:
        """The session sensor's work."""
        return replace(
            self._intake(understand_report, self.session_queue, self.session_dead_letters),
            group_of=by_month,
        )

    def _intake(
        self, understand: Callable[[Message], ParsedBody], queue: Queue, dead_letters: Queue
    ) -> Intake:
        return Intake(
            understand,
            queue,
            dead_letters,
            self.tables,
            self.config.visibility_seconds,
            self.config.max_objects_per_run,
        )

    def examiner(self, run_id: str | None = None) -> Examiner:
        """Probes and judges."""
        return Examiner(
            self.clients.s3, self.tables, self.sources, self.config.probe_threads, run_id
        )

    def rejector(self) -> Rejector:
        """Takes invalid objects out of their buckets."""
        return Rejector(
            self.clients.s3,
            self.sources,
            self.config.quarantine_bucket,
            self.config.probe_threads,
        )

    def take_in(self, run_id: str | None, refs: Sequence[ObjectRef]) -> list[Report]:
        """Take objects in at once, for those who bring them themselves."""
        outcomes = take_in(self.tables, self.examiner(run_id), self.rejector(), refs)
        self.follow_up(outcomes)
        return outcomes

    def deleter(self, run_id: str | None = None) -> Deleter:
        """Carries out delete orders."""
        return Deleter(self.clients.s3, self.tables, run_id)

    def posts(self) -> Posts:
        """What people share with a photo."""
        return Posts(
            self.clients.s3,
            self.clients.dynamodb,
            self.tables,
            self.delete_queue,
            self.config.photo_bucket,
        )

    def restorer(self) -> Restorer:
        """Brings objects back."""
        return Restorer(self.clients.s3, self.tables, self.ingest_queue)

    def reconciler(self) -> Reconciler:
        """Compares buckets and tables."""
        return Reconciler(self.clients.s3, self.tables, self.ingest_queue)

    def story(self, bucket: str, key: str) -> History:
        """What became of a key, and why."""
        return history(
            self.clients.s3,
            self.tables,
            self.ingest_queue,
            self.config.ui_url,
            bucket=bucket,
            key=key,
        )

    def held_receipts(self, queue: Queue, batch: str | None) -> HeldReceipts:
        """The messages of one run."""
        return HeldReceipts(queue, self.tables, batch, self.config.visibility_seconds)

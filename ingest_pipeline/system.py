"""The parts put together for one process: clients, tables, queues, rules and the steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.aws.events import ParsedBody, ingest_body
from ingest_pipeline.aws.queues import Message, Queue
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalog.model import ObjectRef, Report
from ingest_pipeline.media.presets import load_presets
from ingest_pipeline.media.rules import Sources, load_sources
from ingest_pipeline.settings import Settings
from ingest_pipeline.steps.batching import by_month
from ingest_pipeline.steps.examine import Examiner
from ingest_pipeline.steps.history import History, history
from ingest_pipeline.steps.intake import Intake, understand_event
from ingest_pipeline.steps.orders import Deleter, understand_order
from ingest_pipeline.steps.receipts import HeldReceipts
from ingest_pipeline.steps.reconcile import Reconciler
from ingest_pipeline.steps.reject import Rejector
from ingest_pipeline.steps.render import Renderer
from ingest_pipeline.steps.restore import Restorer
from ingest_pipeline.steps.session_events import understand_report
from ingest_pipeline.steps.take_in import take_in


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

    def renderer(self, run_id: str | None = None) -> Renderer:
        """Makes renditions."""
        return Renderer(
            self.clients.s3,
            self.tables,
            load_presets(self.config.presets),
            self.config.rendition_bucket,
            run_id,
        )

    def order_renditions(self, outcomes: Iterable[Report]) -> int:
        """Ask for the renditions that these objects lack; of how many."""
        return self.rendition_queue.send_all(map(ingest_body, self.renderer().missing(outcomes)))

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
        return take_in(self.tables, self.examiner(run_id), self.rejector(), refs)

    def deleter(self, run_id: str | None = None) -> Deleter:
        """Carries out delete orders."""
        return Deleter(self.clients.s3, self.tables, run_id)

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

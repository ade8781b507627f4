"""Every resource by the name under which assets, jobs and sensors ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest_pipeline.aws.clients import Connection
from ingest_pipeline.defs.common.io_managers import ResultsIOManager
from ingest_pipeline.defs.common.resources.aws import (
    AwsResource,
    CatalogueResource,
    SourcesResource,
)
from ingest_pipeline.defs.common.resources.derived import DerivedResource
from ingest_pipeline.defs.common.resources.enrich import (
    LabelerResource,
    PreviewerResource,
    RequestsResource,
    TranscriberResource,
)
from ingest_pipeline.defs.common.resources.ingest import (
    DeleteConsumerResource,
    DeleterResource,
    ReconcilerResource,
    RejectorResource,
    ValidatorResource,
)
from ingest_pipeline.defs.common.resources.queues import (
    ConsumerResource,
    DeadLettersResource,
    LeasesResource,
)
from ingest_pipeline.defs.common.resources.sessions import (
    EventDbResource,
    EventSinkResource,
    SessionBucketResource,
    SessionConsumerResource,
)
from ingest_pipeline.defs.common.resources.transcode import (
    TranscodeJobConsumerResource,
    TranscoderResource,
)
from ingest_pipeline.pipeline.ingest.pipeline import ingest
from ingest_pipeline.pipeline.result import Result
from ingest_pipeline.records.model import ObjectRef, Report
from ingest_pipeline.settings import QueueNames, Settings

_MOST_ENRICHED = 200  # objects of a run: 200 photos or recordings take half a minute


@dataclass(frozen=True)
class Resources:
    """The resources; an asset, job or sensor names the ones it uses as they are named here."""

    aws: AwsResource
    catalogue: CatalogueResource
    rules: SourcesResource
    validator: ValidatorResource
    rejector: RejectorResource
    derived: DerivedResource
    deleter: DeleterResource
    transcoder: TranscoderResource
    previewer: PreviewerResource
    labeler: LabelerResource
    transcriber: TranscriberResource
    requests: RequestsResource
    reconciler: ReconcilerResource
    dead_letters: DeadLettersResource
    session_bucket: SessionBucketResource
    event_db: EventDbResource
    event_sink: EventSinkResource
    results_io_manager: ResultsIOManager
    ingest_consumer: ConsumerResource
    delete_consumer: DeleteConsumerResource
    rendition_consumer: ConsumerResource
    transcode_consumer: TranscodeJobConsumerResource
    enrichment_consumer: ConsumerResource
    session_consumer: SessionConsumerResource
    ingest_leases: LeasesResource
    delete_leases: LeasesResource
    transcode_leases: LeasesResource
    enrichment_leases: LeasesResource
    session_leases: LeasesResource

    def ingest(self, refs: Sequence[ObjectRef], run_id: str | None = None) -> list[Result[Report]]:
        """Ingest objects at once, for those who bring them themselves."""
        return ingest(
            refs,
            tables=self.aws.tables,
            derived=self.derived.derived,
            validator=self.validator.validator(run_id),
            rejector=self.rejector.rejector(),
            follow_up=self.requests.requests.follow_up,
        ).results

    def by_name(self) -> dict[str, Any]:
        """What Dagster takes."""
        return dict(vars(self))


def resources(config: Settings) -> Resources:
    """The resources, as the settings say."""
    connection = Connection.of(config)
    aws = AwsResource(
        account=config.aws,
        endpoint_url=connection.endpoint_url,
        region=connection.region,
        attempts=connection.attempts,
        connections=connection.connections,
        mediaconvert_endpoint=connection.mediaconvert_endpoint,
        rekognition_endpoint=connection.rekognition_endpoint,
        transcribe_endpoint=connection.transcribe_endpoint,
    )
    rules = SourcesResource(file=str(config.sources))
    queues = config.queues
    ffmpeg = str(config.ffmpeg) if config.ffmpeg else None
    derived = DerivedResource(
        aws=aws, bucket=config.rendition_bucket, mediaconvert_role=config.mediaconvert_role
    )
    transcoder = TranscoderResource(
        aws=aws,
        derived=derived,
        engine=config.transcoder,
        presets=str(config.presets),
        sources=str(config.sources),
        ffmpeg=ffmpeg,
        mediaconvert_role=config.mediaconvert_role,
        mediaconvert_queue=config.mediaconvert_queue,
        request_queue=queues.rendition.queue,
    )
    previewer = PreviewerResource(aws=aws, derived=derived, ffmpeg=ffmpeg)
    labeler = LabelerResource(
        aws=aws,
        derived=derived,
        engine=config.labeler,
        max_labels=config.max_labels,
        min_confidence=config.min_confidence,
        threads=config.labeler_threads,
        photo_bucket=config.photo_bucket,
        delete_queue=queues.delete.queue,
    )
    session_bucket = SessionBucketResource(aws=aws, name=config.session_bucket)
    event_db = EventDbResource(aws=aws, kind=_kind_of_event_db(config))
    event_sink = EventSinkResource(kind=_kind_of_event_sink(config))
    model = config.transcriber_model
    transcriber = TranscriberResource(
        aws=aws,
        derived=derived,
        rules=rules,
        event_db=event_db,
        event_sink=event_sink,
        session_bucket=session_bucket,
        engine=config.transcriber,
        folder=str(model.resolve()) if model else None,
        language=config.transcriber_language or None,
        threads=config.transcriber_threads,
        longest_seconds=config.max_transcribed_seconds,
        spoken_language=config.transcribe_language or None,
        result_bucket=config.rendition_bucket,
    )
    requests = RequestsResource(
        aws=aws,
        derived=derived,
        rules=rules,
        transcoder=transcoder,
        previewer=previewer,
        labeler=labeler,
        transcriber=transcriber,
        rendition_queue=queues.rendition.queue,
        enrichment_queue=queues.enrichment.queue,
    )

    def consumed(names: QueueNames, max_objects: int = config.max_objects_per_run) -> Any:  # noqa: ANN401 - arguments of a resource
        return {
            "aws": aws,
            "queue": names.queue,
            "dead_letters": names.dead_letters,
            "visibility_seconds": names.visibility_seconds,
            "max_objects": min(max_objects, config.max_objects_per_run),
            "max_queued_runs": config.max_queued_runs,
        }

    def leases(names: QueueNames) -> LeasesResource:
        return LeasesResource(
            aws=aws, queue=names.queue, visibility_seconds=names.visibility_seconds
        )

    return Resources(
        aws=aws,
        catalogue=CatalogueResource(url=config.catalogue_link),
        rules=rules,
        validator=ValidatorResource(
            aws=aws, rules=rules, threads=config.probe_threads, ffmpeg=ffmpeg
        ),
        rejector=RejectorResource(
            aws=aws,
            rules=rules,
            quarantine_bucket=config.quarantine_bucket,
            threads=config.probe_threads,
        ),
        derived=derived,
        deleter=DeleterResource(aws=aws, derived=derived),
        transcoder=transcoder,
        previewer=previewer,
        labeler=labeler,
        transcriber=transcriber,
        requests=requests,
        reconciler=ReconcilerResource(
            aws=aws,
            derived=derived,
            rules=rules,
            requests=requests,
            queue=queues.ingest.queue,
            delete_queue=queues.delete.queue,
        ),
        dead_letters=DeadLettersResource(aws=aws, queues=[names.dead_letters for names in queues]),
        session_bucket=session_bucket,
        event_db=event_db,
        event_sink=event_sink,
        results_io_manager=ResultsIOManager(requests=requests),
        ingest_consumer=ConsumerResource(**consumed(queues.ingest)),
        delete_consumer=DeleteConsumerResource(rules=rules, **consumed(queues.delete)),
        rendition_consumer=ConsumerResource(**consumed(queues.rendition, 1)),
        transcode_consumer=TranscodeJobConsumerResource(**consumed(queues.transcode, 1)),
        enrichment_consumer=ConsumerResource(**consumed(queues.enrichment, _MOST_ENRICHED)),
        session_consumer=SessionConsumerResource(**consumed(queues.session)),
        ingest_leases=leases(queues.ingest),
        delete_leases=leases(queues.delete),
        transcode_leases=leases(queues.rendition),
        enrichment_leases=leases(queues.enrichment),
        session_leases=leases(queues.session),
    )


def _kind_of_event_db(config: Settings) -> str:
    if config.event_db_file:
        return f"as {config.event_db_file} says"
    return config.event_db_url.partition(":")[0]


def _kind_of_event_sink(config: Settings) -> str:
    if config.event_sink_file:
        return f"as {config.event_sink_file} says"
    return (config.event_sink_url or "none").partition(":")[0]

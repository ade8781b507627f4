"""Everything that Dagster loads, put together; nothing is defined here."""

import dagster as dg

from ingest_pipeline.defs.common.io_managers import DynamoDBIOManager
from ingest_pipeline.defs.common.resources import (
    AwsResource,
    EventDbResource,
    HeldReceiptsResource,
)
from ingest_pipeline.defs.enrichment.image_labels import image_labels_by
from ingest_pipeline.defs.enrichment.jobs import enrich_objects
from ingest_pipeline.defs.enrichment.previews import (
    enrichment_receipts,
    previews,
)
from ingest_pipeline.defs.enrichment.sensors import enrichment_sensor
from ingest_pipeline.defs.ingest.assets import (
    ingest_bucket,
    ingest_receipts,
    probe_report,
    rejected_objects,
    valid_asset_index,
)
from ingest_pipeline.defs.ingest.jobs import (
    delete_objects,
    ingest_objects,
)
from ingest_pipeline.defs.ingest.sensors import (
    s3_delete_sensor,
    s3_ingest_sensor,
)
from ingest_pipeline.defs.maintenance.checks import (
    bucket_and_tables_agree,
    dead_letter_queues_empty,
    indexed_objects_are_enriched,
)
from ingest_pipeline.defs.maintenance.jobs import reconcile
from ingest_pipeline.defs.maintenance.schedules import reconcile_hourly
from ingest_pipeline.defs.renditions.assets import renditions
from ingest_pipeline.defs.renditions.jobs import render_videos
from ingest_pipeline.defs.renditions.sensors import (
    rendition_sensor,
    transcode_sensor,
)
from ingest_pipeline.defs.sessions.assets import (
    session_assets,
    session_bucket,
)
from ingest_pipeline.defs.sessions.jobs import ingest_sessions
from ingest_pipeline.defs.sessions.schedules import recent_sessions
from ingest_pipeline.defs.sessions.sensors import session_sensor
from ingest_pipeline.settings import settings


@dg.definitions
def defs() -> dg.Definitions:
    """The code location `ingest_pipeline`."""
    aws = AwsResource()
    return dg.Definitions(
        assets=[
            renditions,
            previews,
            image_labels_by(aws.system.labels_version),
            enrichment_receipts,
            session_bucket,
            session_assets,
            ingest_bucket,
            probe_report,
            valid_asset_index,
            rejected_objects,
            ingest_receipts,
        ],
        asset_checks=[
            bucket_and_tables_agree,
            indexed_objects_are_enriched,
            dead_letter_queues_empty,
        ],
        jobs=[
            ingest_objects,
            delete_objects,
            ingest_sessions,
            render_videos,
            enrich_objects,
            reconcile,
        ],
        sensors=[
            s3_ingest_sensor,
            s3_delete_sensor,
            rendition_sensor,
            transcode_sensor,
            enrichment_sensor,
            session_sensor,
        ],
        schedules=[reconcile_hourly, recent_sessions],
        resources={
            "aws": aws,
            "dynamodb_io_manager": DynamoDBIOManager(aws=aws),
            "event_db": EventDbResource(aws=aws),
            "ingest_messages": HeldReceiptsResource(aws=aws, queue=settings().ingest_queue),
            "delete_messages": HeldReceiptsResource(aws=aws, queue=settings().delete_queue),
            "rendition_messages": HeldReceiptsResource(aws=aws, queue=settings().rendition_queue),
            "enrichment_messages": HeldReceiptsResource(aws=aws, queue=settings().enrichment_queue),
            "session_messages": HeldReceiptsResource(aws=aws, queue=settings().session_queue),
        },
        # A batch's steps are short and hand rows on: a process for each would cost 9 CPU s more.
        executor=dg.in_process_executor,
    )

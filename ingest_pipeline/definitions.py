"""Everything that Dagster loads, put together; nothing is defined here."""

import dagster as dg

from ingest_pipeline.defs.assets.ingest import (
    ingest_bucket,
    ingest_receipts,
    probe_report,
    rejected_objects,
    valid_asset_index,
)
from ingest_pipeline.defs.checks import bucket_and_tables_agree, dead_letter_queues_empty
from ingest_pipeline.defs.io_managers import DynamoDBIOManager
from ingest_pipeline.defs.jobs import delete_objects, ingest_objects, reconcile
from ingest_pipeline.defs.resources import AwsResource, HeldReceiptsResource
from ingest_pipeline.defs.schedules import reconcile_hourly
from ingest_pipeline.defs.sensors import s3_delete_sensor, s3_ingest_sensor
from ingest_pipeline.settings import settings


@dg.definitions
def defs() -> dg.Definitions:
    """The code location `ingest_pipeline`."""
    aws = AwsResource()
    return dg.Definitions(
        assets=[
            ingest_bucket,
            probe_report,
            valid_asset_index,
            rejected_objects,
            ingest_receipts,
        ],
        asset_checks=[bucket_and_tables_agree, dead_letter_queues_empty],
        jobs=[ingest_objects, delete_objects, reconcile],
        sensors=[s3_ingest_sensor, s3_delete_sensor],
        schedules=[reconcile_hourly],
        resources={
            "aws": aws,
            "dynamodb_io_manager": DynamoDBIOManager(aws=aws),
            "ingest_messages": HeldReceiptsResource(aws=aws, queue=settings().ingest_queue),
            "delete_messages": HeldReceiptsResource(aws=aws, queue=settings().delete_queue),
        },
        # A batch's steps are short and hand rows on: a process for each would cost 9 CPU s more.
        executor=dg.in_process_executor,
    )

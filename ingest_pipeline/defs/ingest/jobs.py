"""The jobs: what a sensor's run does, delete orders, reconciliation."""

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.resources import (
    AwsResource,
    HeldReceiptsResource,
)
from ingest_pipeline.records.model import Report

ingest_objects = dg.define_asset_job(
    "ingest_objects",
    selection=dg.AssetSelection.assets(
        "probe_report", "valid_asset_index", "rejected_objects", "ingest_receipts"
    ),
    executor_def=dg.in_process_executor,
    description="Takes in a batch of objects, or everything that arrived on the partition's day.",
)


@dg.op(description="Deletes the objects that the orders name, whatever version stands there.")
def delete_ordered_objects(
    context: dg.OpExecutionContext, config: ObjectsConfig, aws: AwsResource
) -> list[Report]:
    deleter = aws.system.deleter(context.run_id)
    deleted = [report for ref in config.refs() if (report := deleter.delete(ref))]
    context.log.info("deleted %d of %d objects", len(deleted), len(config.objects))
    return deleted


@dg.op(description="Leaves tombstones in the index, and the outcome on record.")
def forget_deleted_objects(
    context: dg.OpExecutionContext,
    config: ObjectsConfig,
    aws: AwsResource,
    deleted: list[Report],
) -> None:
    aws.system.deleter(context.run_id).forget(config.refs(), deleted)


@dg.op(ins={"forgotten": dg.In(dg.Nothing)}, description="Deletes the orders from their queue.")
def answer_delete_orders(delete_messages: HeldReceiptsResource) -> None:
    delete_messages.held.answer_all()


@dg.job(
    executor_def=dg.in_process_executor,
    description="Carries out delete orders: object, index row, record, and then the message.",
)
def delete_objects() -> None:
    answer_delete_orders(forget_deleted_objects(delete_ordered_objects()))

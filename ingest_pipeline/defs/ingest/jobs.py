"""The jobs that ingest objects and delete them."""

from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.resources.ingest import DeleterResource
from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.pipeline.result import values

ingest_objects = dg.define_asset_job(
    "ingest_objects",
    selection=dg.AssetSelection.assets(
        "probe_report", "valid_asset_index", "rejected_objects", "ingest_receipts"
    ),
    description="Ingests a batch of objects, or everything that arrived on the partition's day.",
)


@dg.op(
    description="Deletes the objects that the requests mean, what was made of them, and their rows "
    "in the index."
)
def delete_requested_objects(
    context: dg.OpExecutionContext, config: ObjectsConfig, deleter: DeleterResource
) -> list[Any]:
    results = deleter.deleter(context.run_id).delete(config.refs())
    context.log.info("deleted %d of %d objects", len(values(results)), len(results))
    return results


@dg.op(description="Deletes the requests that were carried out from their queue.")
def delete_receipts(delete_leases: LeasesResource, results: list[Any]) -> None:
    last_step = LastStep(delete_leases)
    last_step.acknowledge(results)
    last_step.check()


@dg.job(description="Carries out delete requests: object, index row, record, then the message.")
def delete_objects() -> None:
    delete_receipts(delete_requested_objects())

"""The jobs that look at the whole, and the one that mends it."""

import dagster as dg

from ingest_pipeline.defs.common.resources.aws import SourcesResource
from ingest_pipeline.defs.common.resources.enrich import RequestsResource
from ingest_pipeline.defs.common.resources.ingest import ReconcilerResource
from ingest_pipeline.defs.maintenance.checks import GRACE, recent_days

check_objects = dg.define_asset_job(
    "check_objects",
    selection=dg.AssetSelection.checks_for_assets("ingest_bucket"),
    description="Looks whether buckets and tables agree, and at what was given up on.",
)


@dg.op(description="Sends the objects on which bucket and tables disagree through ingest again.")
def mend_differences(
    context: dg.OpExecutionContext, reconciler: ReconcilerResource, rules: SourcesResource
) -> None:
    mends = reconciler.reconciler()
    for bucket in rules.sources.buckets:
        sent = mends.repair(mends.differences(bucket, GRACE))
        context.log.info("%s: %d objects sent through the ingest queue again", bucket, sent)


@dg.op(
    ins={"mended": dg.In(dg.Nothing)},
    description="Asks again for the renditions, previews and labels that indexed objects lack.",
)
def request_missing(context: dg.OpExecutionContext, requests: RequestsResource) -> None:
    asked = requests.requests.request_again(recent_days(), GRACE)
    context.log.info("asked again for what %d objects lack", asked)


@dg.job(description="Compares buckets with tables and mends what events did not tell.")
def reconcile() -> None:
    request_missing(mend_differences())

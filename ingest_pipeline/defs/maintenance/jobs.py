"""The jobs that look at the whole, and the one that mends it."""

import dagster as dg

from ingest_pipeline.defs.common.resources.ingest import ReconcilerResource
from ingest_pipeline.defs.maintenance.checks import GRACE
from ingest_pipeline.pipeline.ingest.reconcile import Difference
from ingest_pipeline.pipeline.leftovers import Leftover

_TOLD = 100  # of what was found, in the run's log

check_objects = dg.define_asset_job(
    "check_objects",
    selection=dg.AssetSelection.checks_for_assets("ingest_bucket"),
    description="Looks whether buckets and tables agree, and at what was given up on.",
)


@dg.op(
    description="Sends what disagrees through ingest again, carries out deletions that were "
    "forgotten, removes what outlived its object, and asks for what indexed objects lack."
)
def mend(context: dg.OpExecutionContext, reconciler: ReconcilerResource) -> None:
    first: list[str] = []

    def tell(found: Difference | Leftover) -> None:
        if len(first) < _TOLD:
            first.append(f"{found.uri}: {found.problem}")

    done = reconciler.reconciliation.run(GRACE, tell)
    context.log.info("%s", "\n".join([str(done), *first]))


@dg.job(description="Compares buckets with tables and mends what events did not tell.")
def reconcile() -> None:
    mend()

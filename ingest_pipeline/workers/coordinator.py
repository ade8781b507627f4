"""Launches a run at once where there is room, and queues it where there is none."""

import dagster as dg
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._utils.tags import TagConcurrencyLimitsCounter
from typing_extensions import override

from ingest_pipeline.workers.lanes import TAG, lane_of
from ingest_pipeline.workers.reach import BrokerAwayError, NeedsBroker

_IN_PROGRESS = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.CANCELING]


class PromptRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, without the wait until its daemon looks at it: half a second on average.

    Every run gets its lane, by which the queue's limits are.
    """

    @override
    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        run = context.dagster_run
        if TAG not in run.tags:
            self._instance.add_run_tags(run.run_id, {TAG: str(lane_of(run.tags))})
            run = run.with_tags({**run.tags, TAG: str(lane_of(run.tags))})
        if run.status is dg.DagsterRunStatus.NOT_STARTED and self._has_room(run):
            return self._instance.launch_run(run.run_id, context.workspace)
        return super().submit_run(context)

    def _has_room(self, run: dg.DagsterRun) -> bool:
        launcher = self._instance.run_launcher
        if isinstance(launcher, NeedsBroker):
            try:
                launcher.check_broker()
            except BrokerAwayError:
                return False
        queued = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.QUEUED], tags={TAG: str(lane_of(run.tags))}
        )
        if self._instance.get_runs_count(queued):
            return False  # one after the other
        begun = self._instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS))
        limits = self._instance.get_concurrency_config().run_queue_config
        if limits is None:
            return False
        counter = TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, begun)
        return len(begun) < limits.max_concurrent_runs and not counter.is_blocked(run)

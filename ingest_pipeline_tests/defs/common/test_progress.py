import time
from collections.abc import Callable

import dagster as dg

from ingest_pipeline.defs.common.progress import Progress

Work = Callable[[Progress], None]


def told_by(instance: dg.DagsterInstance, work: Work) -> tuple[list[str], str | None]:
    """What a run that does this work writes into its log, and when it may be ended."""

    @dg.asset
    def long(context: dg.AssetExecutionContext) -> None:
        work(Progress(context))

    result = dg.materialize([long], instance=instance)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    log = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return log, run.tags.get(dg.MAX_RUNTIME_SECONDS_TAG)


def limited_to(seconds: int) -> dict[str, object]:
    return {"run_monitoring": {"enabled": True, "max_runtime_seconds": seconds}}


def test_the_limit_of_a_run_counts_from_when_it_last_told_how_far_it_is() -> None:
    def work(progress: Progress) -> None:
        progress.tell("1 of 3 objects")
        time.sleep(1.1)
        progress.tell("2 of 3 objects")
        progress.tell("3 of 3 objects")

    with dg.instance_for_test(overrides=limited_to(10)) as instance:
        log, limit = told_by(instance, work)
    assert [line for line in log if " of 3 objects" in line] == [
        "1 of 3 objects",
        "2 of 3 objects",
        "3 of 3 objects",
    ]
    assert limit == "11"


def test_where_runs_have_no_limit_none_is_set() -> None:
    with dg.instance_for_test() as instance:
        log, limit = told_by(instance, lambda progress: progress.tell("all"))
    assert "all" in log
    assert limit is None

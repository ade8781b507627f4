"""The storage under Dagster's own use of it: runs, events, assets and sensors' ticks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import yaml

from ingest_pipeline.local.dagster_storage import OpenSqliteStorage


def instance(home: Path) -> dg.DagsterInstance:
    storage = {
        "module": OpenSqliteStorage.__module__,
        "class": OpenSqliteStorage.__name__,
        "config": {"base_dir": str(home)},
    }
    settings = {"storage": {"custom": storage}, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return dg.DagsterInstance.from_config(str(home))


@dg.asset
def number() -> int:
    return 1


job = dg.Definitions(assets=[number]).resolve_implicit_global_asset_job_def()


def test_a_run_is_there_for_the_next_process_with_all_its_events(tmp_path: Path) -> None:
    with instance(tmp_path) as first:
        result = job.execute_in_process(instance=first)
        events = len(first.all_logs(result.run_id))
    with instance(tmp_path) as second:
        run = second.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert len(second.all_logs(result.run_id)) == events > 10
        assert second.get_latest_materialization_event(dg.AssetKey("number")) is not None


def test_runs_share_a_file(tmp_path: Path) -> None:
    with instance(tmp_path) as made:
        for _ in range(3):
            job.execute_in_process(instance=made)
        databases = {path.name for path in tmp_path.rglob("*.db")}
    assert databases == {"event_log.db", "runs.db", "schedules.db"}


def test_threads_and_instances_write_side_by_side(tmp_path: Path) -> None:
    with instance(tmp_path) as one, instance(tmp_path) as other:
        run = job.execute_in_process(instance=one).dagster_run
        before = len(one.all_logs(run.run_id))

        def tell(number: int) -> None:
            (one, other)[number % 2].report_engine_event(f"number {number}", run)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(tell, range(200)))
        assert len(other.all_logs(run.run_id)) == before + 200


def test_two_that_begin_at_once_make_one_database(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: OpenSqliteStorage(str(tmp_path)), range(4)))
    for each in made:
        each.dispose()

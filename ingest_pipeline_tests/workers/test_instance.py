"""The instance of a system with workers, made by Dagster itself from the file that is written."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from ingest_pipeline.settings import Settings
from ingest_pipeline.workers.coordinator import PromptRunCoordinator
from ingest_pipeline.workers.instance import with_workers, write_instance
from ingest_pipeline.workers.launcher import WorkerRunLauncher


def test_dagster_loads_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_HOME", str(tmp_path))
    config = Settings(home=tmp_path, worker_processes=6)
    (tmp_path / "dagster").mkdir()
    write_instance(config, tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        assert isinstance(instance.run_launcher, WorkerRunLauncher)
        assert isinstance(instance.run_coordinator, PromptRunCoordinator)
        assert type(instance.run_storage).__module__ == "ingest_pipeline.local.dagster_storage"
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 6
        assert [each["limit"] for each in queue.tag_concurrency_limits] == [2, 2, 1]
        assert instance.run_monitoring_max_runtime_seconds == 0
        assert not instance.telemetry_enabled


def test_postgresql_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://dagster:secret@db.example/dagster"
    config = Settings(home=tmp_path, dagster_db=SecretStr(url))
    written = with_workers(config, {"concurrency": {"pools": {}}})
    assert written["storage"] == {"postgres": {"postgres_url": {"env": "INGEST_DAGSTER_DB_URL"}}}
    assert "secret" not in str(written)


def test_more_workers_than_this_machine_s_do_more_runs_at_a_time(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, worker_processes=4, max_concurrent_runs=12)
    written = with_workers(config, {"concurrency": {"pools": {}}})
    runs = written["concurrency"]["runs"]
    assert runs["max_concurrent_runs"] == 12
    assert [each["limit"] for each in runs["tag_concurrency_limits"]] == [8, 2, 1]


@pytest.mark.parametrize(("cores", "transcodes"), [(1, 2), (2, 2), (4, 2), (8, 4), (32, 16)])
def test_the_more_cores_the_more_videos_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, transcodes: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    concurrency = with_workers(Settings(home=tmp_path), {"concurrency": {"pools": {}}})[
        "concurrency"
    ]
    assert concurrency["pools"]["default_limit"] == transcodes
    limits = [each["limit"] for each in concurrency["runs"]["tag_concurrency_limits"]]
    assert limits[1] == transcodes
    assert sum(limits) < concurrency["runs"]["max_concurrent_runs"]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 60),
        ({"worker_processes": 4, "max_concurrent_runs": 5}, 600),
        ({"workers": "redis://127.0.0.1:6379/7"}, 600),
    ],
)
def test_a_run_that_no_worker_takes_is_given_up_sooner_where_each_has_a_place(
    tmp_path: Path, settings: dict[str, Any], seconds: int
) -> None:
    config = Settings(home=tmp_path, **settings)
    written = with_workers(config, {"concurrency": {"pools": {}}})
    assert written["run_monitoring"]["start_timeout_seconds"] == seconds

"""The instance of a system with workers, made by Dagster itself from the file that is written."""

from pathlib import Path

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

"""The dagster.yaml of a system with workers: the plain one, and what warm runs want otherwise."""

import os
from pathlib import Path
from typing import Any

import yaml

from ingest_pipeline.settings import PROJECT_ROOT, Settings
from ingest_pipeline.workers.lanes import lane_limits

_LEAST_TRANSCODES = 2  # at a time: one fetches and stores while the other computes
_SENSORS = 8  # that may wait at their queues at a time; there are six


def write_instance(config: Settings, home: Path) -> None:
    """Write `home`/dagster.yaml."""
    plain = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(with_workers(config, plain), sort_keys=False)
    (home / "dagster.yaml").write_text(text, encoding="utf-8")


def with_workers(config: Settings, plain: dict[str, Any]) -> dict[str, Any]:
    """The content of the file, from that of the plain one."""
    return {
        **plain,
        "storage": _storage(config),
        "run_launcher": {
            "module": "ingest_pipeline.workers.launcher",
            "class": "WorkerRunLauncher",
        },
        "run_coordinator": {
            "module": "ingest_pipeline.workers.coordinator",
            "class": "PromptRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        # Dagster's own starts two `tail` processes for each step; our steps print nothing.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "concurrency": {
            "pools": {**plain["concurrency"]["pools"], "default_limit": _transcodes(config)},
            "runs": {
                "max_concurrent_runs": config.concurrent_runs,
                "tag_concurrency_limits": lane_limits(config.concurrent_runs, _transcodes(config)),
            },
        },
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": 2,
            "start_timeout_seconds": _start_seconds(config),
            "cancel_timeout_seconds": 20,
            # None: a run that shows signs of life goes on, and one without them is failed.
            "max_runtime_seconds": 0,
        },
        "sensors": {"use_threads": True, "num_workers": _SENSORS, "num_submit_workers": 4},
    }


def _start_seconds(config: Settings) -> int:
    """How long a run may wait in the broker; its messages stay hidden meanwhile.

    On a laptop a place is free for each, and its worker stands again within seconds: a run that has
    waited longer was lost with the broker's folder.
    """
    has_places = config.workers == "embedded" and config.concurrent_runs <= config.processes
    return 60 if has_places else 600


def _transcodes(config: Settings) -> int:
    """One for two cores, and so many that one process is left to each of the other lanes."""
    wanted = max(_LEAST_TRANSCODES, (os.cpu_count() or 1) // 2)
    return max(1, min(wanted, config.concurrent_runs - 3))


def _storage(config: Settings) -> dict[str, Any]:
    if config.dagster_db_url:
        return {"postgres": {"postgres_url": {"env": "INGEST_DAGSTER_DB_URL"}}}
    return {
        "custom": {
            "module": "ingest_pipeline.local.dagster_storage",
            "class": "OpenSqliteStorage",
            "config": {"base_dir": str(config.state / "dagster")},
        }
    }

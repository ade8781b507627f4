from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from ingest_pipeline.settings import Settings
from ingest_pipeline.workers.broker import Broker, celery_app
from ingest_pipeline.workers.lanes import Lane


def config(home: Path, workers: str, results: str | None = None) -> Settings:
    return Settings(
        home=home,
        workers=workers,
        worker_results=SecretStr(results) if results else None,
        region="us-east-1",
        endpoint_url=None,
    )


def test_the_embedded_broker_is_folders_below_the_home(tmp_path: Path) -> None:
    broker = Broker.of(config(tmp_path, "embedded"))
    assert broker.url == "filesystem://"
    assert broker.results == f"file://{tmp_path}/workers/results"
    celery_app(broker)
    assert {path.name for path in (tmp_path / "workers").iterdir()} == {
        "queue",
        "control",
        "results",
    }


def test_redis_keeps_the_results_too_unless_another_place_is_named(tmp_path: Path) -> None:
    assert Broker.of(config(tmp_path, "redis://h:6379/1")).results == "redis://h:6379/1"
    assert Broker.of(config(tmp_path, "redis://h/1", "redis://h/2")).results == "redis://h/2"


@pytest.mark.parametrize("workers", ["amqp://h//", "sqs"])
def test_a_broker_that_keeps_no_results_wants_a_place_for_them(
    tmp_path: Path, workers: str
) -> None:
    with pytest.raises(ValidationError, match="set INGEST_WORKER_RESULTS to redis"):
        config(tmp_path, workers)


def test_sqs_is_that_of_the_embedded_aws_where_that_is_used(tmp_path: Path) -> None:
    broker = Broker.of(config(tmp_path, "sqs", "redis://h/2"))
    assert broker.url == "sqs://test:test@localhost:4566"


def test_its_name_holds_no_password(tmp_path: Path) -> None:
    broker = Broker.of(config(tmp_path, "rediss://user:secret@cache.example:6380/0"))
    assert broker.name == "rediss://cache.example:6380"


def test_a_worker_of_all_lanes_looks_at_what_is_fresh_first(tmp_path: Path) -> None:
    app = celery_app(Broker.of(config(tmp_path, "embedded")))
    assert [queue.name for queue in app.conf.task_queues] == [lane.queue for lane in Lane]
    assert next(iter(Lane)) is Lane.FRESH

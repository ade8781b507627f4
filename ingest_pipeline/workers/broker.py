"""Where runs are sent, and where it is told how they are: the Celery application by the settings.

All four brokers end a run the same way: its worker looks at the run's status itself (SQS, and a
worker that was away for a moment, hear no broadcast).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu.entity import Exchange, Queue

from ingest_pipeline.settings import Settings
from ingest_pipeline.workers.lanes import Lane

TASK = "execute_run"
VERSION_HEADER = "ingest_version"  # of the code that sent the run
_POLL_SECONDS = 0.05  # a look into the folder of the embedded broker: 20 a second are 1 % of a core
_ATTEMPTS = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
_ANSWER_SECONDS = 2  # of a broker, before it counts as away
_LONGEST_RUN = 12 * 60 * 60  # seconds; SQS's most. After it a broker shows a run to others again


@dataclass(frozen=True)
class Broker:
    """URLs and options of a broker and of its result backend."""

    url: str
    results: str
    options: dict[str, Any]
    folders: tuple[Path, ...] = ()  # that must exist

    @classmethod
    def of(cls, config: Settings) -> "Broker":
        """The broker that the settings name."""
        results = config.worker_results.get_secret_value() if config.worker_results else None
        if config.workers == "embedded":
            return cls._embedded(config.state / "workers", results)
        if config.workers == "sqs":
            options = {
                "region": config.region,
                "visibility_timeout": _LONGEST_RUN,
                "queue_name_prefix": "runs-",
                "wait_time_seconds": 10,
                "polling_interval": 0.1,
                **_ATTEMPTS,
            }
            return cls(_sqs_url(config), str(results), options)
        options = {
            "visibility_timeout": _LONGEST_RUN,
            "socket_connect_timeout": _ANSWER_SECONDS,
            "socket_timeout": 30,
            **_ATTEMPTS,
        }
        if config.workers.startswith("amqp"):
            options = {"connect_timeout": _ANSWER_SECONDS, **_ATTEMPTS}
        return cls(config.workers, results or config.workers, options)

    @classmethod
    def _embedded(cls, home: Path, results: str | None) -> "Broker":
        queue, control, states = home / "queue", home / "control", home / "results"
        options = {
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            "control_folder": str(control),
            "polling_interval": _POLL_SECONDS,
        }
        return cls(
            "filesystem://", results or f"file://{states}", options, (queue, control, states)
        )

    @property
    def name(self) -> str:
        """For people: without the password."""
        parts = urlsplit(self.url)
        if parts.scheme == "filesystem":
            return f"the folder {self.folders[0]}"
        where = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        return f"{parts.scheme}://{where}"


def _sqs_url(config: Settings) -> str:
    """Of the account that boto3 finds; the embedded AWS has LocalStack's credentials."""
    if config.aws_endpoint is None:
        return "sqs://"
    endpoint = urlsplit(config.aws_endpoint)
    return f"sqs://test:test@{endpoint.hostname}:{endpoint.port}"


def celery_app(broker: Broker) -> Celery:
    """The application that sends runs, and that a worker serves."""
    for folder in broker.folders:
        folder.mkdir(parents=True, exist_ok=True)
    app = Celery("ingest_pipeline", broker=broker.url, backend=broker.results, set_as_current=False)
    app.conf.update(
        task_queues=[_queue(lane.queue) for lane in Lane],
        task_default_queue=Lane.BACKFILL.queue,
        task_acks_late=True,  # a worker takes no more than it works on: others find the rest
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options=broker.options,
        broker_connection_timeout=_ANSWER_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker as long as it takes
        result_expires=24 * 60 * 60,
        result_backend_transport_options={"retry_policy": {"timeout": _ANSWER_SECONDS}},
        redis_socket_connect_timeout=_ANSWER_SECONDS,
        event_serializer="json",
        task_send_sent_event=False,
        worker_send_task_events=False,
    )
    return app


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), name)  # type: ignore[no-untyped-call] # kombu has no types

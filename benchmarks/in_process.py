"""The pipeline in one warm process: the sensor's tick and its runs, without starting any."""

import logging
import time
from dataclasses import dataclass

import dagster as dg

from benchmarks.harness import upload
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.pipeline.queue.leases import leased
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System

_WARM_UP = 5  # objects


@dataclass(frozen=True)
class Pipeline:
    """Ticks and runs against an instance that keeps its events, as a real one does."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def tick(self) -> list[dg.RunRequest]:
        """What the ingest sensor asks for now."""
        repository = self.definitions.get_repository_def()
        sensor = repository.get_sensor_def("ingest_objects_sensor")
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            resources=dict(self.definitions.resources or {}),
        ) as context:
            return list(sensor.evaluate_tick(context).run_requests or [])

    def run(self, request: dg.RunRequest) -> None:
        """Execute a requested run here."""
        self.definitions.resolve_job_def("ingest_objects").execute_in_process(
            run_config=request.run_config,
            partition_key=request.partition_key,
            tags=dict(request.tags),
            instance=self.instance,
        )

    def drain(self) -> None:
        """Tick and run until no message is left."""
        while requests := self.tick():
            for request in requests:
                self.run(request)


def warm_pipeline() -> tuple[System, Pipeline]:
    """A pipeline that has taken in a few objects already."""
    logging.disable(logging.DEBUG)  # a run's own log goes to a file; here only storage counts
    system = System(settings())
    pipeline = Pipeline(dg.DagsterInstance.get(), defs())
    upload(system, "warm-up", _WARM_UP, 1_000)
    pipeline.drain()
    return system, pipeline


def drain(count: int, size: int) -> float:
    """Seconds to take in `count` objects of `size` bytes that wait in the queue."""
    system, pipeline = warm_pipeline()
    upload(system, "new", count, size)
    begun = time.monotonic()
    pipeline.drain()
    return time.monotonic() - begun


def drain_plainly(count: int, size: int) -> float:
    """Seconds that the same takes without Dagster: the steps of its runs alone."""
    system = System(settings())
    upload(system, "warm-up", _WARM_UP, 1_000)
    ingest_waiting(system)
    upload(system, "new", count, size)
    begun = time.monotonic()
    ingest_waiting(system)
    return time.monotonic() - begun


def ingest_waiting(system: System) -> None:
    """Take batches off the queue and bring their objects to their outcomes, until none is left."""
    wired, source = resources(system.config), system.queues.ingest
    while batches := wired.ingest_consumer.consumer.poll(system.config.max_queued_runs):
        for batch in batches:
            with leased(source.queue, system.tables, batch.id, source.visibility_seconds) as leases:
                leases.acknowledge(wired.ingest(batch.objects))

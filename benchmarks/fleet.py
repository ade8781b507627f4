"""A flood at a distance from AWS, and what a second worker does to it.

A proxy adds to each request what it takes in a region: 20 ms to S3's, 10 ms to SQS's, 5 ms to
DynamoDB's. It and the embedded AWS have the same two cores as the workers, so what is measured is
how well waiting is shared, not how many cores a fleet has. The plain loop's rate is that of fewer
objects: each takes it as long as the last.

The workers that are compared have one process each, and nothing but fresh objects to do.
"""

from benchmarks.flood import flood_of, stop_sensor
from benchmarks.harness import (
    SMALL,
    Distant,
    Figure,
    Sizes,
    another_worker,
    distant_aws,
    distant_system,
    in_child,
    running_api,
)
from ingest_pipeline.system import System

_TIMES = 8.0
_SECOND_WORKER = 1.8


def measure(sizes: Sizes) -> list[Figure]:
    with distant_aws() as far, running_api(far.config):
        seconds = float(in_child(far.config, "old_worker:drain", sizes.near, SMALL))
        old = sizes.near / seconds
    with distant_system() as far:
        ours = _rate(far, sizes.distant, "whole")
    with distant_system(worker_processes=1, max_concurrent_runs=2) as far:
        stop_sensor(far.config, "enrich_objects_sensor")
        one = _rate(far, sizes.distant, "one")
        with another_worker(far.config):
            two = _rate(far, sizes.distant, "two")
    name = f"{sizes.distant:,} WAVs of 29 KB at a distance"
    return [
        Figure(
            f"{name}: sensor on to queue empty, times as fast",
            f"{ours:.0f} objects/s",
            f"{old:.0f} objects/s",
            ours / old,
            f"at least {_TIMES:g}",
            ours / old >= _TIMES,
        ),
        Figure(
            f"{name}: two workers against one, times as fast",
            f"{two:.0f} objects/s",
            f"{one:.0f} objects/s",
            two / one,
            f"at least {_SECOND_WORKER:g}",
            two / one >= _SECOND_WORKER,
        ),
    ]


def _rate(far: Distant, count: int, name: str) -> float:
    return count / flood_of(far.config, System(far.near), count, SMALL, name).seconds

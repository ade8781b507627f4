"""A run per batch, against the same system with a run per object.

Both through a running system. The baseline's rate is taken from a few runs, from the first
object done to the last, so its wait for the first tick is not held against it; ours is the whole
way from the sensor's start to the queue empty.
"""

from benchmarks.flood import flood
from benchmarks.harness import SMALL, Figure, Sizes

_GOAL = 50.0


def measure(sizes: Sizes) -> list[Figure]:
    single = flood(sizes.runs, SMALL, max_objects_per_run=1, max_queued_runs=sizes.runs).steady_rate
    return [_figure(sizes.small, batch, single) for batch in sorted({200, sizes.batches[0]})]


def _figure(count: int, batch: int, single: float) -> Figure:
    batched = count / flood(count, SMALL, max_objects_per_run=batch).seconds
    ratio = batched / single
    return Figure(
        f"{count} WAVs in runs of up to {batch}, against a run per object: times as fast",
        f"{batched:.1f} objects/s",
        f"{single:.2f} objects/s",
        ratio,
        f"at least {_GOAL:g}",
        ratio >= _GOAL,
    )

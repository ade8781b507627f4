"""A run per batch, against the same system with a run per object.

Both through a running system. The baseline's rate is taken from a few runs, from the first
object done to the last, so its wait for the first tick is not held against it; ours is the whole
way from the sensor's start to the queue empty. The baseline is measured before and after ours
and its better rate counts, or a machine that is busy at one time only would flatter ours.
"""

from benchmarks.flood import flood
from benchmarks.harness import SMALL, Figure, Sizes

_GOAL = 50.0


def measure(sizes: Sizes) -> list[Figure]:
    before = _single_rate(sizes.runs)
    batches = sorted({200, sizes.batches[0]})
    seconds = [flood(sizes.small, SMALL, max_objects_per_run=size).seconds for size in batches]
    single = max(before, _single_rate(sizes.runs))
    return [
        _figure(sizes.small, batch, sizes.small / taken, single)
        for batch, taken in zip(batches, seconds, strict=True)
    ]


def _single_rate(runs: int) -> float:
    return flood(runs, SMALL, max_objects_per_run=1, max_queued_runs=runs).steady_rate


def _figure(count: int, batch: int, batched: float, single: float) -> Figure:
    ratio = batched / single
    return Figure(
        f"{count} WAVs in runs of up to {batch}, against a run per object: times as fast",
        f"{batched:.1f} objects/s",
        f"{single:.2f} objects/s",
        ratio,
        f"at least {_GOAL:g}",
        ratio >= _GOAL,
    )

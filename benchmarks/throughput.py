"""Objects a second, against the plain worker loop (one message, one whole download at a time).

"Work" is the steps of a run in a warm process, from the first receive to the last
acknowledgement. "Through Dagster" is the same with its ticks, events and steps, a fixed cost of
about half a second a batch. "Sensor on to queue empty" is a running system with its warm
workers: from the moment its sensor is turned on, all messages waiting; ticks and queues included.
The figures but the last are medians of several takes in turn, each on a fresh embedded AWS.
"""

from collections.abc import Sequence
from statistics import median

from benchmarks.flood import flood
from benchmarks.harness import LARGE, SMALL, Figure, Sizes, embedded_aws, in_child, running_api

_GOALS = {SMALL: 3.0, LARGE: 5.0}
_WHOLE = 2.0
_OF_MANY = 2.5
_NAMES = {SMALL: "29 KB", LARGE: "17 MB"}


def measure(sizes: Sizes) -> list[Figure]:
    small = _of_size(sizes.small, SMALL, sizes.repeats)
    return [*small, _of_many(sizes.flood, small), *_of_size(sizes.large, LARGE, sizes.repeats)]


def _of_size(count: int, size: int, repeats: int) -> list[Figure]:
    takes = [
        (
            _old_seconds(count, size),
            _our_seconds("in_process:drain_plainly", count, size),
            _our_seconds("in_process:drain", count, size),
        )
        for _ in range(repeats)
    ]
    old, work, dagster = (count / median(column) for column in zip(*takes, strict=True))
    whole = count / flood(count, size).seconds
    name = f"{count} WAVs of {_NAMES[size]}"
    goal = _GOALS[size]
    return [
        Figure(
            f"{name}: the work, times as fast",
            f"{work:.1f} objects/s",
            f"{old:.1f} objects/s",
            work / old,
            f"at least {goal:g}",
            work / old >= goal,
        ),
        Figure(
            f"{name}: through Dagster, times as fast",
            f"{dagster:.1f} objects/s",
            f"{old:.1f} objects/s",
            dagster / old,
        ),
        Figure(
            f"{name}: sensor on to queue empty, times as fast",
            f"{whole:.1f} objects/s",
            f"{old:.1f} objects/s",
            whole / old,
            f"at least {_WHOLE:g}",
            whole / old >= _WHOLE,
        ),
    ]


def _of_many(count: int, smaller: Sequence[Figure]) -> Figure:
    """A long flood, against the plain loop's rate in the shorter one, which is the same."""
    old = float(smaller[-1].baseline.split()[0])
    rate = count / flood(count, SMALL).seconds
    return Figure(
        f"{count:,} WAVs of 29 KB: sensor on to queue empty, times as fast",
        f"{rate:.1f} objects/s",
        f"{old:.1f} objects/s",
        rate / old,
        f"at least {_OF_MANY:g}",
        rate / old >= _OF_MANY,
    )


def _old_seconds(count: int, size: int) -> float:
    with embedded_aws() as config, running_api(config):
        return float(in_child(config, "old_worker:drain", count, size))


def _our_seconds(drain: str, count: int, size: int) -> float:
    with embedded_aws(wait_seconds=0) as config:  # the last tick finds nothing, and need not wait
        return float(in_child(config, drain, count, size))

"""AWS calls for each valid object of a batch, intake included, against the plain worker loop.

Counted as boto3 sends them, repeated ones too. The worker saves over HTTP: the call that the API
makes for it, one conditional put, is added.
"""

from collections.abc import Mapping

from benchmarks.harness import (
    SMALL,
    CallCounter,
    Figure,
    Sizes,
    counted_calls,
    embedded_aws,
    in_child,
    running_api,
    upload,
)
from benchmarks.in_process import warm_pipeline
from benchmarks.old_worker import warm_worker

_GOAL = 2.3
_API_CALLS = 1  # for each save
_OLD_OBJECTS = 20  # its calls for each object are the same for any number


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config, running_api(config):
        old = _sum(in_child(config, "calls:of_old_worker", _OLD_OBJECTS)) / _OLD_OBJECTS
    return [_figure(batch, old + _API_CALLS) for batch in sizes.batches]


def _figure(batch: int, old: float) -> Figure:
    with embedded_aws(max_objects_per_run=batch, wait_seconds=0) as config:
        calls = in_child(config, "calls:of_pipeline", batch)
    ours = _sum(calls) / batch
    return Figure(
        f"{batch} WAVs of 29 KB in a batch: AWS calls per object, times fewer",
        f"{ours:.2f}",
        f"{old:.2f}",
        old / ours,
        f"at most {_GOAL} calls",
        ours <= _GOAL,
        note=_listed(calls),
    )


def _sum(calls: Mapping[str, int]) -> int:
    return sum(calls.values())


def _listed(calls: Mapping[str, int]) -> str:
    ordered = sorted(calls.items(), key=lambda item: -item[1])
    return ", ".join(f"{number} {name}" for name, number in ordered)


def of_pipeline(count: int) -> dict[str, int]:
    """Calls by service and operation, from the first receive to the tick that finds nothing."""
    with counted_calls() as counter:
        system, pipeline = warm_pipeline()
        upload(system, "new", count, SMALL)
        _start(counter)
        pipeline.drain()
    return dict(counter.calls)


def of_old_worker(count: int) -> dict[str, int]:
    """Calls by service and operation, the API's not among them."""
    with counted_calls() as counter:
        system, worker = warm_worker()
        upload(system, "old", count, SMALL)
        _start(counter)
        while worker.take_one():
            pass
    return dict(counter.calls)


def _start(counter: CallCounter) -> None:
    """Forget the warm-up and the uploads."""
    counter.calls.clear()

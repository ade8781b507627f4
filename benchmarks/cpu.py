"""CPU seconds: Dagster's own part of a batch run in a warm process, against the work's.

The whole is a tick and its run in a process that has done such a run before, as a worker's has. The
work is the same steps called without Dagster in such a process, receiving included. Whatever the
run costs beyond is counted as Dagster's: ticks, events, the plan. The embedded AWS is a process of
its own and counts in neither.
"""

from statistics import median

from benchmarks.harness import SMALL, Figure, Sizes, cpu_seconds, embedded_aws, in_child, upload
from benchmarks.in_process import ingest_waiting, warm_pipeline
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System


def measure(sizes: Sizes) -> list[Figure]:
    batch = sizes.batches[0]
    with embedded_aws(max_objects_per_run=batch, max_queued_runs=1, wait_seconds=0) as config:
        whole = float(in_child(config, "cpu:through_dagster", batch, sizes.repeats))
        one = float(in_child(config, "cpu:through_dagster", 1, sizes.repeats))
        work = float(in_child(config, "cpu:work", batch, sizes.repeats))
    own = whole - work
    return [
        Figure(
            f"a run of {batch} WAVs of 29 KB: Dagster's own CPU, times the work's",
            f"{own:.2f} s",
            f"{work:.2f} s",
            own / work,
            "at most 1",
            own <= work,
        ),
        Figure(
            f"CPU per object in a run of {batch}, times less than in a run of one",
            f"{whole / batch * 1000:.1f} ms",
            f"{one * 1000:.0f} ms",
            one / (whole / batch),
        ),
    ]


def through_dagster(count: int, repeats: int) -> float:
    """The median of the CPU seconds of a tick and its run; the first time warms up."""
    system, pipeline = warm_pipeline()
    seconds = []
    for number in range(repeats + 1):
        upload(system, f"run-{count}-{number}", count, SMALL)
        before = cpu_seconds()
        pipeline.drain()
        seconds.append(cpu_seconds() - before)
    return median(seconds[1:])


def work(count: int, repeats: int) -> float:
    """The median of the CPU seconds of the steps without Dagster; the first time warms up."""
    system = System(settings())
    seconds = []
    for number in range(repeats + 1):
        upload(system, f"work-{number}", count, SMALL)
        before = cpu_seconds()
        ingest_waiting(system)
        seconds.append(cpu_seconds() - before)
    return median(seconds[1:])

"""CPU seconds: Dagster's own part of a batch run, its start included, against the work's.

The whole run is a process, as `dagster job execute` starts it; its user and system seconds and
its children's are counted. The work is the same steps called without Dagster in a warm process,
receiving included. Whatever the run costs beyond is counted as Dagster's: starting Python, loading
the code, connecting, events. The embedded AWS is a process of its own and counts in neither.
"""

import json
import os
import subprocess
import sys
from statistics import median

import dagster as dg

from benchmarks.harness import (
    SMALL,
    Figure,
    Sizes,
    cpu_seconds,
    embedded_aws,
    environment,
    in_child,
    remaining,
    upload,
)
from benchmarks.in_process import Pipeline, ingest_waiting
from ingest_pipeline.definitions import defs
from ingest_pipeline.settings import PROJECT_ROOT, Settings, settings
from ingest_pipeline.system import System


def measure(sizes: Sizes) -> list[Figure]:
    batch = sizes.batches[0]
    with embedded_aws(max_objects_per_run=batch) as config:
        whole = _whole_run(config, batch, sizes.repeats)
        one = _whole_run(config, 1, sizes.repeats)
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


def _whole_run(config: Settings, count: int, repeats: int) -> float:
    """The median of the CPU seconds of whole runs."""
    names = [f"run-{count}-{number}" for number in range(repeats)]
    return median(_run_process(config, name, count) for name in names)


def _run_process(config: Settings, name: str, count: int) -> float:
    """CPU seconds of a process that executes one run, and of its children."""
    request = in_child(config, "cpu:request_run", name, count)
    run_config = config.state / f"{name}.json"
    run_config.write_text(json.dumps(request["config"]))
    log = config.state / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster", "job", "execute"),
                *("-m", "ingest_pipeline.definitions", "-j", "ingest_objects"),
                *("-c", str(run_config), "--tags", json.dumps(request["tags"])),
            ],
            cwd=PROJECT_ROOT,
            env=environment(config),
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    left = remaining(System(config))
    if process.returncode or left:
        raise RuntimeError(f"the run left {left} messages:\n{log.read_text()[-5000:]}")
    return usage.ru_utime + usage.ru_stime


def request_run(name: str, count: int) -> dict[str, object]:
    """Upload objects, and let the sensor ask for their run."""
    upload(System(settings()), name, count, SMALL)
    [request] = Pipeline(dg.DagsterInstance.get(), defs()).tick()
    tags = {**request.tags, "dagster/partition": request.partition_key}
    return {"config": request.run_config, "tags": tags}


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

"""Kill each part in the middle of 200 objects: every object ends with exactly one outcome."""

from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests.audit import Put, given_up, wait_until_well
from ingest_pipeline_tests.media.riff import data, fmt, riff
from ingest_pipeline_tests.system import RunningSystem, settled_outcomes, wait_for
from ingest_pipeline_tests.world import some_ref

OBJECTS = 200
VALID = riff(fmt(), data())
INVALID = riff(fmt(rate=44100, bits=16), data(frame_bytes=4))


def is_valid(number: int) -> bool:
    return number % 4 != 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("daemon", ("ingest_pipeline.workers.daemon",)),
        ("worker", ("ingest_pipeline.cli.main", "worker")),
        ("code-server", ("dagster api grpc",)),
        ("embedded-aws", ("ingest_pipeline.cli.main aws",)),
    ],
)
def test_kill_in_the_middle_of_200_objects(
    running: RunningSystem, part: str, words: tuple[str, ...]
) -> None:
    before = given_up(running.system)
    keys = [f"kill-{part}/{number:03}.wav" for number in range(OBJECTS)]

    def put(number: int) -> str:
        return running.put(keys[number], VALID if is_valid(number) else INVALID)

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(put, range(OBJECTS)))
    _kill(running, words)

    for key, version in zip(keys, versions, strict=True):
        running.outcome(key, version, seconds=420)
    wait_for(running.queue_is_empty, 120, "the queue")
    outcomes = [Outcome.INDEXED if is_valid(n) else Outcome.REJECTED for n in range(OBJECTS)]
    for key, outcome in zip(keys, outcomes, strict=True):
        assert settled_outcomes(running.reports(key)) == [outcome], key
        assert running.stands(key) == (outcome is Outcome.INDEXED), key
    puts = [
        Put(some_ref("ingest", key, version=version), outcome)
        for key, version, outcome in zip(keys, versions, outcomes, strict=True)
    ]
    wait_until_well(
        running.system,
        puts,
        below=f"kill-{part}/",
        given_up_before=before,
        runs_were_killed=True,
        seconds=300,
    )


def _kill(running: RunningSystem, words: tuple[str, ...]) -> None:
    """Kill a part while a run is at work."""
    wait_for(lambda: _a_run_works(running), 60, "a run")
    victims = running.processes(*words)
    assert victims, f"no process of {words}"
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=10)


def _a_run_works(running: RunningSystem) -> bool:
    return bool(running.runs("STARTED"))

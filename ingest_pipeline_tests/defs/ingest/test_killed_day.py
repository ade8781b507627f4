"""A run of a whole day that is killed, and the one that comes after it."""

import os
import subprocess
import sys
import time
from collections import Counter

import dagster as dg

from ingest_pipeline.records.model import Outcome, Report
from ingest_pipeline.records.tables import BY_DAY, REPORTS
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.ingest.test_assets import on_day
from ingest_pipeline_tests.defs.runs import metadata, run
from ingest_pipeline_tests.world import World

DAY = "2017-05-01"
OBJECTS = 150
TOGETHER = 5
KILLED_AFTER = 40  # objects
RUN = f"""
import dagster as dg
from ingest_pipeline.defs.ingest import assets
from ingest_pipeline_tests.defs.runs import run
assets.TOGETHER = {TOGETHER}
with dg.DagsterInstance.local_temp() as instance:
    run(instance, "{DAY}")
"""


def reports(world: World) -> list[Report]:
    return [row for row in world.tables.query(REPORTS, BY_DAY, DAY) if row.bucket == world.bucket]


def killed_in_the_middle(world: World) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=PROJECT_ROOT, env=os.environ | world.environment
    )
    deadline = time.monotonic() + 60
    while sum(1 for row in reports(world) if row.run_id) < KILLED_AFTER:
        assert child.poll() is None
        assert time.monotonic() < deadline
    child.kill()
    assert child.wait() == -9


def test_what_a_killed_run_has_done_is_not_done_again_and_the_rest_is(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = [on_day(our_world.put(f"{n:03}.wav", wavs.valid()), DAY) for n in range(OBJECTS)]
    our_world.ingest(refs)
    killed_in_the_middle(our_world)
    before = {row.key: row for row in reports(our_world)}
    done = {key for key, row in before.items() if row.run_id and row.outcome is Outcome.INDEXED}
    assert KILLED_AFTER - TOGETHER <= len(done) < OBJECTS

    again = run(instance, DAY)
    assert again.success
    after = {row.key: row for row in reports(our_world)}
    assert Counter(row.outcome for row in after.values()) == {Outcome.INDEXED: OBJECTS}
    assert {key for key, row in after.items() if row == before[key]} == done
    assert {after[key].run_id for key in after.keys() - done} == {again.run_id}
    told = metadata(again, "ingest_receipts")
    assert (told["objects"], told["done before"]) == (OBJECTS - len(done), len(done))
    assert told["S3 calls"] == OBJECTS - len(done)

    anew = run(instance, DAY)
    assert metadata(anew, "ingest_receipts")["objects"] == OBJECTS, "the day was finished"

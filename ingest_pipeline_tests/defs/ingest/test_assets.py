from datetime import date, timedelta

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
)
from ingest_pipeline.settings import settings
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import metadata, passed_checks, run
from ingest_pipeline_tests.world import World, bodies, some_ref

FIRST_STEPS = ("probe_report", "valid_asset_index", "rejected_objects")


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)


def put_some(world: World) -> dict[Outcome, ObjectRef]:
    """An object for each outcome that a run comes to by itself."""
    gone = world.put("gone.wav", wavs.valid())
    world.remove("gone.wav")
    return {
        Outcome.INDEXED: world.put("new\nline.wav", wavs.valid()),
        Outcome.REJECTED: world.put("wrong.wav", wavs.wrong_rate()),
        Outcome.KEPT: world.put("photo.heic", wavs.HEIC),
        Outcome.DELETED: gone,
    }


def batch_of(world: World, *refs: ObjectRef) -> Batch:
    world.send(*refs)
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=1)
    assert len(batch.receipts) == len(refs)
    return batch


def outcomes(world: World, refs: dict[Outcome, ObjectRef]) -> dict[Outcome, Outcome]:
    return {expected: world.report(ref).outcome for expected, ref in refs.items()}


def test_a_run_brings_each_object_of_its_batch_to_its_outcome_and_answers_its_message(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    batch = batch_of(our_world, *refs.values())
    result = run(instance, batch.group, batch.objects, tags={BATCH_TAG: batch.id})
    assert result.success
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}
    assert our_world.is_indexed("new\nline.wav")
    assert our_world.content("wrong.wav") is None
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)
    assert passed_checks(result) == {
        "every_object_has_an_outcome": True,
        "no_valid_object_was_deleted": True,
    }
    assert metadata(result, "ingest_receipts")["messages"] == 4
    assert metadata(result, "ingest_receipts")["outcomes"] == dict.fromkeys(refs, 1)
    assert {our_world.report(ref).run_id for ref in refs.values()} == {result.run_id}


def test_a_run_without_objects_takes_in_what_arrived_on_its_day(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    del refs[Outcome.DELETED]  # a listing shows only what stands
    day = refs[Outcome.INDEXED].day
    assert run(instance, "2015-01-01").success
    assert list(our_world.tables.query(ASSETS, ASSETS_BY_BUCKET, our_world.bucket)) == []
    assert run(instance, day).success
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}


def test_a_run_for_three_days_takes_in_all_of_them(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    del refs[Outcome.DELETED]
    last = refs[Outcome.INDEXED].day
    first = str(date.fromisoformat(last) - timedelta(days=2))
    result = run(instance, (first, last))
    assert result.success
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}
    partitions = {
        event.partition for event in result.asset_materializations_for_node("probe_report")
    }
    assert first in partitions
    assert len(partitions) == 3


def test_a_run_repeated_changes_nothing_that_was_right(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    for _ in range(3):
        assert run(instance, refs[Outcome.INDEXED].day, list(refs.values())).success
        assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}
        assert our_world.is_indexed("new\nline.wav")
        assert our_world.content("photo.heic") == wavs.HEIC
        assert [str(r) for r in our_world.report(refs[Outcome.REJECTED]).reasons] == [
            "sample_rate 44100, wanted 48000"
        ]


def test_an_empty_day_is_a_run_that_succeeds(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    result = run(instance, "2015-01-01")
    assert result.success
    assert metadata(result, "ingest_receipts")["objects"] == 0
    assert our_world.asset("a.wav") is None


def test_an_object_without_an_outcome_fails_the_run_and_not_its_neighbours(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = our_world.put("good.wav", wavs.valid())
    # Its rejection fails: there is no bucket to quarantine it in.
    monkeypatch.setenv("INGEST_QUARANTINE_BUCKET", "no-such-bucket")
    settings.cache_clear()
    bad = our_world.put("quarantine/bad.wav", wavs.wrong_rate())
    batch = batch_of(our_world, good, bad)
    result = run(instance, batch.group, batch.objects, tags={BATCH_TAG: batch.id})
    assert not result.success
    assert passed_checks(result) == {
        "every_object_has_an_outcome": False,
        "no_valid_object_was_deleted": True,
    }
    assert our_world.report(good).outcome is Outcome.INDEXED
    assert our_world.report(bad).outcome is Outcome.FAILED
    assert our_world.content("quarantine/bad.wav") == wavs.wrong_rate()
    assert bodies(our_world.system.queues.ingest.queue) == [ingest_body(bad)]


def test_a_run_that_died_before_its_last_step_is_completed_from_there(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    batch = batch_of(our_world, *refs.values())
    tags = {BATCH_TAG: batch.id}
    assert run(instance, batch.group, batch.objects, assets=FIRST_STEPS, tags=tags).success
    assert our_world.report(refs[Outcome.INDEXED]).outcome is Outcome.PENDING
    assert our_world.system.queues.ingest.queue.depth().in_flight == len(refs)
    run(instance, batch.group, assets=["ingest_receipts"], tags=tags)
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)


def test_an_object_of_no_source_is_answered_and_left_alone(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    ref = some_ref("foreign-bucket", f"{our_world.bucket}.wav", version="v1")
    batch = batch_of(our_world, ref)
    assert run(instance, batch.group, batch.objects, tags={BATCH_TAG: batch.id}).success
    assert our_world.report(ref).outcome is Outcome.KEPT
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)

from datetime import UTC, datetime, timedelta

import pytest

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, delete_order_body
from ingest_pipeline.pipeline.ingest.delete import REQUESTED
from ingest_pipeline.pipeline.result import Done, values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, some_ref


def ordered(world: World, key: str, version: str | None = None) -> ObjectRef:
    """What an order that is given now names."""
    return some_ref(world.bucket, key, version=version, arrived=datetime.now(UTC))


def carry_out(world: World, *orders: ObjectRef) -> list[Report]:
    """What a run does with orders."""
    results = world.wired.deleter.deleter("run 1").delete(orders)
    assert [result.ref for result in results] == list(orders)
    assert all(isinstance(result, Done) for result in results)
    return values(results)


@pytest.mark.parametrize("key", ["a.wav", "dir/nested.wav", "new\nline.wav", "my file+1.wav"])
def test_an_order_takes_the_object_out_of_bucket_and_index(world: World, key: str) -> None:
    ref = world.put(key, wavs.valid())
    (indexed,) = world.ingest([ref])
    (deleted,) = carry_out(world, ordered(world, key))
    assert world.content(key) is None
    assert not world.is_indexed(key)
    assert world.report(ref) == deleted
    assert (deleted.outcome, deleted.reasons, deleted.run_id) == (
        Outcome.DELETED,
        (REQUESTED,),
        "run 1",
    )
    assert (deleted.verdict, deleted.probe) == (Verdict.VALID, indexed.probe)
    assert deleted.deleted_at is not None


def test_an_order_carried_out_twice_is_harmless(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    order = ordered(world, "a.wav")
    carry_out(world, order)
    report, tombstone = world.report(ref), world.asset("a.wav")
    assert carry_out(world, order) == []
    assert (world.report(ref), world.asset("a.wav")) == (report, tombstone)


def test_an_order_for_what_never_was_is_harmless(world: World) -> None:
    assert carry_out(world, ordered(world, "never.wav")) == []
    assert world.asset("never.wav") is None


def test_an_object_that_is_not_indexed_yet_is_not_indexed_afterwards(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    late = values(world.wired.validator.validator().validate([ref]))
    (deleted,) = carry_out(world, ordered(world, "a.wav"))
    assert (deleted.verdict, deleted.outcome) == (Verdict.UNJUDGED, Outcome.DELETED)
    assert deleted.version == ref.version
    assert late[0].verdict is Verdict.VALID
    (again,) = world.ingest([ref])
    assert again.outcome is Outcome.DELETED
    assert not world.is_indexed("a.wav")


def test_an_order_that_died_half_way_is_completed(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    order = ordered(world, "a.wav")
    world.wired.deleter.deleter()._delete_object(order)  # and here the run dies
    assert world.is_indexed("a.wav")
    assert carry_out(world, order) == []
    assert not world.is_indexed("a.wav")
    assert (world.report(ref).outcome, world.report(ref).reasons) == (Outcome.DELETED, (REQUESTED,))


def test_a_row_without_an_object_goes_too(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    world.remove("a.wav")
    assert carry_out(world, ordered(world, "a.wav")) == []
    assert not world.is_indexed("a.wav")
    assert world.report(ref).outcome is Outcome.DELETED


def test_an_upload_after_the_order_is_not_meant_by_it(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    earlier = ordered(world, "a.wav").model_copy(
        update={"arrived": ref.arrived - timedelta(seconds=1)}
    )
    assert carry_out(world, earlier) == []
    assert world.content("a.wav") == wavs.valid()
    assert world.is_indexed("a.wav")


def test_an_order_for_a_version_means_no_other(world: World) -> None:
    older = world.put("a.wav", wavs.valid())
    newer = world.put("a.wav", wavs.valid(960))
    world.ingest([newer])
    assert carry_out(world, ordered(world, "a.wav", older.version)) == []
    assert world.is_indexed("a.wav")
    (deleted,) = carry_out(world, ordered(world, "a.wav", newer.version))
    assert deleted.version == newer.version
    assert not world.is_indexed("a.wav")


def test_what_is_indexed_after_a_look_is_not_taken_out_by_it(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    world.remove("a.wav")
    order = ordered(world, "a.wav")
    asked_at = datetime.now(UTC)
    deleted = world.wired.deleter.deleter()._delete_object(order)
    again = world.put("a.wav", wavs.valid(960))
    world.ingest([again])
    world.wired.deleter.deleter()._take_out_of_index(order, asked_at)
    assert deleted is None
    assert world.is_indexed("a.wav")
    assert world.report(again).outcome is Outcome.INDEXED


def test_many_orders_at_once(world: World) -> None:
    refs = [world.put(f"{n}.wav", wavs.valid()) for n in range(30)]
    world.ingest(refs)
    orders = [ordered(world, ref.key) for ref in refs]
    assert len(carry_out(world, *orders)) == 30
    rows = world.tables.get_many(ASSETS, [{"bucket": r.bucket, "file": r.key} for r in refs])
    assert all(row.deleted_at for row in rows)


@pytest.mark.parametrize("version", [None, "v1"])
def test_an_order_on_the_queue_says_when_it_was_given_and_which_version_it_means(
    world: World, version: str | None
) -> None:
    attributes = {VERSION_ATTRIBUTE: version} if version else {}
    before = datetime.now(UTC) - timedelta(seconds=1)
    world.system.queues.delete.queue.send(
        delete_order_body(world.bucket, "a b+c.wav"), **attributes
    )
    (batch,) = world.wired.delete_consumer.consumer.poll(slots=1)
    (ref,) = batch.objects
    assert (ref.bucket, ref.key, ref.version) == (world.bucket, "a b+c.wav", version)
    assert before <= ref.arrived <= datetime.now(UTC) + timedelta(seconds=1)

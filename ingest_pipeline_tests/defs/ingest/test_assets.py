from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.objects.ranged import RangedObject
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.defs.ingest import assets as assets_module
from ingest_pipeline.pipeline.ingest.pipeline import Ingested, ingest
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
    REPORTS,
    report_key,
)
from ingest_pipeline.settings import settings
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import (
    executed,
    ingest_objects,
    materializations,
    metadata,
    objects_config,
    passed_checks,
    run,
)
from ingest_pipeline_tests.world import World, bodies, some_ref


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
        Outcome.KEPT: world.put("photo.jxl", wavs.JPEG_XL),
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


def test_a_run_that_asks_the_buckets_takes_in_what_arrived_on_its_day(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    del refs[Outcome.DELETED]  # a listing shows only what stands
    day = refs[Outcome.INDEXED].day
    assert run(instance, "2015-01-01").success
    assert list(our_world.tables.query(ASSETS, ASSETS_BY_BUCKET, our_world.bucket)) == []
    assert run(instance, day).success
    assert our_world.asset("new\nline.wav") is None, "no report tells of it"
    assert run(instance, day, list_buckets=True).success
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}


def test_a_run_for_three_days_takes_in_all_of_them(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    refs = put_some(our_world)
    del refs[Outcome.DELETED]
    last = refs[Outcome.INDEXED].day
    first = str(date.fromisoformat(last) - timedelta(days=2))
    result = run(instance, (first, last), list_buckets=True)
    assert result.success
    assert outcomes(our_world, refs) == {outcome: outcome for outcome in refs}
    partitions = {event.partition for event in materializations(result, "probe_report")}
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
        assert our_world.content("photo.jxl") == wavs.JPEG_XL
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


def test_a_run_that_died_is_executed_again_without_those_of_the_same_day(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = our_world.put("mine.wav", wavs.valid()), our_world.put("b.wav", wavs.valid())
    batch = batch_of(our_world, mine)
    tags = {BATCH_TAG: batch.id, "dagster/partition": batch.group}
    with monkeypatch.context() as dying:
        dying.setattr("ingest_pipeline.pipeline.ingest.pipeline.finalize", no_time_left)
        died = executed(ingest_objects, instance, objects_config([mine]), tags)
        with pytest.raises(InterruptedError):
            our_world.ingest([others])
    assert not died.success
    again = executed(ingest_objects, instance, objects_config([mine]), tags, died.run_id)
    assert again.success
    (event,) = again.asset_materializations_for_node("ingest_batch")[-1:]
    assert (event.metadata["objects"].value, event.metadata["messages"].value) == (1, 1)
    assert our_world.report(mine).outcome is Outcome.INDEXED
    assert our_world.report(others).outcome is Outcome.PENDING


def no_time_left(*_: object) -> None:
    raise InterruptedError("as if the process had been killed")


def test_some_are_committed_and_answered_before_the_next_begin(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets_module, "TOGETHER", 2)
    refs = [our_world.put(f"{number}.wav", wavs.valid()) for number in range(5)]
    batch = batch_of(our_world, *refs)
    begun: list[ObjectRef] = []

    def ingest_two_chunks(some: list[ObjectRef], **parts: Any) -> Ingested:
        if len(begun) == 4:
            no_time_left()
        assert [our_world.report(ref).outcome for ref in begun] == [Outcome.INDEXED] * len(begun)
        queue = our_world.system.queues.ingest.queue
        assert queue.depth().in_flight == 5 - len(begun)
        begun.extend(some)
        return ingest(some, **parts)

    monkeypatch.setattr(assets_module, "ingest", ingest_two_chunks)
    assert not run(instance, batch.group, batch.objects, tags={BATCH_TAG: batch.id}).success
    (left,) = [ref for ref in batch.objects if ref not in begun]
    assert our_world.tables.get(REPORTS, report_key(left.uri, left.row_version)) is None
    assert bodies(our_world.system.queues.ingest.queue) == [ingest_body(left)]


def test_a_run_of_a_whole_day_goes_by_its_reports_and_says_how_far_it_is(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets_module, "TOGETHER", 2)
    day = "2017-03-01"
    refs = [on_day(our_world.put(f"{n}.wav", wavs.valid()), day) for n in range(3)]
    bad = on_day(our_world.put("bad.wav", wavs.wrong_rate()), day)
    our_world.ingest([*refs, bad])
    result = run(instance, day)
    assert result.success
    judged_by = {ref.key: our_world.report(ref).run_id for ref in (*refs, bad)}
    assert judged_by == dict.fromkeys(("0.wav", "1.wav", "2.wav"), result.run_id) | {
        "bad.wav": None
    }
    told = metadata(result, "ingest_receipts")
    assert (told["objects"], told["done"], told["done before"]) == (3, "3 of 3 objects", 0)
    log = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert [line for line in log if " of 3 objects" in line] == ["2 of 3 objects", "3 of 3 objects"]
    assert "3 objects are left, 0 were done before" in log


def test_a_whole_day_of_which_something_failed_goes_on_with_that_alone(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = "2017-03-02"
    good = on_day(our_world.put("good.wav", wavs.valid()), day)
    bad = on_day(our_world.put("quarantine/bad.wav", wavs.valid()), day)
    our_world.ingest([good, bad])
    with monkeypatch.context() as failing:
        failing.setattr(RangedObject, "__init__", fails_for("quarantine/bad.wav"))
        failed = run(instance, day)
    assert not failed.success
    assert passed_checks(failed)["every_object_has_an_outcome"] is False
    again = run(instance, day)
    assert again.success
    assert our_world.report(good).run_id == failed.run_id
    assert our_world.report(bad).run_id == again.run_id
    told = metadata(again, "ingest_receipts")
    assert (told["done"], told["done before"]) == ("1 of 1 objects", 1)


def fails_for(key: str) -> Callable[..., None]:
    real = RangedObject.__init__

    def opened(self: RangedObject, s3: Any, ref: ObjectRef, **options: Any) -> None:
        if ref.key == key:
            raise OSError("the network is away")
        real(self, s3, ref, **options)

    return opened


def on_day(ref: ObjectRef, day: str) -> ObjectRef:
    """As if its event had told of it on another day."""
    return ref.model_copy(update={"arrived": datetime.fromisoformat(f"{day}T12:00:00+00:00")})


def test_an_object_of_no_source_is_answered_and_left_alone(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    ref = some_ref("foreign-bucket", f"{our_world.bucket}.wav", version="v1")
    batch = batch_of(our_world, ref)
    assert run(instance, batch.group, batch.objects, tags={BATCH_TAG: batch.id}).success
    assert our_world.report(ref).outcome is Outcome.KEPT
    assert our_world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)

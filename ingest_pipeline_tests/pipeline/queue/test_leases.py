import contextlib
import time
from collections.abc import Iterable

import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth, Queue
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.pipeline.ingest.finalize import finalize
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.pipeline.queue.leases import (
    Leases,
    leased,
    receipt_rows,
)
from ingest_pipeline.pipeline.result import Result
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Receipt,
    Report,
    Verdict,
    is_settled,
)
from ingest_pipeline.records.tables import (
    RECEIPTS,
    REPORTS,
)
from ingest_pipeline_tests.world import World, some_ref

NEXT_DAY = "2026-03-02T00:00:00Z"


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)


@pytest.fixture
def queue(world: World) -> Queue:
    return world.system.queues.ingest.queue


def ref(world: World, key: str, arrived: str = "2026-03-01T00:00:00Z") -> ObjectRef:
    return some_ref(world.bucket, key, version=f"version of {key}", arrived=arrived)


def message(*refs: ObjectRef) -> str:
    """One message that names several objects."""
    records = (ingest_body(each)[len('{"Records": [') : -len("]}")] for each in refs)
    return '{"Records": [' + ", ".join(records) + "]}"


def report(ref: ObjectRef, outcome: Outcome = Outcome.INDEXED) -> Report:
    return Report(
        bucket=ref.bucket,
        key=ref.key,
        version=ref.row_version,
        day=ref.day,
        probe=Probe(kind=Kind.AUDIO),
        verdict=Verdict.VALID,
        outcome=outcome,
        judged_at=ref.arrived,
    )


def batches(world: World, *messages: str) -> list[Batch]:
    world.system.queues.ingest.queue.send_all(messages)
    return world.wired.ingest_consumer.consumer.poll(slots=100)


def finals(reports: Iterable[Report]) -> list[Result[Report]]:
    """What the last word on these is."""
    return finalize(reports, [], [])


def keys(answered: list[Receipt]) -> set[str]:
    return {ref.key for receipt in answered for ref in receipt.objects}


def test_a_batch_of_1000_long_keys_takes_as_many_rows_as_it_needs(
    world: World, queue: Queue
) -> None:
    many = [
        Receipt(message_id=f"m{n}", handle="h" * 400, objects=(ref(world, f"{n:04}" + "k" * 1020),))
        for n in range(1000)
    ]
    rows = receipt_rows(world.bucket, many)
    assert len(rows) > 1
    world.tables.put(RECEIPTS, rows)
    assert Leases(queue, world.tables, world.bucket, 60)._rows == rows
    assert [receipt for row in rows for receipt in row.receipts] == many


def test_each_failure_makes_the_next_try_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 10)
    waits = [
        leases_module._retry_seconds(
            Receipt(message_id="m", handle="h", objects=(), receive_count=count)
        )
        for count in range(1, 6)
    ]
    assert waits == [10, 40, 160, 640, 900]


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_final_unless_it_is_pending_or_failed(outcome: Outcome) -> None:
    settled = is_settled(report(some_ref("ingest", "a"), outcome))
    assert settled == (outcome not in {Outcome.PENDING, Outcome.FAILED})


def test_answered_messages_are_gone_and_so_is_their_row(world: World, queue: Queue) -> None:
    refs = [ref(world, f"{n}.wav") for n in range(12)]
    (batch,) = batches(world, *map(message, refs))
    with world.leased(batch) as leases:
        assert keys(leases.acknowledge(finals(map(report, refs)))) == {each.key for each in refs}
    assert queue.depth() == Depth(waiting=0, in_flight=0)
    assert world.tables.get(RECEIPTS, {"batch": batch.id}) is None


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PENDING])
def test_a_failed_neighbour_keeps_its_own_message_only(
    world: World, queue: Queue, outcome: Outcome
) -> None:
    good, bad = ref(world, "good.wav"), ref(world, "bad.wav")
    (batch,) = batches(world, message(good), message(bad))
    with world.leased(batch) as leases:
        assert keys(leases.acknowledge(finals([report(good), report(bad, outcome)]))) == {
            "good.wav"
        }
    assert world.tables.get(RECEIPTS, {"batch": batch.id}) is not None
    (again,) = queue.receive(600)
    assert (again.body, again.receive_count) == (message(bad), 2)


def test_a_message_waits_for_all_of_its_objects(world: World, queue: Queue) -> None:
    good, bad = ref(world, "good.wav"), ref(world, "bad.wav")
    (batch,) = batches(world, message(good, bad))
    with world.leased(batch) as leases:
        assert leases.acknowledge(finals([report(good), report(bad, Outcome.FAILED)])) == []
        assert keys(leases.acknowledge(finals([report(good), report(bad)]))) == {
            "good.wav",
            "bad.wav",
        }
    assert queue.depth() == Depth(waiting=0, in_flight=0)


def test_a_message_waits_for_every_version_of_its_key(world: World) -> None:
    versions = [some_ref(world.bucket, "a.wav", version=version) for version in ("v1", "v2")]
    (batch,) = batches(world, message(*versions))
    with world.leased(batch) as leases:
        assert not leases.acknowledge(
            finals([report(versions[0]), report(versions[1], Outcome.FAILED)])
        )


@pytest.mark.parametrize("version", ["v1", None])
def test_the_last_day_of_a_message_answers_it(
    world: World, queue: Queue, version: str | None
) -> None:
    refs = [
        some_ref(world.bucket, "today.wav", version=version, etag="e1"),
        some_ref(world.bucket, "tomorrow.wav", version=version, etag="e2", arrived=NEXT_DAY),
    ]
    today, tomorrow = batches(world, message(*refs))
    with world.leased(today) as first, world.leased(tomorrow) as second:
        world.tables.put(REPORTS, [report(refs[0])])
        assert first.acknowledge(finals([report(refs[0])])) == []
        world.tables.put(REPORTS, [report(refs[1])])
        assert keys(second.acknowledge(finals([report(refs[1])]))) == {"today.wav", "tomorrow.wav"}
    assert queue.depth() == Depth(waiting=0, in_flight=0)


def test_a_failed_object_of_another_day_keeps_the_message(world: World, queue: Queue) -> None:
    refs = ref(world, "today.wav"), ref(world, "tomorrow.wav", NEXT_DAY)
    _today, tomorrow = batches(world, message(*refs))
    world.tables.put(REPORTS, [report(refs[0], Outcome.FAILED), report(refs[1])])
    with world.leased(tomorrow) as leases:
        assert leases.acknowledge(finals([report(refs[1])])) == []
    assert queue.depth().waiting == 1


def test_whatever_happens_unanswered_messages_come_again(world: World, queue: Queue) -> None:
    refs = [ref(world, f"{n}.wav") for n in range(12)]
    (batch,) = batches(world, *map(message, refs))
    with contextlib.suppress(ZeroDivisionError), world.leased(batch):
        assert queue.depth() == Depth(waiting=0, in_flight=12)
        raise ZeroDivisionError
    assert queue.depth() == Depth(waiting=12, in_flight=0)


def test_all_messages_are_answered_at_once(world: World, queue: Queue) -> None:
    refs = [ref(world, f"{n}.wav") for n in range(12)]
    (batch,) = batches(world, *map(message, refs))
    with world.leased(batch) as leases:
        everything = finals(map(report, refs))
        assert len(leases.acknowledge(everything)) == 12
        assert leases.acknowledge(everything) == []
    assert queue.depth() == Depth(waiting=0, in_flight=0)


def test_a_run_without_a_batch_holds_nothing(world: World, queue: Queue) -> None:
    queue.send("body")
    unknown = Batch("unknown", "2026-03-01", (), ())
    for batch in (None, unknown):
        with world.leased(batch) as leases:
            assert leases.acknowledge(finals([report(ref(world, "a.wav"))])) == []
    assert queue.depth().waiting == 1


def test_messages_stay_hidden_for_as_long_as_they_are_held(world: World, queue: Queue) -> None:
    visibility, longer = 3, 5
    refs = [ref(world, f"{n}.wav") for n in range(12)]
    (batch,) = batches(world, *map(message, refs))
    queue.hide([receipt.handle for receipt in batch.receipts], visibility)
    with leased(queue, world.tables, batch.id, visibility):
        deadline = time.monotonic() + longer
        while time.monotonic() < deadline:
            assert queue.depth() == Depth(waiting=0, in_flight=12)
            time.sleep(0.2)
    assert queue.depth().waiting == 12

from collections import Counter

import pytest

from ingest_pipeline.pipeline.queue.batching import (
    Batch,
    plan_batches,
)
from ingest_pipeline.records.model import (
    ObjectRef,
    Receipt,
)
from ingest_pipeline_tests.world import some_ref

FIRST, SECOND = "2026-03-01T23:59:59.999Z", "2026-03-02T00:00:00Z"


def ref(key: str, arrived: str = FIRST) -> ObjectRef:
    return some_ref("ingest", key, arrived=arrived)


def delivery(name: str, *refs: ObjectRef, count: int = 1) -> Receipt:
    return Receipt(
        message_id=name,
        handle=f"handle of {name}",
        objects=refs or (ref(name),),
        receive_count=count,
    )


def deliveries(number: int, count: int = 1) -> list[Receipt]:
    return [delivery(f"{each:04}", count=count) for each in range(number)]


def messages(batch: Batch) -> list[str]:
    return [receipt.message_id for receipt in batch.receipts]


def sizes(batches: list[Batch]) -> list[int]:
    return [len(batch.objects) for batch in batches]


def test_nothing_makes_no_batch() -> None:
    assert plan_batches([], 200) == []


def test_one_quiet_upload_is_a_batch_of_its_own() -> None:
    (batch,) = plan_batches([delivery("a")], 200)
    assert (batch.group, batch.objects, messages(batch)) == ("2026-03-01", (ref("a"),), ["a"])


def test_a_flood_becomes_batches_of_the_greatest_size() -> None:
    assert sizes(plan_batches(deliveries(450), 200)) == [200, 200, 50]


@pytest.mark.parametrize(("count", "size"), [(1, 200), (2, 25), (3, 3), (4, 1), (5, 1), (9, 1)])
def test_batches_shrink_with_each_delivery(count: int, size: int) -> None:
    batches = plan_batches(deliveries(200, count), 200)
    assert max(sizes(batches)) == size
    assert sum(sizes(batches)) == 200


@pytest.mark.parametrize(
    ("count", "growth", "size"),
    [(1, 8, 200), (2, 2, 50), (2, 64, 200), (3, 4, 12), (4, 64, 1), (5, 64, 1)],
)
def test_batches_grow_again_while_they_go_well_but_the_last_deliveries_stay_alone(
    count: int, growth: int, size: int
) -> None:
    batches = plan_batches(deliveries(200, count), 200, growth=growth)
    assert max(sizes(batches)) == size
    assert sum(sizes(batches)) == 200
    assert {batch.is_repeated for batch in batches} == {count > 1}


def test_messages_of_one_fate_ride_together() -> None:
    batches = plan_batches(
        [delivery("a"), delivery("b", count=2), delivery("c"), delivery("d", count=2)], 200
    )
    assert [messages(batch) for batch in batches] == [["a", "c"], ["b", "d"]]


def test_a_batch_is_of_one_day_in_utc() -> None:
    late = ref("late", "2026-03-01T23:30:00-02:00")
    batches = plan_batches(
        [delivery("a", ref("a")), delivery("b", ref("b", SECOND)), delivery("late", late)], 200
    )
    assert [(batch.group, messages(batch)) for batch in batches] == [
        ("2026-03-01", ["a"]),
        ("2026-03-02", ["b", "late"]),
    ]


def test_a_message_of_several_days_rides_in_a_batch_of_each() -> None:
    refs = ref("a"), ref("b", SECOND), ref("c")
    batches = plan_batches([delivery("m", *refs)], 200)
    assert [(batch.group, batch.objects, messages(batch)) for batch in batches] == [
        ("2026-03-01", (refs[0], refs[2]), ["m"]),
        ("2026-03-02", (refs[1],), ["m"]),
    ]


def test_an_object_that_is_named_twice_is_in_its_batch_once_with_both_messages() -> None:
    (batch,) = plan_batches([delivery("m", ref("a")), delivery("n", ref("a"), ref("b"))], 200)
    assert batch.objects == (ref("a"), ref("b"))
    assert messages(batch) == ["m", "n"]


def test_versions_of_one_key_are_objects_of_their_own() -> None:
    versions = [some_ref("ingest", "a", version=version) for version in ("v1", "v2")]
    (batch,) = plan_batches([delivery("m", versions[0]), delivery("n", versions[1])], 200)
    assert list(batch.objects) == versions


def test_every_message_is_in_a_batch_and_batches_have_names_of_their_own() -> None:
    planned = plan_batches(
        [*deliveries(333), *(delivery(f"again {n}", count=3) for n in range(10))], 7
    )
    assert set(Counter(name for batch in planned for name in messages(batch)).values()) == {1}
    assert sum(len(batch.receipts) for batch in planned) == 343
    assert len({batch.id for batch in planned}) == len(planned)


def test_a_batch_names_the_first_requests_that_asked_for_it_once_each() -> None:
    asked = [
        delivery(f"{n}").model_copy(update={"request": request})
        for n, request in enumerate([None, "r-1", "r-1", *(f"s-{m}" for m in range(9))])
    ]
    (batch,) = plan_batches(asked, 200)
    assert batch.requests == "r-1 s-0 s-1 s-2 s-3"
    (batch,) = plan_batches(deliveries(3), 200)
    assert batch.requests == ""

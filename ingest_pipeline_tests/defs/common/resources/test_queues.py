import dagster as dg
import pytest

from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG, LeasesResource
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline_tests.world import World, some_ref


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)


def run(world: World, tags: dict[str, str]) -> Depth:
    """A run with the messages of its batch; how the queue stood meanwhile."""
    seen: list[Depth] = []

    @dg.op
    def look(leases: LeasesResource) -> None:
        assert leases.leases.acknowledge([]) == []
        seen.append(world.system.queues.ingest.queue.depth())

    @dg.job(resource_defs={"leases": world.wired.ingest_leases})
    def job() -> None:
        look()

    assert job.execute_in_process(tags=tags).success
    return seen[0]


def test_the_messages_of_a_batch_are_hidden_while_its_run_works_and_shown_after(
    world: World,
) -> None:
    world.send(some_ref(world.bucket, "a.wav"), some_ref(world.bucket, "b.wav"))
    (batch,) = world.wired.ingest_consumer.consumer.poll(slots=1)
    assert run(world, {BATCH_TAG: batch.id}) == Depth(waiting=0, in_flight=2)
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=2, in_flight=0)


def test_a_run_by_hand_has_no_message_to_answer_for(world: World) -> None:
    world.send(some_ref(world.bucket, "a.wav"))
    assert run(world, {}) == Depth(waiting=1, in_flight=0)


def test_messages_are_leased_only_while_a_run_executes(world: World) -> None:
    with pytest.raises(RuntimeError, match="only while a run executes"):
        _ = world.wired.ingest_leases.leases


def test_a_consumer_polls_the_queue_and_groups_by_day(world: World) -> None:
    consumer = world.wired.ingest_consumer
    early = some_ref(world.bucket, "a.wav", arrived="2026-03-01T23:59:59Z")
    late = some_ref(world.bucket, "b.wav", arrived="2026-03-02T00:00:00Z")
    world.send(early, late)
    assert [consumer.group_of(ref) for ref in (early, late)] == ["2026-03-01", "2026-03-02"]
    assert {batch.group for batch in consumer.consumer.poll(2)} == {"2026-03-01", "2026-03-02"}


def test_every_queue_of_dead_letters_is_counted(world: World) -> None:
    world.system.queues.delete.dead_letters.send("dead")
    waiting = world.wired.dead_letters.waiting()
    assert len(waiting) == len(world.settings.queues)
    assert {name for name, number in waiting.items() if number} == {
        world.settings.queues.delete.dead_letters
    }

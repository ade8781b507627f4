"""The last step, in a job of one op and with the messages of a real queue."""

from collections.abc import Callable

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG, LeasesResource
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.pipeline.result import Done, Refused, RetryLater
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline_tests.world import World, bodies, some_ref


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)


@pytest.fixture
def refs(world: World) -> list[ObjectRef]:
    return [some_ref(world.bucket, f"{number}.wav", version="v1") for number in range(3)]


@pytest.fixture
def batch(world: World, refs: list[ObjectRef]) -> Batch:
    """A message for each object, received for one run."""
    world.send(*refs)
    (received,) = world.wired.ingest_consumer.consumer.poll(slots=1)
    return received


def run(
    world: World, batch: Batch, work: Callable[[LastStep], object]
) -> dg.ExecuteInProcessResult:
    """A run of the batch that does this with its last step."""

    @dg.op
    def last(leases: LeasesResource) -> None:
        work(LastStep(leases))

    @dg.job(resource_defs={"leases": world.wired.ingest_leases})
    def job() -> None:
        last()

    return job.execute_in_process(tags={BATCH_TAG: batch.id}, raise_on_error=False)


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)


def test_done_and_refused_go_and_the_rest_comes_again(
    world: World, refs: list[ObjectRef], batch: Batch
) -> None:
    done, refused, later = refs

    def answer(last_step: LastStep) -> None:
        last_step.acknowledge(
            [Done(done), Refused(refused, "no frame"), RetryLater(later, "throttled")]
        )
        last_step.check()

    result = run(world, batch, answer)
    assert not result.success
    assert failure(result) == (
        f"1 objects are to be tried again; the first: {later.uri}: throttled"
    )
    assert bodies(world.system.queues.ingest.queue) == [ingest_body(later)]


def test_an_object_that_one_step_is_done_with_waits_for_the_other_step(
    world: World, refs: list[ObjectRef], batch: Batch
) -> None:
    def answer(last_step: LastStep) -> None:
        last_step.acknowledge([*map(Done, refs), RetryLater(refs[0], "no labels yet")])
        assert last_step.open == [f"{refs[0].uri}: no labels yet"]

    assert run(world, batch, answer).success, "who does not check does not fail"
    assert bodies(world.system.queues.ingest.queue) == [ingest_body(refs[0])]


def test_pages_add_up_and_a_materialization_tells_how_many_messages_went(
    world: World, refs: list[ObjectRef], batch: Batch
) -> None:
    told: list[dg.MaterializeResult[None]] = []

    def answer(last_step: LastStep) -> None:
        for ref in refs:
            last_step.acknowledge([Done(ref)])
        told.append(last_step.materialized({"objects": 3}))

    assert run(world, batch, answer).success
    assert told[0].metadata == {"objects": 3, "messages": 3}
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=0, in_flight=0)


def test_what_is_told_to_nobody_comes_again(world: World, batch: Batch) -> None:
    assert run(world, batch, lambda last_step: last_step.check()).success
    assert world.system.queues.ingest.queue.depth() == Depth(waiting=3, in_flight=0)


def test_a_last_step_that_fails_materializes_nothing(
    world: World, refs: list[ObjectRef], batch: Batch
) -> None:
    def answer(last_step: LastStep) -> None:
        last_step.acknowledge([RetryLater(ref, "later") for ref in refs])
        last_step.materialized({})

    assert failure(run(world, batch, answer)).startswith("3 objects are")

"""Processes that die at each of their writes: what comes after them leaves nothing undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import pytest

from ingest_pipeline.records.model import ObjectRef, Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.audit import Put
from ingest_pipeline_tests.media.pictures import encoded, photo
from ingest_pipeline_tests.whole_world import Made, WholeWorld
from ingest_pipeline_tests.world import bodies


@dataclass(frozen=True)
class Story:
    """Something that a process does, and what versions come to, however often it dies of it."""

    act: Callable[[], object]
    puts: Sequence[Put]
    is_told_again: bool  # False: the message is lost, and reconciliation has to find it


def die_everywhere(
    world: WholeWorld,
    story: Callable[[str], tuple[Callable[[], object], list[Put]]],
    *,
    step: int = 1,
) -> list[str]:
    """Tell the story of one key after the other, each dying some writes later; the last one lives.

    At each write two die, with a larger `step` fewer. Then come the runs to which the messages of
    every other one are delivered again, and then reconciliation with what it asks for. The writes
    of the one that lived.
    """
    stories: list[Story] = []
    for number in count():
        write, is_told_again = number * step // 2 + 1, number % 2 == 0
        act, puts = story(f"{write:02}-{'again' if is_told_again else 'lost'}")
        _lose_requests(world)
        with world.dying_at(write) as death:
            act()
        stories.append(Story(act, puts, is_told_again))
        if not death.is_dead:
            break
    for told in stories:
        if told.is_told_again:
            told.act()
    world.settle()
    world.reconcile()
    world.reconcile()
    assert world.audit(*[put for told in stories for put in told.puts]) == []
    done, found = world.reconcile()
    assert (found, done.requested) == ([], 0)
    return death.writes


def _lose_requests(world: WholeWorld) -> None:
    queues = world.system.queues
    for consumed in (queues.rendition, queues.enrichment, queues.delete):
        bodies(consumed.queue)


def indexed(world: WholeWorld, key: str, content: bytes) -> ObjectRef:
    """Upload and ingest; of what it asks for nothing is done."""
    ref = world.put(key, content)
    world.wired.ingest([ref])
    assert world.report(ref).outcome is Outcome.INDEXED
    return ref


def with_everything(world: WholeWorld, key: str) -> ObjectRef:
    """Upload and ingest; files and rows of all kinds stand of it."""
    ref = indexed(world, key, wavs.valid())
    world.make_up(ref)
    return ref


@pytest.fixture
def contents(clip: Made) -> dict[str, bytes]:
    return {
        "audio": wavs.valid(960),
        "image": encoded(photo((64, 48)), "PNG"),
        "video": clip.rendition,
    }


KINDS = pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("audio", {"PutObject": 1, "BatchWriteItem": 1}),
        ("image", {"PutObject": 1, "BatchWriteItem": 2}),
        ("video", {"PutObject": 5, "BatchWriteItem": 2}),
    ],
)


@KINDS
def test_publishing(
    whole: WholeWorld, contents: dict[str, bytes], kind: str, written: dict[str, int]
) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        ref = indexed(whole, key, contents[kind])
        return lambda: whole.make(ref), [Put(ref, Outcome.INDEXED)]

    writes = die_everywhere(whole, story, step=2 if kind == "video" else 1)
    assert {name: writes.count(name) for name in writes} == written


@pytest.mark.parametrize("kind", ["image", "video"])
def test_publishing_in_the_place_of_an_older_version(
    whole: WholeWorld, contents: dict[str, bytes], kind: str
) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        older = with_everything(whole, key)
        newer = indexed(whole, key, contents[kind])
        puts = [Put(older, Outcome.SUPERSEDED), Put(newer, Outcome.INDEXED)]
        return lambda: whole.make(newer), puts

    assert "DeleteObjects" in die_everywhere(whole, story, step=4 if kind == "video" else 1)


def test_ingesting_in_the_place_of_an_older_version(whole: WholeWorld) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        older, newer = with_everything(whole, key), whole.put(key, wavs.valid(960))
        puts = [Put(older, Outcome.SUPERSEDED), Put(newer, Outcome.INDEXED)]
        return lambda: whole.wired.ingest([newer]), puts

    die_everywhere(whole, story)


def test_ingesting_something_invalid_in_its_place(whole: WholeWorld) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        older, newer = with_everything(whole, key), whole.put(key, wavs.wrong_rate())
        puts = [Put(older, Outcome.SUPERSEDED), Put(newer, Outcome.REJECTED)]
        return lambda: whole.wired.ingest([newer]), puts

    assert "DeleteObjects" in die_everywhere(whole, story)


def test_ingesting_what_its_owner_deleted(whole: WholeWorld) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        ref = with_everything(whole, key)
        whole.remove(key)
        return lambda: whole.wired.ingest([ref]), [Put(ref, Outcome.DELETED)]

    assert "DeleteObjects" in die_everywhere(whole, story)


def test_deleting(whole: WholeWorld) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        ref = with_everything(whole, key)
        whole.order(ref)
        return lambda: whole.delete(ref), [Put(ref, Outcome.DELETED)]

    writes = die_everywhere(whole, story)
    assert writes[0] == "DeleteObject"
    assert "DeleteObjects" in writes


def test_publishing_what_a_service_made(served: WholeWorld, clip: Made) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        ref = indexed(served, key, clip.rendition)

        def act() -> None:
            served.make(ref)
            served.service_works()
            served.make(ref)

        return act, [Put(ref, Outcome.INDEXED)]

    writes = die_everywhere(served, story, step=2)
    assert {"CreateJob", "CopyObject"} <= set(writes)


def test_deleting_what_a_service_is_at_work_on(served: WholeWorld, clip: Made) -> None:
    def story(key: str) -> tuple[Callable[[], object], list[Put]]:
        ref = indexed(served, key, clip.rendition)
        served.make(ref)
        served.order(ref)
        return lambda: served.delete(ref), [Put(ref, Outcome.DELETED)]

    assert "CancelJob" in die_everywhere(served, story)

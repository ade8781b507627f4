from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, parse_delete_order
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.records.model import ObjectRef, Outcome
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World

KEYS = ["a.wav", "a/b", "new\nline.wav", "c\x01trl\x7f.wav", "..", "//a//", "Ü/🎵 +%25", "k" * 1024]


def requests(world: World) -> DeleteRequests:
    return DeleteRequests(world.tables, world.system.queues.delete.queue)


def waiting(world: World) -> list[Message]:
    queue = world.system.queues.delete.queue
    found: list[Message] = []
    while messages := queue.receive(60):
        found += messages
        queue.delete([message.handle for message in messages])
    return found


def indexed(world: World, key: str = "a.wav") -> ObjectRef:
    ref = world.put(key, wavs.valid())
    world.ingest([ref])
    return ref


def test_from_the_request_on_a_version_is_told_to_be_deleted(world: World) -> None:
    ref = indexed(world)
    before = world.report(ref)
    assert requests(world).request(ref.bucket, ref.key, ref.version)
    after = world.report(ref)
    assert after.outcome is Outcome.DELETING
    assert after.judged_at > before.judged_at
    assert after.probe == before.probe
    (message,) = waiting(world)
    assert message.attributes == {VERSION_ATTRIBUTE: ref.version}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("version", ["v1", None])
def test_a_request_names_any_key_as_it_is(world: World, key: str, version: str | None) -> None:
    assert requests(world).request(world.bucket, key, version)
    (message,) = waiting(world)
    told = message.attributes.get(VERSION_ATTRIBUTE)
    (ref,) = parse_delete_order(message.body, message.sent_at, told).objects
    assert (ref.bucket, ref.key, ref.version) == (world.bucket, key, version)


def test_who_asks_second_is_told_so(world: World) -> None:
    ref = indexed(world)
    assert requests(world).request(ref.bucket, ref.key, ref.version)
    assert not requests(world).request(ref.bucket, ref.key, ref.version)
    assert len(waiting(world)) == 1
    world.tables.put(REPORTS, [world.report(ref).becomes(Outcome.DELETED)])
    assert not requests(world).request(ref.bucket, ref.key, ref.version)
    assert waiting(world) == []


def test_of_many_who_ask_at_once_one_is_the_first(world: World) -> None:
    ref = indexed(world)
    with ThreadPoolExecutor(8) as pool:
        asked = list(
            pool.map(lambda _: requests(world).request(ref.bucket, ref.key, ref.version), range(8))
        )
    assert sorted(asked) == [False] * 7 + [True]
    assert len(waiting(world)) == 1


def test_another_version_has_a_request_of_its_own(world: World) -> None:
    older = indexed(world)
    newer = indexed(world)
    assert requests(world).request(older.bucket, older.key, older.version)
    assert world.report(newer).outcome is Outcome.INDEXED
    assert requests(world).request(newer.bucket, newer.key, newer.version)


def test_a_restored_version_can_be_deleted_again(world: World) -> None:
    ref = indexed(world)
    requests(world).request(ref.bucket, ref.key, ref.version)
    world.wired.deleter.deleter().delete([ref])
    world.system.restorer().restore(world.bucket, ref.key)
    world.ingest_waiting()
    assert world.report(ref).outcome is Outcome.INDEXED
    assert requests(world).request(ref.bucket, ref.key, ref.version)


def test_a_request_that_cannot_be_sent_has_changed_nothing(world: World) -> None:
    ref = indexed(world)
    before = world.report(ref)

    def refuse(**_: Any) -> None:
        raise OSError("no connection")

    events = world.clients.sqs.meta.events
    events.register("before-call.sqs.SendMessage", refuse)
    try:
        with pytest.raises(OSError, match="no connection"):
            requests(world).request(ref.bucket, ref.key, ref.version)
    finally:
        events.unregister("before-call.sqs.SendMessage", refuse)
    assert world.report(ref) == before
    assert requests(world).request(ref.bucket, ref.key, ref.version)

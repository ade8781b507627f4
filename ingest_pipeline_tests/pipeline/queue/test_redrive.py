import re

import pytest

from ingest_pipeline.aws.events import parse_ingest_body
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.pipeline.queue.redrive import (
    redrive_dead_letters,
    redrive_object,
)
from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, bodies


@pytest.mark.parametrize("key", ["a.wav", "my file+1.wav", "new\nline.wav"])
def test_an_object_is_sent_as_s3_would(world: World, key: str) -> None:
    ref = world.put(key, wavs.valid())
    queue = world.system.queues.ingest.queue
    assert redrive_object(world.clients.s3, world.tables, queue, world.bucket, key) == ref
    (body,) = bodies(queue)
    assert parse_ingest_body(body).objects == (ref,)


def test_an_object_is_examined_anew(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    queue = world.system.queues.ingest.queue
    redrive_object(world.clients.s3, world.tables, queue, world.bucket, "a.wav")
    (report,) = world.ingest_waiting()
    assert (report.version, report.outcome) == (ref.version, Outcome.INDEXED)


def test_nothing_is_sent_for_what_does_not_stand(world: World) -> None:
    world.put("a.wav", wavs.valid())
    world.remove("a.wav")
    queue = world.system.queues.ingest.queue
    for key in ("a.wav", "never.wav", "..", "a/../b", "new\nline", "nul\x00", "k" * 1024):
        uri = f"s3://{world.bucket}/{key}: nothing stands there"
        with pytest.raises(ObjectGoneError, match=f"^{re.escape(uri)}"):
            redrive_object(world.clients.s3, world.tables, queue, world.bucket, key)
    assert bodies(queue) == []


def test_what_was_deleted_is_left_to_restore(world: World) -> None:
    rejected = world.put("rejected.txt", b"some text")
    deleted = world.put("deleted.wav", wavs.valid())
    world.remove("deleted.wav")
    world.ingest([rejected, deleted])
    queue = world.system.queues.ingest.queue
    for ref in (rejected, deleted):
        with pytest.raises(ObjectGoneError, match=f"^{ref.uri} was deleted: .*restore"):
            redrive_object(world.clients.s3, world.tables, queue, ref.bucket, ref.key)
        world.system.restorer().restore(ref.bucket, ref.key)
        redrive_object(world.clients.s3, world.tables, queue, ref.bucket, ref.key)


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_dead_letters_go_back_to_their_queue(world: World, count: int) -> None:
    dead_letters, queue = world.system.queues.ingest.dead_letters, world.system.queues.ingest.queue
    sent = [f"body {n}" for n in range(count)]
    dead_letters.send_all(sent)
    assert redrive_dead_letters(dead_letters, queue) == count
    assert dead_letters.depth() == Depth(waiting=0, in_flight=0)
    assert sorted(bodies(queue)) == sorted(sent)


def test_what_dies_again_meanwhile_does_not_go_round_for_ever(world: World) -> None:
    dead_letters = world.system.queues.ingest.dead_letters
    dead_letters.send_all(f"body {n}" for n in range(25))
    moved = redrive_dead_letters(dead_letters, dead_letters)
    assert 25 <= moved < 35
    assert dead_letters.depth().waiting == 25

from datetime import UTC, datetime

import pytest

from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
)
from ingest_pipeline.pipeline.ingest.restore import NotRestorableError
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, bodies, some_ref


def restore(world: World, key: str) -> Report:
    return world.system.restorer().restore(world.bucket, key)


def delete_by_order(world: World, key: str) -> None:
    order = some_ref(world.bucket, key, arrived=datetime.now(UTC))
    (result,) = world.wired.deleter.deleter().delete([order])
    assert result.value is not None


@pytest.mark.parametrize("key", ["a.wav", "my file+1.wav", "new\nline.wav", "Übung.wav"])
def test_a_rejected_object_comes_back_and_stays(world: World, key: str) -> None:
    ref = world.put(key, wavs.wrong_rate())
    world.ingest([ref])
    assert world.content(key) is None
    restored = restore(world, key)
    assert (restored.outcome, restored.deleted_at) == (Outcome.KEPT, None)
    assert world.content(key) == wavs.wrong_rate()
    for _ in range(2):
        world.send(ref)
        (judged, *_others) = world.ingest_waiting()
        assert (judged.outcome, judged.verdict) == (Outcome.KEPT, Verdict.REJECTED)
        assert judged.restored_at == restored.restored_at
        assert world.content(key) == wavs.wrong_rate()
    assert not world.is_indexed(key)


def test_a_restored_object_is_judged_anew_by_one_message(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    world.ingest([ref])
    restore(world, "a.wav")
    (judged,) = world.ingest_waiting()
    assert (judged.version, judged.outcome) == (ref.version, Outcome.KEPT)


def test_a_valid_object_that_an_order_deleted_is_indexed_again(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    delete_by_order(world, "a.wav")
    assert not world.is_indexed("a.wav")
    restored = restore(world, "a.wav")
    (judged,) = world.ingest_waiting()
    assert (judged.outcome, judged.restored_at) == (Outcome.INDEXED, restored.restored_at)
    assert judged.deleted_at is None
    assert world.is_indexed("a.wav")


def test_an_object_that_was_deleted_unread_is_kept_once_it_is_restored(world: World) -> None:
    world.put("a.wav", wavs.wrong_rate())
    delete_by_order(world, "a.wav")
    restore(world, "a.wav")
    (judged,) = world.ingest_waiting()
    assert (judged.outcome, judged.verdict) == (Outcome.KEPT, Verdict.REJECTED)
    assert world.content("a.wav") == wavs.wrong_rate()


def test_the_mark_is_there_before_the_object_stands_again(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    world.ingest([ref])
    restored = restore(world, "a.wav")
    assert world.report(ref) == restored
    assert restored.restored_at is not None


def test_the_newest_removed_version_is_brought_back(world: World) -> None:
    for frames in range(1, 8):  # in one second, or nearly: S3 tells their times no finer
        newest = world.put("a.wav", wavs.wrong_rate(frames))
        world.ingest([newest])
    world.remove("a.wav")
    assert restore(world, "a.wav").version == newest.version
    assert world.content("a.wav") == wavs.wrong_rate(7)


def test_nothing_comes_back_over_a_newer_upload(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    (rejected,) = world.ingest([ref])
    world.put("a.wav", wavs.valid())
    with pytest.raises(ObjectReplacedError):
        restore(world, "a.wav")
    assert world.content("a.wav") == wavs.valid()
    assert world.report(ref) == rejected
    assert bodies(world.system.queues.ingest.queue) == []


def test_an_unread_report_is_as_before_when_nothing_came_back(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    delete_by_order(world, "a.wav")
    deleted = world.report(ref)
    world.put("a.wav", wavs.valid())
    with pytest.raises(ObjectReplacedError):
        restore(world, "a.wav")
    assert world.report(ref) == deleted


def test_a_version_that_has_ended_does_not_come_back(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    (rejected,) = world.ingest([ref])
    world.clients.s3.delete_object(Bucket=world.bucket, Key="a.wav", VersionId=ref.version or "")
    with pytest.raises(ObjectGoneError):
        restore(world, "a.wav")
    assert world.report(ref) == rejected


def test_where_nothing_was_removed_there_is_nothing_to_restore(world: World) -> None:
    world.ingest([world.put("a.wav", wavs.valid())])
    for key in ("a.wav", "never.wav"):
        with pytest.raises(NotRestorableError, match=f"{key}: nothing was rejected or deleted"):
            restore(world, key)
    assert bodies(world.system.queues.ingest.queue) == []


def test_restoring_twice_is_refused(world: World) -> None:
    world.ingest([world.put("a.wav", wavs.wrong_rate())])
    restore(world, "a.wav")
    with pytest.raises(NotRestorableError):
        restore(world, "a.wav")
    assert world.content("a.wav") == wavs.wrong_rate()

from datetime import timedelta

import pytest

from ingest_pipeline.pipeline.ingest.index import tombstone
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    REPORTS,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, bodies

NONE = timedelta(0)


def differences(world: World, grace: timedelta = NONE) -> dict[str, str]:
    """Problems by key."""
    found = list(world.system.reconciler().differences(world.bucket, grace))
    problems = {each.ref.key: each.problem for each in found}
    assert len(problems) == len(found)
    return problems


def repaired(world: World) -> int:
    """Have every difference repaired, and prove that a second look finds none."""
    reconciler = world.system.reconciler()
    sent = reconciler.repair(reconciler.differences(world.bucket, NONE))
    world.ingest_waiting()
    assert differences(world) == {}
    return sent


def put(world: World, key: str, content: bytes | None = None) -> ObjectRef:
    return world.put(key, wavs.valid() if content is None else content)


def test_an_empty_bucket_agrees(world: World) -> None:
    assert differences(world) == {}


def test_every_settled_object_agrees(world: World) -> None:
    world.ingest(
        [
            put(world, "indexed.wav"),
            put(world, "rejected.wav", wavs.wrong_rate()),
            put(world, "keep/kept.wav", wavs.wrong_rate()),
            put(world, "photo.png", wavs.PNG),
            put(world, "photo.jxl", wavs.JPEG_XL),
            put(world, "empty.wav", b""),
        ]
    )
    deleted = put(world, "deleted.wav")
    world.ingest([deleted])
    world.remove("deleted.wav")
    world.ingest([deleted])
    overwritten = put(world, "overwritten.wav")
    world.ingest([overwritten])
    world.ingest([put(world, "overwritten.wav")])
    assert differences(world) == {}


def test_what_marks_a_folder_is_no_difference(world: World) -> None:
    put(world, "photos/", b"")
    put(world, "removed/", b"")
    world.remove("removed/")
    assert differences(world) == {}


def test_a_missed_object_is_found_and_taken_in(world: World) -> None:
    ref = put(world, "missed.wav")
    assert differences(world) == {"missed.wav": "in the bucket, without a report"}
    assert repaired(world) == 1
    assert world.report(ref).outcome is Outcome.INDEXED


def test_a_missed_overwrite_is_found_and_taken_in(world: World) -> None:
    world.ingest([put(world, "a.wav")])
    newer = put(world, "a.wav", wavs.valid(960))
    assert differences(world) == {"a.wav": "in the bucket, without a report"}
    repaired(world)
    asset = world.asset("a.wav")
    assert asset is not None
    assert (asset.version, asset.frame_count) == (newer.version, 960)


def test_an_object_removed_by_hand_leaves_the_index(world: World) -> None:
    ref = put(world, "a.wav")
    world.ingest([ref])
    world.remove("a.wav")
    assert differences(world) == {"a.wav": "in the index, not in the bucket"}
    assert repaired(world) == 1
    assert not world.is_indexed("a.wav")
    assert world.report(ref).outcome is Outcome.DELETED


def test_an_object_of_which_no_version_is_left_leaves_the_index(world: World) -> None:
    ref = put(world, "a.wav")
    world.ingest([ref])
    world.clients.s3.delete_object(Bucket=world.bucket, Key="a.wav", VersionId=ref.version or "")
    assert differences(world) == {"a.wav": "in the index, not in the bucket"}
    assert repaired(world) == 1
    assert world.report(ref).outcome is Outcome.DELETED


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(wavs.valid(), Outcome.DELETED), (wavs.wrong_rate(), Outcome.REJECTED)],
)
def test_an_object_deleted_before_it_was_taken_in_gets_its_outcome(
    world: World, content: bytes, outcome: Outcome
) -> None:
    ref = put(world, "a.wav", content)
    world.remove("a.wav")
    assert differences(world) == {"a.wav": "deleted without an outcome"}
    repaired(world)
    assert world.report(ref).outcome is outcome
    assert world.report(ref).probe is not None


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.FAILED])
def test_an_object_whose_run_died_is_taken_in(world: World, outcome: Outcome) -> None:
    ref = put(world, "a.wav")
    (report,) = values(world.wired.validator.validator().validate([ref]))
    world.tables.put(REPORTS, [report.becomes(outcome)])
    assert differences(world) == {"a.wav": f"in the bucket, its report {outcome}"}
    repaired(world)
    assert world.is_indexed("a.wav")


def test_an_object_brought_back_by_hand_is_judged_again(world: World) -> None:
    ref = put(world, "a.wav")
    world.ingest([ref])
    world.remove("a.wav")
    world.ingest([ref])
    marker = world.clients.s3.list_object_versions(Bucket=world.bucket)["DeleteMarkers"][0]
    world.clients.s3.delete_object(Bucket=world.bucket, Key="a.wav", VersionId=marker["VersionId"])
    assert differences(world) == {"a.wav": "in the bucket, its report deleted"}
    repaired(world)
    assert world.is_indexed("a.wav")


def test_an_indexed_object_without_its_row_is_indexed_again(world: World) -> None:
    (report,) = world.ingest([put(world, "a.wav")])
    world.tables.put(ASSETS, [tombstone(report)])
    assert differences(world) == {"a.wav": "its report indexed, the index disagrees"}
    repaired(world)
    assert world.is_indexed("a.wav")


def test_a_row_of_a_version_that_a_picture_replaced_leaves_the_index(world: World) -> None:
    world.ingest([put(world, "a.wav")])
    valid = world.asset("a.wav")
    assert valid is not None
    world.ingest([put(world, "a.wav", wavs.JPEG_XL)])
    assert differences(world) == {}
    removed = world.asset("a.wav")
    assert removed is not None
    stale = valid.model_copy(update={"judged_at": removed.judged_at})
    world.tables.put(ASSETS, [stale])
    assert differences(world) == {"a.wav": "its report kept, the index disagrees"}
    repaired(world)
    assert not world.is_indexed("a.wav")


@pytest.mark.parametrize(
    ("content", "outcome"), [(wavs.valid(), Outcome.INDEXED), (wavs.JPEG_XL, Outcome.KEPT)]
)
def test_an_order_whose_run_died_after_the_deletion_is_told_to_the_end(
    world: World, content: bytes, outcome: Outcome
) -> None:
    ref = put(world, "half-deleted", content)
    world.ingest([ref])
    deleted = world.wired.deleter.deleter()._delete_object(ref)
    assert deleted is not None
    world.tables.put(ASSETS, [tombstone(deleted)])  # as the API writes it at once
    assert world.report(ref).outcome is outcome
    assert differences(world) == {"half-deleted": f"deleted, its report {outcome}"}
    assert repaired(world) == 1
    assert world.report(ref).outcome is Outcome.DELETED


def test_younger_objects_are_left_to_their_runs(world: World) -> None:
    put(world, "new.wav")
    removed = put(world, "removed.wav")
    world.ingest([removed])
    world.remove("removed.wav")
    assert differences(world, timedelta(minutes=10)) == {}
    assert len(differences(world, NONE)) == 2


def test_bucket_and_index_are_walked_in_one_order(world: World) -> None:
    keys = ["A", "a b", "a/b", "a+b", "Ü", "ﬀ.wav", "🎵.wav", "new\nline.wav", "a%20b"]
    world.ingest([put(world, key) for key in keys])
    assert differences(world) == {}
    for key in keys[::2]:
        world.remove(key)
    assert differences(world).keys() == set(keys[::2])
    repaired(world)


def test_more_than_one_chunk_of_keys_is_compared(world: World) -> None:
    refs = [put(world, f"{n:03}.wav") for n in range(230)]
    world.ingest(refs[::2])
    assert differences(world).keys() == {ref.key for ref in refs[1::2]}


def test_looking_alone_sends_nothing(world: World) -> None:
    put(world, "a.wav")
    assert differences(world)
    assert bodies(world.system.queues.ingest.queue) == []

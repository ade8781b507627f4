import os
from pathlib import Path

import pytest

from ingest_pipeline.aws.objects.state import ObjectGoneError, ObjectReplacedError, object_state
from ingest_pipeline.aws.objects.versions import (
    copy_version,
    delete_object,
    download_version,
    restore_version,
)
from ingest_pipeline_tests.aws.objects.helpers import ODD_KEYS, UNKNOWN, judged, opened
from ingest_pipeline_tests.world import World


@pytest.mark.parametrize("key", ODD_KEYS)
def test_what_was_deleted_is_brought_back(world: World, key: str) -> None:
    ref = world.put(key, b"content")
    delete_object(world.clients.s3, world.bucket, key, ref.etag)
    assert world.content(key) is None
    assert restore_version(world.clients.s3, ref)
    assert world.content(key) == b"content"
    assert not restore_version(world.clients.s3, ref)
    assert opened(world, ref).state.version == ref.version


def test_what_was_deleted_more_than_once_is_brought_back(world: World) -> None:
    ref = world.put("a.wav", b"content")
    for _ in range(3):
        world.remove("a.wav")
    assert restore_version(world.clients.s3, ref)
    assert world.content("a.wav") == b"content"


def test_what_was_overwritten_is_not_deleted(world: World) -> None:
    ref = world.put("a.wav", b"judged")
    world.put("a.wav", b"newer")
    with pytest.raises(ObjectReplacedError):
        delete_object(world.clients.s3, world.bucket, "a.wav", ref.etag)
    assert world.content("a.wav") == b"newer"


def test_what_is_gone_cannot_be_deleted_again(world: World) -> None:
    ref = world.put("a.wav", b"content")
    world.remove("a.wav")
    with pytest.raises(ObjectGoneError):
        delete_object(world.clients.s3, world.bucket, "a.wav", ref.etag)
    with pytest.raises(ObjectGoneError):
        object_state(world.clients.s3, world.bucket, "a.wav")


def test_an_older_version_does_not_come_back_over_a_newer_one(world: World) -> None:
    ref = world.put("a.wav", b"1")
    world.remove("a.wav")
    world.put("a.wav", b"2")
    with pytest.raises(ObjectReplacedError):
        restore_version(world.clients.s3, ref)
    world.remove("a.wav")
    with pytest.raises(ObjectReplacedError):
        restore_version(world.clients.s3, ref)
    assert world.content("a.wav") is None


def test_keys_that_begin_alike_are_told_apart_when_restoring(world: World) -> None:
    ref = world.put("a", b"1")
    world.put("a.wav", b"2")
    world.remove("a.wav")
    with pytest.raises(ObjectGoneError):
        restore_version(world.clients.s3, ref.model_copy(update={"version": UNKNOWN}))
    assert not restore_version(world.clients.s3, ref)
    assert world.content("a.wav") is None


@pytest.mark.parametrize("key", ODD_KEYS)
def test_the_judged_version_is_copied_not_the_newest(world: World, key: str) -> None:
    ref = world.put(key, b"judged")
    world.put(key, b"newer")
    target = world.make_bucket(f"{world.bucket}-copies")
    copy_version(world.clients.s3, judged(ref), target)
    copy = world.clients.s3.get_object(Bucket=target, Key=key)["Body"].read()
    assert copy == b"judged"


@pytest.mark.parametrize("size", [0, 1_000, 20_000_000])  # boto3's own ranges begin at 8 MB
def test_the_judged_version_is_downloaded_byte_by_byte(
    world: World, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    ref = world.put("a.wav", content)
    world.put("a.wav", b"a newer one")
    download_version(world.clients.s3, judged(ref), tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == content


def test_a_version_that_has_ended_cannot_be_copied(world: World) -> None:
    ref = world.put("a.wav", b"content").model_copy(update={"version": UNKNOWN})
    with pytest.raises(ObjectGoneError):
        copy_version(world.clients.s3, judged(ref), world.settings.quarantine_bucket)


def test_objects_of_unversioned_buckets_are_copied_and_deleted(plain: World) -> None:
    ref = plain.put("a.wav", b"content")
    copy_version(plain.clients.s3, judged(ref), plain.settings.quarantine_bucket)
    delete_object(plain.clients.s3, plain.bucket, "a.wav", ref.etag)
    assert plain.content("a.wav") is None
    assert plain.quarantined("a.wav") == b"content"

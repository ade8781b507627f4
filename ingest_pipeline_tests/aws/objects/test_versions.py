import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest_pipeline.aws.objects.listing import (
    Standing,
    list_newest_versions,
    list_objects,
)
from ingest_pipeline.aws.objects.ranged import (
    BLOCK,
    RangedObject,
)
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
    object_state,
)
from ingest_pipeline.aws.objects.versions import (
    copy_version,
    delete_object,
    download_version,
    restore_version,
)
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline_tests.world import World

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 300_001]
CONTENT = {size: os.urandom(size) for size in SIZES}
UNKNOWN = "6f1a9b3c-0000-0000-0000-000000000000"

anywhere = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(0, 400_000), st.just(io.SEEK_SET)),
        st.tuples(st.just("seek"), st.integers(-1000, 70_000), st.just(io.SEEK_CUR)),
        st.tuples(st.just("seek"), st.integers(-400_000, 10), st.just(io.SEEK_END)),
        st.tuples(st.just("read"), st.integers(0, 150_000), st.just(0)),
    ),
    max_size=12,
)


def opened(world: World, ref: ObjectRef, *, noncurrent: bool = False) -> RangedObject:
    return RangedObject(world.clients.s3, ref, noncurrent=noncurrent)


def judged(ref: ObjectRef) -> Report:
    return Report(
        bucket=ref.bucket,
        key=ref.key,
        version=ref.row_version,
        day=ref.day,
        etag=ref.etag,
        verdict=Verdict.REJECTED,
        outcome=Outcome.PENDING,
        judged_at=ref.arrived,
    )


# --- one object as a file -------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_an_object_reads_like_its_bytes(world: World, size: int) -> None:
    ref = world.put("a.bin", CONTENT[size])

    @anywhere
    @given(moves)
    @example([("read", 150_000, 0), ("read", 150_000, 0), ("read", 150_000, 0)])
    def reads_alike(steps: list[tuple[str, int, int]]) -> None:
        remote, local = opened(world, ref), io.BytesIO(CONTENT[size])
        for step, number, whence in steps:
            if step == "read":
                assert remote.read(number) == local.read(number)
            else:
                target = {0: 0, 1: local.tell(), 2: size}[whence] + number
                assert remote.seek(number, whence) == local.seek(max(0, target))
            assert remote.tell() == local.tell()
        assert remote.read() == local.read()
        assert remote.calls <= max(1, -(-size // BLOCK))
        assert remote.bytes_read <= size

    reads_alike()


@pytest.mark.parametrize(
    ("size", "calls"), [(0, 1), (1, 1), (BLOCK - 1, 1), (BLOCK, 1), (BLOCK + 1, 2), (300_001, 5)]
)
def test_reading_takes_each_block_once(world: World, size: int, calls: int) -> None:
    file = opened(world, world.put("a.bin", CONTENT[size]))
    for _ in range(2):
        file.seek(0)
        assert file.read(size) == CONTENT[size]
    assert (file.calls, file.bytes_read) == (calls, size)


@pytest.mark.parametrize(("size", "calls"), [(0, 1), (BLOCK, 1), (BLOCK + 1, 2), (300_001, 2)])
def test_reading_all_takes_one_call_more_than_opening(world: World, size: int, calls: int) -> None:
    file = opened(world, world.put("a.bin", CONTENT[size]))
    assert file.read() == CONTENT[size]
    assert file.read() == b""
    assert (file.calls, file.bytes_read) == (calls, size)


def test_reading_all_knows_no_budget(world: World) -> None:
    content = os.urandom(70 * BLOCK)
    file = opened(world, world.put("large.bin", content))
    file.seek(BLOCK + 7)
    assert file.read(-1) == content[BLOCK + 7 :]
    assert file.calls == 2


def test_opening_takes_one_call_of_one_block_and_tells_the_true_size(world: World) -> None:
    ref = world.put("a.bin", CONTENT[300_001])
    file = opened(world, ref.model_copy(update={"size": 7, "version": None, "etag": None}))
    assert (file.calls, file.bytes_read) == (1, BLOCK)
    assert (file.state.size, file.state.version, file.state.etag) == (
        300_001,
        ref.version,
        ref.etag,
    )
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)


@pytest.mark.parametrize("told", [None, 5])
def test_an_empty_object_is_opened_though_nobody_said_that_it_is_empty(
    world: World, told: int | None
) -> None:
    ref = world.put("empty.wav", b"").model_copy(update={"size": told})
    file = opened(world, ref)
    assert (file.state.size, file.read(10), file.read()) == (0, b"", b"")


def test_an_object_that_is_called_empty_and_is_not_is_read(world: World) -> None:
    ref = world.put("a.bin", b"content").model_copy(update={"size": 0})
    assert opened(world, ref).read() == b"content"


def test_a_file_asks_for_64_blocks_and_no_more(world: World) -> None:
    ref = world.put("large.bin", bytes(65 * BLOCK))
    file = opened(world, ref)
    for number in range(64):
        file.seek(number * BLOCK)
        file.read(1)
    file.seek(0)
    assert len(file.read(64 * BLOCK)) == 64 * BLOCK
    assert (file.calls, file.bytes_read) == (64, 64 * BLOCK)
    with pytest.raises(ReadBudgetError):
        file.read(1)
    assert file.calls == 64


def test_an_object_that_is_not_there_is_gone(world: World) -> None:
    ref = world.put("a.wav", b"content")
    world.remove("a.wav")
    for known in (ref, ref.model_copy(update={"etag": None, "version": None, "size": None})):
        with pytest.raises(ObjectGoneError):
            opened(world, known)


@pytest.mark.parametrize("size", SIZES)
def test_a_version_is_read_from_below_its_delete_marker(world: World, size: int) -> None:
    ref = world.put("a.wav", CONTENT[size])
    world.remove("a.wav")
    file = opened(world, ref, noncurrent=True)
    assert (file.read(), file.state.version) == (CONTENT[size], ref.version)
    assert file.state.size == size


def test_a_version_that_has_ended_is_gone(world: World) -> None:
    ref = world.put("a.wav", b"content").model_copy(update={"version": UNKNOWN})
    with pytest.raises(ObjectGoneError):
        opened(world, ref, noncurrent=True)


@pytest.mark.parametrize("again", [b"other", b"content", b""])
def test_an_overwritten_object_is_replaced_even_by_the_same_content(
    world: World, again: bytes
) -> None:
    ref = world.put("a.wav", b"content")
    newer = world.put("a.wav", again)
    with pytest.raises(ObjectReplacedError):
        opened(world, ref)
    assert opened(world, newer).read() == again


@pytest.fixture
def plain(world: World) -> World:
    """A world whose bucket keeps no versions."""
    world.bucket = world.make_bucket(f"{world.bucket}-plain", is_versioned=False)
    return world


@pytest.mark.parametrize("is_versioned", [True, False])
def test_a_file_is_never_pieced_together_from_two_uploads(
    world: World, *, is_versioned: bool
) -> None:
    world.bucket = world.make_bucket(f"{world.bucket}-other", is_versioned=is_versioned)
    file = opened(world, world.put("a.bin", CONTENT[300_001]))
    world.put("a.bin", bytes(300_001))
    with pytest.raises(ObjectReplacedError):
        file.read()


def test_a_file_that_is_deleted_while_it_is_read_is_gone(world: World) -> None:
    file = opened(world, world.put("a.bin", CONTENT[300_001]))
    world.remove("a.bin")
    with pytest.raises(ObjectGoneError):
        file.read()


def test_an_object_of_an_unversioned_bucket_has_no_version(plain: World) -> None:
    ref = plain.put("a.wav", b"content")
    assert opened(plain, ref).state.version is None
    assert newest(plain) == [Standing(ref, deleted=False)]


# --- what lies in a bucket ------------------------------------------------------------------------

ODD_KEYS = [
    "A.wav",
    "a b+c%25.wav",
    "a.wav",
    "a/nested.wav",
    "new\nline.wav",
    "Ü.wav",
    "ﬀ.wav",  # U+FB00: after U+1F3B5 in UTF-16, before it in UTF-8
    "🎵.wav",
]


def test_listing_goes_on_after_a_thousand_keys(world: World) -> None:
    keys = [f"{n:04}.wav" for n in range(1003)]
    refs = [put_quickly(world, key) for key in keys]
    day = world.put("last.wav", b"").day
    first_day = object_state(world.clients.s3, world.bucket, keys[0]).last_modified
    days = {day, first_day.strftime("%Y-%m-%d")}
    found = list(list_objects(world.clients.s3, world.bucket, days))
    assert [ref.key for ref in found] == [*refs, "last.wav"]
    assert {(ref.version, ref.size) for ref in found} == {(None, 0)}
    standing = list_newest_versions(world.clients.s3, world.bucket)
    assert [each.ref.key for each in standing] == [*keys, "last.wav"]
    assert list(list_objects(world.clients.s3, world.bucket, {"2015-01-01"})) == []


def put_quickly(world: World, key: str) -> str:
    world.clients.s3.put_object(Bucket=world.bucket, Key=key, Body=b"")
    return key


def newest(world: World) -> list[Standing]:
    """What is listed; its times are cut to seconds as in S3's other answers."""
    return [
        Standing(in_seconds(each.ref), each.deleted)
        for each in list_newest_versions(world.clients.s3, world.bucket)
    ]


def in_seconds(ref: ObjectRef) -> ObjectRef:
    return ref.model_copy(update={"arrived": ref.arrived.replace(microsecond=0)})


def test_newest_versions_come_in_the_order_of_their_utf8_bytes(world: World) -> None:
    refs = {key: world.put(key, key.encode()) for key in ODD_KEYS}
    found = newest(world)
    assert [each.ref for each in found] == [refs[key] for key in sorted(refs, key=str.encode)]
    listed = list_objects(world.clients.s3, world.bucket, {ref.day for ref in refs.values()})
    assert {ref.key for ref in listed} == set(ODD_KEYS)


def test_only_the_newest_of_several_versions_is_named(world: World) -> None:
    for number in range(3):
        latest = {key: world.put(key, bytes(number)) for key in ("a.wav", "a.wav.bak", "b.wav")}
    assert [(each.ref, each.deleted) for each in newest(world)] == [
        (ref, False) for ref in latest.values()
    ]


def test_a_deleted_key_is_named_with_the_version_below_its_marker(world: World) -> None:
    world.put("a.wav", b"1")
    deleted = world.put("a.wav", b"2")
    neighbour = world.put("b.wav", b"")
    world.remove("a.wav")
    world.remove("never there.wav")
    assert newest(world) == [
        Standing(deleted, deleted=True),
        Standing(neighbour, deleted=False),
    ]


def test_a_key_put_again_after_its_deletion_stands(world: World) -> None:
    world.put("a.wav", b"1")
    world.remove("a.wav")
    again = world.put("a.wav", b"1")
    assert newest(world) == [Standing(again, deleted=False)]


def test_an_empty_bucket_has_nothing(world: World) -> None:
    assert newest(world) == []
    assert list(list_objects(world.clients.s3, world.bucket, {"2026-03-01"})) == []


# --- taking away and bringing back ----------------------------------------------------------------


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

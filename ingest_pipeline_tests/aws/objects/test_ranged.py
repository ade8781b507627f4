import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest_pipeline.aws.objects.ranged import BLOCK
from ingest_pipeline.aws.objects.state import ObjectGoneError, ObjectReplacedError
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline_tests.aws.objects.helpers import UNKNOWN, opened
from ingest_pipeline_tests.world import World

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 300_001]
CONTENT = {size: os.urandom(size) for size in SIZES}
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


def test_an_object_of_an_unversioned_bucket_is_read_without_a_version(plain: World) -> None:
    ref = plain.put("a.wav", b"content")
    assert opened(plain, ref).state.version is None


def test_all_of_it_goes_to_a_file_in_one_call(world: World, tmp_path: Path) -> None:
    file = opened(world, world.put("a.bin", CONTENT[300_001]))
    file.save_to(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == CONTENT[300_001]
    assert (file.calls, file.bytes_read) == (2, BLOCK + 300_001)


def test_what_was_overwritten_meanwhile_is_not_saved(world: World, tmp_path: Path) -> None:
    file = opened(world, world.put("a.bin", CONTENT[300_001]))
    world.put("a.bin", b"another")
    with pytest.raises(ObjectReplacedError):
        file.save_to(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()

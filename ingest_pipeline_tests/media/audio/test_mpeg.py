import struct
import time
from pathlib import Path

import pytest

from ingest_pipeline.media.model import Kind
from ingest_pipeline_tests.media.sounds import (
    blocks_read,
    decoded_frames,
    id3v2,
    id3v2_text,
    libsndfile_frames,
    probed,
    rules,
    shape,
    tone,
)

PLAIN = ("-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mpeg")


@pytest.fixture(scope="module")
def counted(folder: Path) -> bytes:
    """One whose first frame counts the others, and what the encoder added."""
    return tone(folder / "a.mp3", "-c:a", "libmp3lame", "-q:a", "4").read_bytes()


@pytest.fixture(scope="module")
def plain(folder: Path) -> bytes:
    """One without any header, in one block."""
    return tone(folder / "plain.mp3", *PLAIN).read_bytes()


def test_a_header_tells_the_frames_without_what_was_added(counted: bytes) -> None:
    assert shape(probed(counted)) == (48_000, 48_000, 2, None)
    assert libsndfile_frames(counted) == 48_000


def test_without_a_header_the_frames_of_a_short_file_are_counted(plain: bytes) -> None:
    found = probed(plain)
    assert shape(found)[0] == libsndfile_frames(plain)
    assert (found.faults, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("name", "output", "how"),
    [
        ("long.mp3", PLAIN, "its constant bit rate"),
        ("vary.mp3", ("-c:a", "libmp3lame", "-q:a", "2", *PLAIN[4:]), "the mean bit rate"),
        ("long.aac", ("-c:a", "aac"), "the mean bit rate"),
    ],
)
def test_of_a_long_file_the_length_is_reckoned(
    folder: Path, name: str, output: tuple[str, ...], how: str
) -> None:
    path = tone(folder / name, *output, seconds=30)
    found = probed(path.read_bytes())
    assert shape(found)[0] == pytest.approx(decoded_frames(path), rel=0.03)
    (warning,) = found.warnings
    assert how in warning


def test_a_large_picture_in_front_is_passed_over_by_its_size(counted: bytes) -> None:
    picture = b"APIC" + struct.pack(">I", 300_000) + bytes(2 + 300_000)
    content = id3v2(0, id3v2_text(b"TIT2", "Song"), picture) + counted
    found = probed(content)
    assert (shape(found)[0], found.faults) == (48_000, ())
    assert found.metadata == {"tags": {"title": "Song"}}
    assert blocks_read(content) == 2


def test_tags_behind_are_no_audio(plain: bytes) -> None:
    ape = struct.pack("<8sIIIIq", b"APETAGEX", 2000, 32 + 20, 1, 1 << 31, 0)
    old = struct.pack("3s30s95x", b"TAG", b"Song")
    found = probed(plain + ape + bytes(20) + ape + old)
    assert shape(found)[0] == shape(probed(plain))[0]
    assert (found.metadata, found.warnings) == ({"tags": {"title": "Song"}}, ())


def test_free_format_is_recognised_and_counted() -> None:
    content = (bytes.fromhex("fffb04c0") + bytes(396)) * 50
    found = probed(content)
    assert (found.kind, found.codec, found.faults) == (Kind.AUDIO, "mp3", ())
    assert (
        shape(found)
        == (libsndfile_frames(content), 48_000, 1, None)
        == (50 * 1152, 48_000, 1, None)
    )


def test_one_that_is_shorter_than_its_header_says_is_refused(counted: bytes) -> None:
    assert rules(probed(counted[: len(counted) * 6 // 10])) == ["complete"]


def test_tags_alone_are_no_audio() -> None:
    assert rules(probed(id3v2(1000))) == ["data"]
    assert rules(probed(id3v2(1000)[:500])) == ["complete"]


def test_what_is_not_understood_is_kept_with_a_reason() -> None:
    found = probed(id3v2(100) + bytes(5000))
    assert (found.kind, found.probed, rules(found)) == (Kind.AUDIO, False, ["probe"])


def test_hundreds_of_false_beginnings_cost_no_seconds() -> None:
    block = bytearray(64 * 1024)
    for step in range(1, 36):  # at squares, of which no four are equally far apart
        for kind in range(12):
            at = 48 * step * step + 4 * kind
            block[at : at + 4] = bytes((0xFF, 0xFB, kind % 3 << 2, kind // 3 << 6))
    started = time.process_time()
    assert not probed(id3v2(10) + block).probed
    assert time.process_time() - started < 1


def test_vbri_counts_frames_too(plain: bytes) -> None:
    header = struct.pack(">4sHHHII", b"VBRI", 1, 0, 100, len(plain), 41)
    found = probed(plain[:36] + header + plain[36 + len(header) :])
    assert shape(found)[0] == 41 * 1152

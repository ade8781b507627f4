import pytest

from ingest_pipeline.media.audio.mpeg_frame import (
    Frame,
    adts_frame,
    adts_frame_bytes,
    free_format_bytes,
    mpeg_frame,
    mpeg_frame_bytes,
)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("fffb9044", Frame("mp3", 417, 1152, 44_100, 2, 32)),
        ("fffb92c4", Frame("mp3", 418, 1152, 44_100, 1, 17)),
        ("fffa9044", Frame("mp3", 417, 1152, 44_100, 2, 34)),  # with a check sum
        ("fff35044", Frame("mp3", 130, 576, 22_050, 2, 17)),
        ("fffda404", Frame("mp2", 576, 1152, 48_000, 2, 32)),
        ("ffff9004", Frame("mp1", 312, 384, 44_100, 2, 32)),
        ("fffb0044", Frame("mp3", 0, 1152, 44_100, 2, 32)),  # of free format
    ],
)
def test_headers_of_mpeg_audio(header: str, wanted: Frame) -> None:
    assert mpeg_frame(bytes.fromhex(header)) == wanted
    assert mpeg_frame_bytes(bytes.fromhex(header)) == wanted.length


@pytest.mark.parametrize(
    "header", ["fffbf044", "fffb9c44", "ffeb9044", "fff99044", "fe009044", "fffb"]
)
def test_reserved_values_are_no_header(header: str) -> None:
    assert mpeg_frame(bytes.fromhex(header)) is None


def test_a_header_of_adts() -> None:
    header = bytes.fromhex("fff14c8017fffc")
    assert adts_frame(header) == Frame("aac", 191, 1024, 48_000, 2)
    assert adts_frame_bytes(header) == 191
    assert adts_frame(header[:6]) is None
    assert mpeg_frame(header) is None


def test_free_format_repeats_at_one_distance() -> None:
    frame = bytes.fromhex("fffb04c0") + bytes(396)
    assert free_format_bytes(frame * 5) == 400
    padded = bytes.fromhex("fffb06c0") + bytes(397)
    assert free_format_bytes((frame + padded) * 3) == 400
    assert free_format_bytes(frame + bytes(5000)) == 0
    assert free_format_bytes(bytes.fromhex("fffb9044") * 1000) == 0

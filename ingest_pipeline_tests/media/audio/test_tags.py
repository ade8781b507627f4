import struct

import pytest

from ingest_pipeline.media.audio.tags import (
    MOST_CHARS,
    MOST_TAGS,
    id3v1_texts,
    id3v2_texts,
    vorbis_comments,
)
from ingest_pipeline_tests.media.sounds import id3v2, id3v2_text


def comments(*texts: str) -> bytes:
    parts = ("vendor", *texts)
    packed = [struct.pack("<I", len(text.encode())) + text.encode() for text in parts]
    return packed[0] + struct.pack("<I", len(texts)) + b"".join(packed[1:])


def test_vorbis_comments_have_names_in_lower_case_and_no_pictures() -> None:
    found = vorbis_comments(comments("TITLE=Füße", "Artist=a=b", "METADATA_BLOCK_PICTURE=AAAA"))
    assert found == {"encoder": "vendor", "title": "Füße", "artist": "a=b"}


def test_of_a_flood_some_are_kept_and_of_long_ones_the_beginning() -> None:
    found = vorbis_comments(comments(*(f"n{n}={'x' * 3000}" for n in range(100))))
    assert len(found) == MOST_TAGS
    assert {len(text) for name, text in found.items() if name != "encoder"} == {MOST_CHARS}


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_what_is_cut_off_is_left_out(cut: int) -> None:
    whole = comments("title=a", "artist=b")
    assert vorbis_comments(whole[:cut]).items() <= vorbis_comments(whole).items() | {
        ("encoder", whole[4:cut].decode(errors="replace"))
    }


@pytest.mark.parametrize(
    ("encoding", "codec"), [(0, "latin-1"), (1, "utf-16"), (2, "utf-16-be"), (3, "utf-8")]
)
def test_id3_texts_of_every_encoding(encoding: int, codec: str) -> None:
    body = bytes([encoding]) + "Füße".encode(codec)
    frame = b"TIT2" + struct.pack(">I", len(body)) + bytes(2) + body
    assert id3v2_texts(id3v2(200, frame, id3v2_text(b"TPE1", "me"))) == {
        "title": "Füße",
        "artist": "me",
    }


def test_id3_of_its_second_version_has_short_names() -> None:
    body = b"\0Old"
    tag = b"ID3\x02\0\0\0\0\0\x20" + b"TT2" + len(body).to_bytes(3, "big") + body
    assert id3v2_texts(tag) == {"title": "Old"}


def test_pictures_are_passed_over() -> None:
    picture = b"APIC" + struct.pack(">I", 1000) + bytes(2 + 1000)
    assert id3v2_texts(id3v2(2000, picture, id3v2_text(b"TALB", "Album"))) == {"album": "Album"}


def test_id3v1() -> None:
    tag = struct.pack("3s30s30s30s4s31x", b"TAG", b"Title", b"Artist", b"", b"1999")
    assert id3v1_texts(tag) == {"title": "Title", "artist": "Artist", "date": "1999"}

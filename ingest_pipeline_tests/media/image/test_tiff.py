import io
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.media.image.reader import ImageReader
from ingest_pipeline.media.image.tiff import missing_page, raw_container
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.media.probe import probe
from ingest_pipeline_tests.media import pictures
from ingest_pipeline_tests.media.pictures import corner, encoded

SUBFILE_TYPE, PHOTOMETRIC, MAKE, SUB_DIRECTORIES, DNG_VERSION = 254, 262, 271, 330, 0xC612
RGB, MOSAIC, LINEAR_RAW = 2, 32803, 34892
LONG, ASCII = 4, 2

Tags = Mapping[int, int | bytes]


def directory(at: int, tags: Tags, following: int = 0, order: str = "<") -> bytes:
    """A directory that stands at a byte, and its texts behind it."""
    entries, texts = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            place = behind + len(texts)
            entries += struct.pack(f"{order}HHII", tag, ASCII, len(value), place)
            texts += value
        else:
            entries += struct.pack(f"{order}HHII", tag, LONG, 1, value)
    return (
        struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following) + texts
    )


def raw(maker: bytes, inner: Tags, order: str = "<", **first: int) -> bytes:
    """A thumbnail that a decoder can show, and the photo in a directory below it."""
    image = encoded(corner(), "TIFF", big_endian=order == ">")
    at = len(image) + len(image) % 2
    tags: dict[int, int | bytes] = {
        256: 64,
        257: 48,
        258: 8,
        259: 1,
        PHOTOMETRIC: RGB,
        MAKE: maker,
        273: 8,
        277: 3,
        278: 48,
        279: 64 * 48 * 3,
        SUB_DIRECTORIES: at + 2000,
        SUBFILE_TYPE: first.get("subfile_type", 1),
    }
    tags |= {DNG_VERSION: 0x01040000} if first.get("is_dng") else {}
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}I", at)
    head += bytes(at - len(head)) + directory(at, tags, order=order)
    return head + bytes(at + 2000 - len(head)) + directory(at + 2000, inner, order=order)


def found_in(content: bytes) -> str | None:
    return raw_container(io.BytesIO(content), len(content))


@pytest.mark.parametrize(
    ("content", "container"),
    [
        (raw(b"NIKON CORPORATION\0", {PHOTOMETRIC: MOSAIC}, ">"), "nef"),
        (raw(b"SONY\0\0\0\0", {PHOTOMETRIC: MOSAIC}), "arw"),
        (raw(b"PENTAX\0\0", {PHOTOMETRIC: MOSAIC}), "pef"),
        (raw(b"SAMSUNG\0", {PHOTOMETRIC: MOSAIC}), "srw"),
        (raw(b"Hasselblad\0", {PHOTOMETRIC: MOSAIC}), "3fr"),
        (raw(b"Nobody knows\0", {PHOTOMETRIC: MOSAIC}), "raw"),
        (raw(b"NIKON CORPORATION\0", {PHOTOMETRIC: LINEAR_RAW}, is_dng=1), "dng"),
        (raw(b"Google\0\0", {PHOTOMETRIC: MOSAIC}, ">", is_dng=1), "dng"),
        # the same arrangement, whatever the photo below is coded as
        (raw(b"SONY\0\0\0\0", {PHOTOMETRIC: RGB}), "arw"),
    ],
)
def test_the_thumbnail_of_a_raw_photo_is_not_taken_for_it(content: bytes, container: str) -> None:
    with ImageReader() as images:
        found = probe(io.BytesIO(content), len(content), images=images)
    assert found == Probe(kind=Kind.IMAGE, container=container, probed=False)


@pytest.mark.parametrize(
    "content",
    [
        encoded(corner(), "TIFF", exif=pictures.exif({pictures.MAKE: "NIKON CORPORATION"})),
        encoded(corner(), "TIFF", compression="tiff_lzw"),
        encoded(corner(), "TIFF", big_tiff=True),
        encoded(corner(), "TIFF", save_all=True, append_images=[corner()]),
        raw(b"SONY\0\0\0\0", {PHOTOMETRIC: RGB}, subfile_type=0),  # smaller ones lie below
        b"II*\0",
        b"II*\0" + bytes(12),
        b"MM\0*" + b"\xff" * 12,
        pictures.tiff_of_absurd_strips(),
    ],
)
def test_a_plain_tiff_is_none(content: bytes) -> None:
    assert found_in(content) is None


def pages(*nexts: int, order: str = "<") -> bytes:
    """Directories of nothing but a size, 100 bytes apart; of each where it says the next one is."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    content = magic + struct.pack(f"{order}I", 100)
    for number, following in enumerate(nexts, start=1):
        content += bytes(100 * number - len(content))
        content += directory(100 * number, {256: 5, 257: 5}, following, order)
    return content + bytes(100)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (pages(0), None),
        (pages(200, 300, 0), None),
        (pages(200, 300, 0, order=">"), None),
        (pages(200, 100), None),  # a ring
        (pages(200, 5000), "page 3 begins at byte 5000, the file has 330"),
        (pages(200, 0)[:-120], "page 2 begins at byte 200, the file has 210"),
        (pages(0)[:-100], None),
        (pages(0)[:-104], None),  # without the pointer to a next one
    ],
)
def test_the_chain_of_pages_is_followed(content: bytes, missing: str | None) -> None:
    assert missing_page(io.BytesIO(content), len(content)) == missing


@pytest.mark.parametrize(
    "options", [{"big_tiff": True}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}]
)
def test_a_whole_tiff_lacks_no_page(options: Mapping[str, object]) -> None:
    content = encoded(corner(), "TIFF", save_all=True, append_images=[corner()] * 3, **options)
    assert missing_page(io.BytesIO(content), len(content)) is None
    half = content[: len(content) // 2]
    assert missing_page(io.BytesIO(half), len(half))


@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"]))
def test_no_bytes_raise(content: bytes, magic: bytes) -> None:
    found_in(magic + content)
    missing_page(io.BytesIO(magic + content), len(magic + content))


@given(st.data())
def test_no_damage_raises(draw: st.DataObject) -> None:
    content = bytearray(raw(b"SONY\0\0\0\0", {PHOTOMETRIC: MOSAIC}))
    for at in draw.draw(st.lists(st.integers(9000, len(content) - 1), max_size=8)):
        content[at] = draw.draw(st.integers(0, 255))
    found_in(bytes(content))
    missing_page(io.BytesIO(content), len(content))

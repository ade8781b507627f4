import importlib.util
import io
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from ingest_pipeline.media.image import reader as image_module
from ingest_pipeline.media.image.reader import (
    CHILD_PROGRAM,
    FORMATS,
    MOST_BYTES,
    ImageError,
    ImageReader,
    ImageReaderError,
    Picture,
    warm_reader,
)
from ingest_pipeline.media.model import ImageInfo, Kind, Probe
from ingest_pipeline.media.sandbox import worker
from ingest_pipeline.media.sandbox.child import LimitedChild
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media import pictures
from ingest_pipeline_tests.media.pictures import (
    BLUE,
    RED,
    WHITE,
    corner,
    encoded,
    exif,
    lying,
    photo,
)

Colour = tuple[int, ...]


@pytest.fixture(scope="module")
def reader() -> Iterator[ImageReader]:
    with ImageReader() as reader:
        yield reader


def probed(reader: ImageReader, content: bytes, container: str = "jpeg") -> Probe:
    return reader.probe(io.BytesIO(content), len(content), container)


def info(reader: ImageReader, content: bytes, container: str = "jpeg") -> ImageInfo:
    found = probed(reader, content, container)
    assert (found.faults, found.warnings) == ((), ())
    assert found.image is not None
    return found.image


def faults(reader: ImageReader, content: bytes, container: str = "jpeg") -> list[str]:
    found = probed(reader, content, container)
    assert found.image is None
    return [f"{fault.rule}: {fault.found}" for fault in found.faults]


def picture_of(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data), formats=["WEBP"])
    assert image.size == (picture.width, picture.height)
    return image.convert("RGB")


def is_near(found: object, wanted: Colour, distance: int = 12) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) <= distance for one, other in zip(found, wanted, strict=True))


def children() -> list[psutil.Process]:
    return [child for child in own_children() if CHILD_PROGRAM in child.cmdline()]


# --- what is found --------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_every_format_is_probed(reader: ImageReader, format_: str) -> None:
    found = info(reader, encoded(photo(), format_), format_.lower())
    assert found == ImageInfo(width=640, height=480, mode="P" if format_ == "GIF" else "RGB")
    assert format_.lower() in FORMATS


def test_real_photos_are_sound(reader: ImageReader) -> None:
    for package, within in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        folder = Path(spec.submodule_search_locations[0]) / within
        paths = sorted(folder.glob("*.jpg")) + sorted(folder.glob("*.png"))
        assert paths
        for path in paths:
            container = {".jpg": "jpeg", ".png": "png"}[path.suffix]
            assert info(reader, path.read_bytes(), container).pixels > 1000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("format_", "compression"),
    [
        ("JPEG", None),
        ("PNG", None),
        ("WEBP", None),
        ("AVIF", None),
        ("TIFF", None),
        ("TIFF", "tiff_lzw"),
        ("TIFF", "jpeg"),
    ],
)
def test_an_image_is_upright_whatever_its_orientation(
    reader: ImageReader, format_: str, orientation: int, compression: str | None
) -> None:
    tags = exif({pictures.ORIENTATION: orientation})
    content = encoded(lying(orientation), format_, exif=tags, compression=compression)
    found = info(reader, content, format_.lower())
    assert (found.width, found.height, found.orientation) == (64, 48, orientation)
    picture = picture_of(reader.thumbnail(content))
    assert picture.size == (64, 48)
    assert is_near(picture.getpixel((5, 5)), RED, 20)
    assert all(is_near(picture.getpixel(at), BLUE, 20) for at in ((58, 5), (5, 42), (58, 42)))
    pixels = Image.frombytes("RGB", (64, 64), reader.pixels(content, 64))
    assert is_near(pixels.getpixel((5, 5)), RED, 20)
    assert is_near(pixels.getpixel((58, 58)), BLUE, 20)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_that_means_nothing_is_none(
    reader: ImageReader, format_: str, orientation: int
) -> None:
    content = encoded(corner(), format_, exif=exif({pictures.ORIENTATION: orientation}))
    assert info(reader, content, format_.lower()) == ImageInfo(width=64, height=48, mode="RGB")
    assert is_near(picture_of(reader.thumbnail(content)).getpixel((5, 5)), RED, 20)


def test_capture_time_and_camera_are_told_and_the_place_never_is(reader: ImageReader) -> None:
    tags = pictures.located()
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        content = encoded(photo(), format_, exif=tags)
        assert Image.open(io.BytesIO(content)).getexif().get_ifd(pictures.GPS_IFD)
        found = probed(reader, content, format_.lower())
        assert found == Probe(
            kind=Kind.IMAGE,
            container=format_.lower(),
            image=ImageInfo(
                width=640,
                height=480,
                mode="RGB",
                captured_at="2026-03-01T12:30:59",
                camera="Canon EOS 5D",
            ),
        )
        picture = Image.open(io.BytesIO(reader.thumbnail(content).data))
        assert (dict(picture.getexif()), picture.info.keys() & {"exif", "xmp"}) == ({}, set())


@pytest.mark.parametrize(
    ("taken", "offset", "wanted"),
    [
        ("2026:03:01 12:30:59", None, "2026-03-01T12:30:59"),
        ("2026:03:01 12:30:59", "+02:00", "2026-03-01T12:30:59+02:00"),
        ("2026:03:01 12:30:59", "-11:30", "2026-03-01T12:30:59-11:30"),
        ("2026:03:01 12:30:59", "+99:99", "2026-03-01T12:30:59"),
        ("2026:03:01 12:30:59", "CET", "2026-03-01T12:30:59"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("", None, None),
    ],
)
def test_the_capture_time_is_iso(
    reader: ImageReader, taken: str, offset: str | None, wanted: str | None
) -> None:
    own = {pictures.TAKEN_AT: taken} | ({pictures.TAKEN_AT_OFFSET: offset} if offset else {})
    content = encoded(corner(), "JPEG", exif=exif(own=own))
    assert info(reader, content).captured_at == wanted


@pytest.mark.parametrize("taken", ["2026:13:45 99:00:00", "yesterday", "2026-03-01 12:30:59"])
def test_a_capture_time_that_is_no_date_is_a_warning(reader: ImageReader, taken: str) -> None:
    found = probed(
        reader, encoded(corner(), "JPEG", exif=exif(own={pictures.TAKEN_AT: f"{taken}\0\n"}))
    )
    assert (found.faults, found.warnings) == ((), (f"capture time {taken} is no date",))
    assert found.image is not None
    assert found.image.captured_at is None


@pytest.mark.parametrize(
    ("make", "model", "wanted"),
    [
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        ("  samsung\0junk", "SM-G991B \n", "samsung SM-G991B"),
        ("Kodak", "", "Kodak"),
        ("", "\x01\x02", None),
        ("x" * 5000, "y", "x" * 100 + " y"),
    ],
)
def test_the_camera_is_named_once(
    reader: ImageReader, make: str, model: str, wanted: str | None
) -> None:
    tags = exif({pictures.MAKE: make, pictures.MODEL: model})
    assert info(reader, encoded(corner(), "JPEG", exif=tags)).camera == wanted


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_exif_that_is_garbage_costs_the_image_nothing(reader: ImageReader, garbage: bytes) -> None:
    content = encoded(corner(), "JPEG", exif=garbage)
    found = probed(reader, content)
    assert found.faults == ()
    assert found.image == ImageInfo(width=64, height=48, mode="RGB")
    assert reader.thumbnail(content).width == 64


def test_frames_are_counted_and_the_first_is_shown(reader: ImageReader) -> None:
    frames = [corner(), Image.new("RGB", (64, 48), pictures.GREEN), corner().rotate(180)]
    for format_ in ("GIF", "WEBP", "TIFF", "PNG", "AVIF"):
        content = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
        assert info(reader, content, format_.lower()).frames == 3
        assert is_near(picture_of(reader.thumbnail(content)).getpixel((5, 5)), RED, 20)


def test_the_second_picture_of_a_jpeg_is_no_frame(reader: ImageReader) -> None:
    content = encoded(corner(), "MPO", save_all=True, append_images=[corner()])
    assert info(reader, content).frames == 1


# --- what is odd ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_whole(reader: ImageReader, cut: int) -> None:
    content = encoded(photo(), "JPEG", quality=90)[:-cut]
    found = probed(reader, content)
    assert (found.faults, found.warnings) == ((), ("the marker of the image's end is missing",))
    assert found.image == ImageInfo(width=640, height=480, mode="RGB")
    whole = encoded(photo(), "JPEG", quality=90)
    assert reader.pixels(content) == reader.pixels(whole)
    assert reader.thumbnail(content) == reader.thumbnail(whole)


TRAILERS = [
    pictures.samsungs_trailer(b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1400000000000"),
    # as of a film and its pictures, in which a decoder finds markers
    pictures.samsungs_trailer(
        bytes(range(256)) * 40, b"\xff\xd8\xff\xe0" + bytes(30) + b"\xff\xd9"
    ),
]


@pytest.mark.parametrize("trailer", TRAILERS)
def test_a_panorama_without_an_end_before_its_trailer_is_whole(
    reader: ImageReader, trailer: bytes
) -> None:
    whole = encoded(photo(), "JPEG", quality=90)
    assert info(reader, whole + trailer) == ImageInfo(width=640, height=480, mode="RGB")
    content = whole[:-2] + trailer
    found = probed(reader, content)
    assert (found.faults, found.warnings) == ((), ("the marker of the image's end is missing",))
    assert found.image == ImageInfo(width=640, height=480, mode="RGB")
    assert reader.pixels(content) == reader.pixels(whole)
    assert reader.thumbnail(content) == reader.thumbnail(whole)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("trailer", TRAILERS)
def test_a_trailer_does_not_stand_in_for_what_is_missing(
    reader: ImageReader, trailer: bytes, cut: float
) -> None:
    whole = encoded(photo(), "JPEG", quality=90)
    assert faults(reader, whole[: int(len(whole) * cut)] + trailer)[0].startswith("decodable: ")


@pytest.mark.parametrize(
    "trailer",
    [
        b"SEFT",
        struct.pack("<I", 0) + b"SEFT",
        struct.pack("<I", 2**32 - 1) + b"SEFT",
        b"SEFH" + struct.pack("<III", 106, 2**32 - 1, 12) + b"SEFT",
        b"SEFH" + struct.pack("<IIHHIII", 106, 1, 0, 1, 2**32 - 1, 5, 24) + b"SEFT",
    ],
)
def test_what_is_no_trailer_is_none(reader: ImageReader, trailer: bytes) -> None:
    assert info(reader, encoded(photo(), "JPEG") + trailer).width == 640


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_bitmap_needs_neither_a_file_header_nor_the_right_planes(
    reader: ImageReader, mode: str
) -> None:
    bitmap = encoded(corner(mode), "BMP")
    wanted = info(reader, bitmap, "bmp")
    assert info(reader, bitmap[14:], "dib") == wanted
    assert info(reader, bitmap[:26] + b"\x00\x00" + bitmap[28:], "bmp") == wanted
    assert reader.thumbnail(bitmap[14:]) == reader.thumbnail(bitmap)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_truncated_file_is_refused_in_the_decoders_words(
    reader: ImageReader, format_: str, cut: float
) -> None:
    whole = encoded(photo(), format_)
    content = whole[: int(len(whole) * cut)]
    (fault,) = faults(reader, content, format_.lower())
    assert fault.startswith("decodable: ")
    assert ("truncated" in fault) or format_ in ("WEBP", "AVIF") or cut == 0.1
    with pytest.raises(ImageError, match=fault.removeprefix("decodable: ")[:20]):
        reader.thumbnail(content)
    with pytest.raises(ImageError):
        reader.pixels(content)


def test_a_progressive_jpeg_without_its_end_may_lack_more(reader: ImageReader) -> None:
    content = encoded(photo(), "JPEG", progressive=True)[:-2]
    assert faults(reader, content)[0].startswith("decodable: image file is truncated")


@pytest.mark.parametrize(
    ("mode", "format_", "has_alpha"),
    [
        ("1", "PNG", False),
        ("L", "PNG", False),
        ("L", "JPEG", False),
        ("LA", "PNG", True),
        ("P", "PNG", False),
        ("PA", "TIFF", True),
        ("RGBA", "PNG", True),
        ("CMYK", "JPEG", False),
        ("CMYK", "TIFF", False),
        ("YCbCr", "TIFF", False),
        ("LAB", "TIFF", False),
    ],
)
def test_any_mode_becomes_rgb(
    reader: ImageReader,
    mode: str,
    format_: str,
    has_alpha: bool,  # noqa: FBT001
) -> None:
    is_grey = mode in ("1", "L", "LA")
    content = encoded(corner("L").convert(mode) if is_grey else corner(mode), format_)
    found = info(reader, content, format_.lower())
    assert (found.mode, found.has_alpha) == (mode, has_alpha)
    picture = picture_of(reader.thumbnail(content))
    pixels = Image.frombytes("RGB", (32, 32), reader.pixels(content, 32))
    for image, at in ((picture, (5, 5)), (pixels, (3, 3))):
        assert is_grey or is_near(image.getpixel(at), RED, 30)


def test_sixteen_bits_are_scaled(reader: ImageReader) -> None:
    for format_ in ("PNG", "TIFF"):
        content = encoded(Image.new("I;16", (32, 32), 0x8000), format_)
        assert info(reader, content, format_.lower()).mode == "I;16"
        assert set(reader.pixels(content, 8)) == {127}
        assert is_near(picture_of(reader.thumbnail(content)).getpixel((9, 9)), (128, 128, 128))
    orange = pictures.deep_rgb()
    assert is_near(picture_of(reader.thumbnail(orange)).getpixel((9, 9)), (255, 128, 0))


def test_grey_of_no_fixed_range_is_spread(reader: ImageReader) -> None:
    for mode, dark, bright in (("F", -0.5, 0.5), ("I", 0, 100_000)):
        image = Image.new(mode, (32, 32), dark)
        image.paste(bright, (0, 0, 16, 32))
        content = encoded(image, "TIFF")
        row = reader.pixels(content, 32)[: 32 * 3]
        assert (row[0], row[-1]) == (255, 0)
        flat = encoded(Image.new(mode, (8, 8), bright), "TIFF")
        assert set(reader.pixels(flat, 8)) == {0}


def test_what_is_transparent_lies_on_white(reader: ImageReader) -> None:
    clear = Image.new("RGBA", (64, 48), (255, 0, 0, 0))
    palette = corner("P")
    blue = palette.getpixel((60, 40))
    for content in (
        encoded(clear, "PNG"),
        encoded(clear, "WEBP", lossless=True, exact=True),
        encoded(palette, "PNG", transparency=blue),
        encoded(palette, "GIF", transparency=blue),
    ):
        assert is_near(picture_of(reader.thumbnail(content)).getpixel((60, 40)), WHITE, 3)
        assert reader.pixels(content, 32)[-3:] == bytes(WHITE)


def test_colours_are_those_of_the_profile(reader: ImageReader) -> None:
    """A profile that exchanges nothing gives the same; a broken one is passed over."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile", srgb[:200]):
        content = encoded(corner(), "PNG", icc_profile=profile)
        picture = reader.thumbnail(content)
        assert is_near(picture_of(picture).getpixel((5, 5)), RED, 20)
        assert b"ICCP" not in picture.data
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert reader.thumbnail(encoded(corner(), "PNG", icc_profile=lab)).width == 64


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1, 1), (1, 1)),
        ((2, 300), (2, 300)),
        ((640, 480), (320, 240)),
        ((480, 640), (240, 320)),
        ((30_000, 10), (320, 1)),
        ((10, 30_000), (1, 320)),
    ],
)
def test_a_thumbnail_fits_and_is_never_enlarged(
    reader: ImageReader, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    for format_ in ("JPEG", "PNG"):
        content = encoded(photo(size), format_)
        found = info(reader, content, format_.lower())
        assert (found.width, found.height) == size
        picture = reader.thumbnail(content)
        assert (picture.width, picture.height) == wanted
        assert picture.content_type == "image/webp"
        assert len(picture.data) < 10_000
        assert len(reader.pixels(content)) == 224 * 224 * 3


def test_the_pixels_are_the_middle(reader: ImageReader) -> None:
    image = Image.new("RGB", (400, 256), BLUE)
    image.paste(RED, (88, 16, 312, 240))  # 224 of 256, as the shorter side is
    pixels = Image.frombytes("RGB", (224, 224), reader.pixels(encoded(image, "PNG")))
    assert pixels.getcolors() == [(224 * 224, RED)]


def animated(format_: str, frames: int = 6) -> bytes:
    images = [photo((320, 240)).rotate(20 * number) for number in range(frames)]
    return encoded(images[0], format_, save_all=True, append_images=images[1:])


@pytest.mark.parametrize(
    ("format_", "cut", "found", "wanted"),
    [
        ("GIF", 0.6, "the file ends within frame 4", "a GIF that ends with its trailer"),
        ("GIF", 0.99, "the file ends within frame 6", "a GIF that ends with its trailer"),
        ("PNG", 0.6, "the file ends within frame 4", "all of its 6 frames"),
        ("PNG", 0.99, "the file ends within frame 6", "all of its 6 frames"),
        ("TIFF", 0.6, r"page 4 ends at byte \d+, the file at \d+", "all of its pages"),
        ("TIFF", 0.99, r"page 6 ends at byte \d+, the file at \d+", "all of its pages"),
    ],
)
def test_frames_that_are_missing_are_told(
    reader: ImageReader, format_: str, cut: float, found: str, wanted: str
) -> None:
    whole = animated(format_)
    assert info(reader, whole, format_.lower()).frames == 6
    result = probed(reader, whole[: int(len(whole) * cut)], format_.lower())
    (fault,) = result.faults
    assert (fault.rule, fault.wanted) == ("complete", wanted)
    assert re.fullmatch(found, str(fault.found))
    assert result.image is not None
    assert result.image.decoded_frames == 1


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_others_are_not_even_opened_when_frames_are_missing(
    reader: ImageReader, format_: str
) -> None:
    whole = animated(format_)
    assert info(reader, whole, format_.lower()).frames == 6
    assert faults(reader, whole[: int(len(whole) * 0.6)], format_.lower())


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (animated("GIF")[:-1], 6),
        (encoded(photo(), "GIF")[:-1], 1),
        (encoded(photo(), "GIF")[:-2], 1),  # the picture is whole
        (animated("PNG")[:-12], 6),
        (encoded(photo(), "PNG")[:-12], 1),
    ],
)
def test_the_mark_of_the_end_alone_is_a_warning(
    reader: ImageReader, content: bytes, frames: int
) -> None:
    container = "gif" if content.startswith(b"GIF") else "png"
    found = probed(reader, content, container)
    assert (found.faults, found.warnings) == ((), ("the marker of the image's end is missing",))
    assert found.image is not None
    assert found.image.frames == frames


def test_what_follows_the_end_is_nothing_to_it(reader: ImageReader) -> None:
    for format_ in ("GIF", "PNG", "TIFF"):
        assert info(reader, animated(format_) + b"!,;" * 99, format_.lower()).frames == 6


def test_an_animation_of_fewer_frames_than_it_says_is_odd(reader: ImageReader) -> None:
    whole = animated("PNG")
    more = pictures.png_chunk(b"acTL", struct.pack(">II", 7, 0))
    at = whole.index(b"acTL") - 4
    found = probed(reader, whole[:at] + more + whole[at + len(more) :], "png")
    assert (found.faults, found.warnings) == ((), ("6 frames, 7 according to its header",))


# --- what is hostile ------------------------------------------------------------------------------


def test_a_decompression_bomb_is_known_by_its_header_alone(reader: ImageReader) -> None:
    for content, container, side in (
        (pictures.png_bomb(), "png", 30_000),
        (pictures.png_bomb(8_000), "png", 8_000),
        (pictures.gif_of_huge_canvas(), "gif", 65_535),
    ):
        found = probed(reader, content, container)
        assert found.faults == ()
        assert found.image is not None
        assert (found.image.width, found.image.height) == (side, side)
        assert found.image.decoded_frames == 0
        assert found.warnings == (f"not decoded: {side * side} pixels, at most 50000000",)
        with pytest.raises(ImageError, match=str(side * side)):
            reader.thumbnail(content)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_bomb_in_a_comment_is_refused(reader: ImageReader, kind: bytes) -> None:
    content = pictures.text_bomb(kind)
    assert faults(reader, content, "png")[0].startswith("decodable: Decompressed data too large")


def test_a_comment_of_an_editor_is_no_bomb(reader: ImageReader) -> None:
    history = pictures.png_chunk(b"tEXt", b"XML:com.adobe.xmp\0" + b"x" * 4_000_000)
    assert info(reader, pictures.png(20, 20, bytes(21) * 20, history), "png").width == 20


@pytest.mark.parametrize("compression", [1, 5, 7, 8])
def test_absurd_strips_are_refused(reader: ImageReader, compression: int) -> None:
    content = pictures.tiff_of_absurd_strips(compression)
    assert faults(reader, content, "tiff")[0].startswith("decodable: ")


def test_a_tiff_that_wants_more_memory_than_there_may_be_is_refused(reader: ImageReader) -> None:
    huge = {256: (4, 2**31 - 1), 257: (4, 2**31 - 1), 258: (3, 8), 262: (3, 1), 277: (3, 1)}
    found = probed(reader, pictures.tiff(huge), "tiff")
    assert found.faults or found.warnings[0].startswith("not decoded: ")


def test_an_image_that_computes_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "CPU_SECONDS", 1)
    content = pictures.jpeg_of_many_scans()
    assert len(content) < 1_000_000
    with ImageReader() as reader:
        assert "of computing" in faults(reader, content)[0]
        assert info(reader, encoded(corner(), "JPEG")).width == 64


@pytest.mark.parametrize("content", [b"", b"<html>no image</html>", b"<svg/>", b"\xff\xd8\xffjunk"])
def test_what_is_no_image_is_refused(reader: ImageReader, content: bytes) -> None:
    assert faults(reader, content)[0].startswith("decodable: ")
    with pytest.raises(ImageError):
        reader.thumbnail(content)
    with pytest.raises(ImageError):
        reader.pixels(content)


def test_formats_that_were_not_asked_for_are_not_opened(reader: ImageReader) -> None:
    for format_ in ("PPM", "ICO", "JPEG2000", "TGA"):
        assert faults(reader, encoded(corner(), format_)) == ["decodable: not identified"]


def test_a_file_that_is_too_large_is_not_read(reader: ImageReader) -> None:
    found = reader.probe(io.BytesIO(b"never read"), MOST_BYTES + 1, "tiff")
    assert not found.probed
    assert [str(fault) for fault in found.faults] == [
        f"size {MOST_BYTES + 1}, wanted at most {MOST_BYTES} bytes"
    ]
    with pytest.raises(ImageError, match="wanted at most"):
        reader.thumbnail(bytes(MOST_BYTES + 1))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"]), st.data())
def test_no_damage_to_a_file_is_more_than_a_fault(
    reader: ImageReader, format_: str, draw: st.DataObject
) -> None:
    content = bytearray(encoded(corner(), format_, exif=pictures.located()))
    for at in draw.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = draw.draw(st.integers(0, 255))
    found = probed(reader, bytes(content), format_.lower())
    assert Probe.model_validate_json(found.model_dump_json()) == found
    assert (found.image is None) == any(fault.rule == "decodable" for fault in found.faults)


# --- HEIC ----------------------------------------------------------------------------------------


def heic(image: Image.Image, **options: object) -> bytes:
    """What a phone writes; only here is the encoder registered."""
    import pillow_heif  # noqa: PLC0415

    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))]
)
def test_a_heic_is_probed_upright(
    reader: ImageReader, orientation: int, size: tuple[int, int]
) -> None:
    tags = exif({pictures.ORIENTATION: orientation, pictures.MAKE: "Apple"})
    content = heic(corner(), exif=tags.tobytes())
    found = info(reader, content, "heic")
    assert (found.width, found.height) == size
    assert (found.mode, found.frames, found.camera) == ("RGB", 1, "Apple")
    assert picture_of(reader.thumbnail(content)).size == size


def test_the_colours_of_a_heic_are_right(reader: ImageReader) -> None:
    picture = picture_of(reader.thumbnail(heic(corner())))
    assert is_near(picture.getpixel((5, 5)), RED, 20)
    assert is_near(picture.getpixel((58, 42)), BLUE, 20)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_heic_that_is_cut_is_refused(reader: ImageReader, kept: float) -> None:
    content = heic(photo())
    (fault,) = faults(reader, content[: int(len(content) * kept)], "heic")
    assert re.fullmatch("decodable: .+", fault)


def test_a_heif_of_a_codec_that_is_not_known_is_kept(reader: ImageReader) -> None:
    content = encoded(corner(), "AVIF", speed=10).replace(b"ftypavif", b"ftypmif1", 1)
    assert probed(reader, content.replace(b"avif", b"heic", 1), "heic") == Probe(
        kind=Kind.IMAGE, container="heic", probed=False
    )


def test_a_heic_is_kept_where_nothing_reads_it(tmp_path: Path) -> None:
    program = tmp_path / "child.py"
    program.write_text(
        "import sys\n"
        "from ingest_pipeline.media.image import reader_child\n"
        "sys.modules['pillow_heif'] = None\n"
        "reader_child.main()\n"
    )
    with ImageReader(program=program) as reader:
        found = probed(reader, heic(corner()), "heic")
        assert found == Probe(kind=Kind.IMAGE, container="heic", probed=False)
        assert info(reader, encoded(corner(), "JPEG")).width == 64


# --- the child ------------------------------------------------------------------------------------


def test_what_this_pillow_does_not_know_is_not_held_against_a_file(tmp_path: Path) -> None:
    program = tmp_path / "child.py"
    program.write_text(
        "from PIL import AvifImagePlugin\n"
        "from ingest_pipeline.media.image import reader_child\n"
        "AvifImagePlugin.SUPPORTED = False\n"
        "reader_child.main()\n"
    )
    content = encoded(corner(), "AVIF", speed=10)
    with ImageReader(program=program) as reader:
        found = probed(reader, content, "avif")
        assert found == Probe(kind=Kind.IMAGE, container="avif", probed=False)
        assert info(reader, encoded(corner(), "JPEG")).width == 64


def child_with(tmp_path: Path, body: str) -> Path:
    """The child's own program, but for what it does to make a small picture."""
    program = tmp_path / "child.py"
    program.write_text(
        f"import os, signal, sys, time\n"
        f"from ingest_pipeline.media.image import reader_child\n"
        f"tiny = reader_child.ANSWERS['tiny']\n"
        f"def misbehave(content, box):\n    {body}\n    return tiny(content, box)\n"
        f"reader_child.ANSWERS['tiny'] = misbehave\n"
        f"reader_child.main()\n"
    )
    return program


PHOTO = encoded(photo((64, 48)), "JPEG")


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", ImageError, "the decoder crashed (SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", ImageError, "not decoded after 20 s"),
        ("bytearray(2 * 10**9)", ImageError, "more memory than a picture may take"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ImageReaderError, "ended with -9"),
        ("os._exit(3)", ImageReaderError, "ended with 3"),
        ("time.sleep(99)", ImageReaderError, "no answer in 1 s"),
        ("os.write(3, bytes(8) * 99)", ImageReaderError, "ended with"),
        ("os.write(3, b'\\xff' * 8); time.sleep(0.2)", ImageReaderError, "an answer of"),
    ],
)
def test_whose_doing_it_was_is_told(
    tmp_path: Path, body: str, error: type[Exception], words: str
) -> None:
    with ImageReader(seconds=1.0, program=child_with(tmp_path, body)) as reader:
        with pytest.raises(error) as caught:
            reader.thumbnail(PHOTO)
        assert words in str(caught.value)
        assert len(reader.pixels(PHOTO, 8)) == 8 * 8 * 3


@pytest.mark.parametrize("sig", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_what_kills_one_child_is_tried_with_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sig: int
) -> None:
    """A child can leave nothing behind, so what ends the first one leaves the mark for it."""
    mark = tmp_path / "been here"
    body = f"os.path.exists({str(mark)!r}) or os.kill(os.getpid(), {int(sig)})"

    class Marked(LimitedChild):
        def close(self) -> int:
            mark.touch()
            return super().close()

    monkeypatch.setattr(worker, "LimitedChild", Marked)
    with ImageReader(program=child_with(tmp_path, body)) as reader:
        assert reader.thumbnail(PHOTO).width == 64
    assert mark.exists()


def test_a_child_that_cannot_start_is_a_passing_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImageReader(program=tmp_path / "missing.py") as reader, pytest.raises(ImageReaderError):
        reader.pixels(PHOTO)
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with ImageReader() as reader, pytest.raises(ImageReaderError, match="could not start"):
        probed(reader, PHOTO)


def test_one_child_serves_all_threads_and_is_gone_after() -> None:
    before = children()
    with ImageReader() as reader:
        assert children() == before

        def work(side: int) -> None:
            for _ in range(5):
                sizes.add((side, info(reader, encoded(photo((side, 9)), "PNG"), "png").width))

        sizes: set[tuple[int, int]] = set()
        threads = [threading.Thread(target=work, args=(side,)) for side in range(10, 26)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sizes == {(side, side) for side in range(10, 26)}
        assert len(children()) == len(before) + 1
    assert children() == before


def test_a_child_killed_between_two_images_is_replaced() -> None:
    before = children()
    with ImageReader() as reader:
        first = reader.pixels(PHOTO)
        (child,) = [child for child in children() if child not in before]
        os.kill(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while child in children() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert reader.pixels(PHOTO) == first


# --- one that stays -------------------------------------------------------------------------------


@pytest.fixture
def started() -> Callable[[], list[int]]:
    """The ids of children that the test started, and that live."""
    before = children()
    return lambda: [child.pid for child in children() if child not in before]


def test_the_reader_of_a_process_keeps_its_child(started: Callable[[], list[int]]) -> None:
    assert warm_reader() is warm_reader()
    assert started() == []
    warm_reader().thumbnail(PHOTO)
    first = started()
    assert len(first) == 1
    warm_reader().pixels(PHOTO)
    assert started() == first
    warm_reader().close()
    assert started() == []
    assert warm_reader().pixels(PHOTO), "closed is not gone"


def test_what_could_not_be_decoded_leaves_nothing_behind(
    started: Callable[[], list[int]],
) -> None:
    warm_reader().thumbnail(PHOTO)
    before = started()
    with pytest.raises(ImageError):
        warm_reader().thumbnail(PHOTO[:200])
    assert started() == []
    warm_reader().thumbnail(PHOTO)
    assert len(started()) == 1
    assert started() != before


def test_a_child_that_stays_is_replaced_in_time(
    monkeypatch: pytest.MonkeyPatch, started: Callable[[], list[int]]
) -> None:
    monkeypatch.setattr(image_module, "_MOST_WARM", 3)
    with ImageReader(is_warm=True) as reader:
        served = []
        for _ in range(6):
            reader.pixels(PHOTO, 8)
            served.append(len(started()))
    assert served == [1, 1, 0, 1, 1, 0]


def test_the_child_of_a_process_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PHOTO)
    program = (
        "from pathlib import Path; import psutil, sys\n"
        "from ingest_pipeline.media.image.reader import warm_reader\n"
        "warm_reader().pixels(Path(sys.argv[1]).read_bytes())\n"
        "print(*(child.pid for child in psutil.Process().children()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, tmp_path / "photo"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not psutil.pid_exists(int(ended.stdout))
    assert (ended.stderr, [path.name for path in tmp_path.iterdir()]) == ("", ["photo"])


def test_a_fork_has_a_reader_of_its_own(started: Callable[[], list[int]]) -> None:
    warm_reader().pixels(PHOTO)
    before = started()
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            with warm_reader() as reader:
                reader.pixels(PHOTO)
                os.write(write, b"%d" % len(children()))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    assert os.read(read, 9) == b"1"
    os.close(read)
    warm_reader().pixels(PHOTO)
    assert started() == before


def test_the_largest_images_fit_in_the_childs_memory(reader: ImageReader) -> None:
    huge = Image.new("RGBA", (8190, 6100))
    tags = exif({pictures.ORIENTATION: 6})
    for content, container in (
        (encoded(huge, "WEBP", lossless=True, method=0, exif=tags), "webp"),
        (encoded(huge, "PNG", exif=tags, compress_level=1), "png"),
    ):
        found = info(reader, content, container)
        assert (found.width, found.height) == (6100, 8190)
        assert (reader.thumbnail(content).width, set(reader.pixels(content, 8))) == (238, {255})

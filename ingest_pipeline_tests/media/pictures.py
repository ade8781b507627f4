"""Images for the tests: sound ones, odd ones, and some that were made to do harm."""

import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

ORIENTATION, MAKE, MODEL = 0x0112, 0x010F, 0x0110
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
TAKEN_AT, TAKEN_AT_OFFSET = 0x9003, 0x9011
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def corner(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Blue, but for the upper left quarter, which is red."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    return image.convert(mode)


def photo(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Something with detail all over, the same every time."""
    gradient = Image.radial_gradient("L").resize(size)
    noise = Image.linear_gradient("L").resize(size).rotate(45)
    return Image.merge("RGB", (gradient, noise, Image.linear_gradient("L").resize(size)))


def exif(
    main: Mapping[int, object] | None = None,
    own: Mapping[int, object] | None = None,
    gps: Mapping[int, object] | None = None,
) -> Image.Exif:
    tags = Image.Exif()
    tags.update(main or {})
    for ifd, values in ((EXIF_IFD, own), (GPS_IFD, gps)):
        if values:
            tags.get_ifd(ifd).update(values)
            tags[ifd] = tags.get_ifd(ifd)  # or Pillow leaves it out of a TIFF
    return tags


def located() -> Image.Exif:
    """EXIF that tells where a picture was taken."""
    degrees = tuple(IFDRational(n) for n in (48, 51, 29))
    return exif(
        {MAKE: "Canon", MODEL: "Canon EOS 5D"},
        {TAKEN_AT: "2026:03:01 12:30:59"},
        {1: "N", 2: degrees, 3: "E", 4: degrees},
    )


def lying(orientation: int) -> Image.Image:
    """What a camera that was held so stores of `corner`."""
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = corner()
    return image.transpose(stored[orientation]) if orientation in stored else image


# --- PNG by hand ----------------------------------------------------------------------------------


def png_chunk(name: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png(
    width: int,
    height: int,
    rows: bytes,
    *chunks: bytes,
    bits: int = 8,
    colour: int = 0,
) -> bytes:
    """A PNG of these rows, each with its filter byte; `colour` 0 is grey, 2 RGB, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [
        png_chunk(b"IHDR", header),
        *chunks,
        png_chunk(b"IDAT", zlib.compress(rows)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_bomb(side: int = 30_000) -> bytes:
    """A hundred kB that are 900 megapixels."""
    return png(side, side, bytes(1 + (side + 7) // 8) * side, bits=1)


def text_bomb(kind: bytes) -> bytes:
    """A PNG of one pixel whose comment is 64 MB."""
    start = b"Comment\x00" + (b"\x00" if kind == b"zTXt" else b"\x01\x00\x00\x00")
    return png(1, 1, bytes(2), png_chunk(kind, start + zlib.compress(b"A" * 2**26, 9)))


def deep_rgb(width: int = 32, height: int = 32) -> bytes:
    """A PNG of 16 bits a colour, all of it orange."""
    row = b"\x00" + struct.pack(">HHH", 0xFFFF, 0x8000, 0) * width
    return png(width, height, row * height, bits=16, colour=2)


# --- others by hand -------------------------------------------------------------------------------


def gif_of_huge_canvas(side: int = 65_535) -> bytes:
    """One pixel on a canvas of 4 gigapixels."""
    screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return screen + frame + b"\x3b"


def tiff(tags: Mapping[int, tuple[int, int]]) -> bytes:
    """A TIFF of nothing but tags: of each its type (3 short, 4 long) and its value."""
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items())
    )
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff_of_absurd_strips(compression: int = 1) -> bytes:
    """A TIFF of 10 x 10 whose one strip lies beyond the file and is 4 GB long."""
    return tiff(
        {
            256: (4, 10),
            257: (4, 10),
            258: (3, 8),
            259: (3, compression),
            262: (3, 1),
            273: (4, 0x7FFF_FFFF),
            277: (3, 1),
            278: (4, 0xFFFF_FFFF),
            279: (4, 0xFFFF_FFFF),
        }
    )


def samsungs_trailer(*blocks: bytes) -> bytes:
    """What Samsung's cameras write behind a picture: blocks, and a directory that counts back."""
    data = b"".join(blocks)
    starts = [sum(map(len, blocks[:number])) for number in range(len(blocks))]
    entries = b"".join(
        struct.pack("<HHII", 0, 0x0A01, len(data) - start, len(block))
        for start, block in zip(starts, blocks, strict=True)
    )
    directory = b"SEFH" + struct.pack("<II", 106, len(blocks)) + entries
    return data + directory + struct.pack("<I", len(directory)) + b"SEFT"


def jpeg_of_many_scans(side: int = 4096, scans: int = 20_000) -> bytes:
    """A progressive JPEG that comes back to all of its blocks in each of its scans."""
    plain = encoded(Image.new("L", (side, side)), "JPEG", progressive=True)
    start = plain.rindex(b"\xff\xda")  # the last scan, which refines
    return plain[:start] + plain[start:-2] * scans + plain[-2:]

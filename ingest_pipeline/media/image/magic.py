"""Pictures that are recognised and not looked into: what Pillow, libraw and their like open.

They are told by their first bytes, so that nobody takes them for no picture at all.
"""

import re
import struct
from collections.abc import Callable
from functools import reduce
from operator import xor


def container_by_magic(head: bytes) -> str | None:
    """Name a picture by a beginning that nothing else has."""
    if name := next((name for magic, name in _MAGICS if head.startswith(magic)), None):
        return name
    return next(
        (
            name
            for magic, at, inner, name in _DOUBLE_MAGICS
            if head.startswith(magic) and head.startswith(inner, at)
        ),
        None,
    )


def container_by_fields(head: bytes, size: int) -> str | None:
    """Name a picture whose magic is weak or none: its fields must fit together."""
    for pattern, name in _TEXTS:
        if pattern.match(head):
            return name
    return next((name for name, fits in _FIELDS if fits(head, size)), None)


_MAGICS = (
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "j2k"),  # JPEG 2000 without boxes
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),  # without boxes
    (b"\xff\xd8\xff\xf7", "jpeg-ls"),
    (b"II\xbc\x01", "jxr"),
    (b"8BPS\x00\x01", "psd"),
    (b"8BPS\x00\x02", "psd"),
    (b"gimp xcf ", "xcf"),
    (b"icns\x00", "icns"),  # the first byte of its length
    (b"BLP1\x00\x00\x00\x00", "blp"),
    (b"BLP1\x01\x00\x00\x00", "blp"),
    (b"BLP2\x01\x00\x00\x00", "blp"),
    (b"DDS \x7c\x00\x00\x00", "dds"),
    (b"\xb1\x68\xde\x3a", "dcx"),
    (b"\x59\xa6\x6a\x95", "sun"),
    (b"\x80\xe8\x00\x00", "pixar"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x04", "mcidas"),
    (b"\xd7\xcd\xc6\x9a\x00\x00", "wmf"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"SIMPLE  =                    T", "fits"),
    (b"v/1\x01", "exr"),
    (b"#?RADIANCE\n", "hdr"),
    (b"SDPX\x00\x00", "dpx"),
    (b"XPDS", "dpx"),
    (b"/* XPM */", "xpm"),
    # What cameras keep of the sensor; those that are laid out as a TIFF are told by its tags.
    (b"FUJIFILMCCD-RAW", "raf"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "crw"),
    (b"IIRO\x08\x00", "orf"),
    (b"IIRS\x08\x00", "orf"),
    (b"MMOR\x00\x00", "orf"),
    (b"IIU\x00", "rw2"),
    (b"\x00MRM", "mrw"),
    (b"FOVb", "x3f"),
)
_DOUBLE_MAGICS = (  # what it begins with, and what stands further in
    (b"II*\x00", 8, b"CR\x02", "cr2"),
    (b"II*\x00", 8, b"IIII", "iiq"),
    (b"MM\x00*", 8, b"MMMM", "iiq"),
    (b"\x00\x00\x00", 20, b"GIMP", "gbr"),
    (b"\x01\x00\x00\x00", 40, b" EMF", "emf"),
    (b"", 2048, b"PCD_", "pcd"),
)

_PNM_GAP = rb"(?:\s|#[^\n]*\n)+"  # each byte in one way, or a hostile head takes for ever
_PNM_SIZE = rb"P[%b]" + _PNM_GAP + rb"\d+" + _PNM_GAP + rb"\d+"
_TEXTS = (
    (re.compile(_PNM_SIZE % b"14" + rb"\s"), "pbm"),
    (re.compile(_PNM_SIZE % b"25" + _PNM_GAP + rb"\d+\s"), "pgm"),
    (re.compile(_PNM_SIZE % b"36" + _PNM_GAP + rb"\d+\s"), "ppm"),
    (re.compile(rb"P7\n(?:#[^\n]*\n)*(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE) "), "pam"),
    (re.compile(_PNM_SIZE % b"Ff" + rb"\s+-?\d"), "pfm"),
    (re.compile(rb"\s*#define\s+\w*_width\s+\d+\s+#define\s+\w*_height\s+\d+\s"), "xbm"),
    (re.compile(rb"%!PS-Adobe-\d\.\d EPSF-"), "eps"),
)


def _is_qoi(head: bytes, _size: int) -> bool:
    return head[:4] == b"qoif" and head[12:14] in (
        b"\x03\x00",
        b"\x03\x01",
        b"\x04\x00",
        b"\x04\x01",
    )


_ICON = struct.Struct("<HHHBBBBHHII")  # reserved, type, count; of the first: ..., length, offset
_CURSOR_TYPE = 2


def _is_icon(head: bytes, size: int, wanted: int = 1) -> bool:
    if len(head) < _ICON.size:
        return False
    reserved, type_, count, _, _, _, zero, *_, length, offset = _ICON.unpack_from(head)
    is_one = (reserved, type_) == (0, wanted) and zero in (0, 255)  # .NET writes 255
    return is_one and count > 0 and length > 0 and 6 + 16 * count <= offset < size


def _is_cursor(head: bytes, size: int) -> bool:
    return _is_icon(head, size, _CURSOR_TYPE)


def _is_msp(head: bytes, _size: int) -> bool:
    """A checksum makes the sixteen words of the header nothing."""
    if head[:4] not in (b"DanM", b"LinS") or len(head) < 32:  # noqa: PLR2004 - its header
        return False
    words: tuple[int, ...] = struct.unpack_from("<16H", head)
    return reduce(xor, words) == 0


def _is_ftex(head: bytes, _size: int) -> bool:
    return head[:4] == b"FTEX" and b"\x00" in head[4:8]


_PCX_VERSIONS, _PCX_BITS = (0, 2, 3, 5), (1, 2, 4, 8)


def _is_pcx(head: bytes, _size: int) -> bool:
    if len(head) < 128 or head[0] != 0x0A or head[1] not in _PCX_VERSIONS:  # noqa: PLR2004 - header
        return False
    left, top, right, bottom = struct.unpack_from("<HHHH", head, 4)
    fits = head[2] == 1 and head[3] in _PCX_BITS and head[64] == 0
    return fits and left <= right and top <= bottom


def _is_sgi(head: bytes, _size: int) -> bool:
    return head[:2] == b"\x01\xda" and head[2:4] in (
        b"\x00\x01",
        b"\x01\x01",
        b"\x00\x02",
        b"\x01\x02",
    )


def _is_fli(head: bytes, _size: int) -> bool:
    """An animation of Autodesk's: its frame header follows at 128."""
    return head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[14:16] in (b"\x00\x00", b"\x03\x00")


_TGA = struct.Struct("<BBBHHBHHHHBB")
_TGA_DEPTHS = {  # by the type of picture: bits of a pixel
    1: (8, 16),
    9: (8, 16),
    2: (16, 24, 32),
    10: (16, 24, 32),
    3: (1, 8, 16),
    11: (1, 8, 16),
}
_TGA_PALETTE_TYPES = (1, 9)
# Bits of alpha, by the depth.
_TGA_ALPHA = {1: (0,), 8: (0, 8), 16: (0, 1, 8), 24: (0,), 32: (0, 8)}


def _is_tga(head: bytes, _size: int) -> bool:
    """It has no magic at its beginning, and need not have one at its end."""
    if len(head) < _TGA.size:
        return False
    _, palette, type_, first, colours, bits, _, _, width, height, depth, flags = _TGA.unpack_from(
        head
    )
    has_palette = palette == 1 and colours > 0 and bits in (15, 16, 24, 32)
    has_none = palette == 0 and (first, colours, bits) == (0, 0, 0)
    return (
        depth in _TGA_DEPTHS.get(type_, ())
        and (has_palette or (has_none and type_ not in _TGA_PALETTE_TYPES))
        and width > 0
        and height > 0
        and flags & 0x0F in _TGA_ALPHA[depth]
        and flags & 0xC0 == 0
    )


_FIELDS: tuple[tuple[str, Callable[[bytes, int], bool]], ...] = (
    ("qoi", _is_qoi),
    ("ico", _is_icon),
    ("cur", _is_cursor),
    ("msp", _is_msp),
    ("ftex", _is_ftex),
    ("pcx", _is_pcx),
    ("sgi", _is_sgi),
    ("fli", _is_fli),
    ("tga", _is_tga),
)

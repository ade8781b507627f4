"""Whether the frames and pages behind the first are all there, told without decoding them.

A decoder shows the first frame of a file that lost the others. How such a file ends tells: a PNG
says how many frames it has and closes with a chunk of its own, a GIF with a trailer, and each
directory of a TIFF names the next one.
"""

import io
import re
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ingest_pipeline.media.image.tiff import missing_page


class Ending(NamedTuple):
    """What is wrong with the end of a file."""

    found: str | None = None  # frames or pages are missing
    wanted: str | None = None
    warning: str | None = None  # the mark of the end alone


_WHOLE = Ending()
_UNMARKED = Ending(warning="the marker of the image's end is missing")


def ending_of(container: str | None, content: bytes) -> Ending:
    """Look at how a file ends whose first frame was decoded; `container` as Pillow names it."""
    look = _LOOKS.get(container or "")
    return look(content) if look else _WHOLE


_PNG_CHUNK = struct.Struct(">I4s")
_PNG_SIGNATURE_BYTES, _PNG_CRC_BYTES = 8, 4


def _png(content: bytes) -> Ending:
    """Count the frames that begin; those of a PNG without animation are none, and none promised."""
    at, promised, begun, is_cut = _PNG_SIGNATURE_BYTES, 0, 0, False
    while at + _PNG_CHUNK.size <= len(content):
        length, name = _PNG_CHUNK.unpack_from(content, at)
        if name == b"IEND":
            return _WHOLE if begun >= promised else Ending(warning=_fewer(begun, promised))
        if name == b"acTL" and length >= len(b"nnnn"):
            promised = int.from_bytes(content[at + 8 : at + 12], "big")
        begun += name == b"fcTL"
        at += _PNG_CHUNK.size + length + _PNG_CRC_BYTES
        is_cut = at > len(content)
    if begun < promised or (is_cut and begun > 1):
        return Ending(_within(max(begun, 1)), f"all of its {promised} frames")
    return _UNMARKED


def _fewer(begun: int, promised: int) -> str:
    return f"{begun} frames, {promised} according to its header"


def _within(frame: int) -> str:
    return f"the file ends within frame {frame}"


_GIF_SCREEN_BYTES = 13
_GIF_TRAILER, _GIF_EXTENSION, _GIF_IMAGE = b";", b"!", b","
_GIF_BLOCK = re.compile(b"[%b]" % (_GIF_TRAILER + _GIF_EXTENSION + _GIF_IMAGE))
_GIF_IMAGE_BYTES = 10  # what stands before its palette
_GIF_HAS_PALETTE = 0x80


def _gif(content: bytes) -> Ending:
    """Walk its blocks; bytes between them are passed over, as decoders do."""
    at = _GIF_SCREEN_BYTES + _gif_palette_bytes(content[10:11])
    begun = 0
    while block_at := _GIF_BLOCK.search(content, at):
        at, block = block_at.start(), block_at[0]
        if block == _GIF_TRAILER:
            return _WHOLE
        if block == _GIF_IMAGE:
            begun += 1
            flags = content[at + _GIF_IMAGE_BYTES - 1 : at + _GIF_IMAGE_BYTES]
            at = _after_data(content, at + _GIF_IMAGE_BYTES + _gif_palette_bytes(flags) + 1)
        else:
            at = _after_data(content, at + 2)
        if at > len(content) and begun > 1:
            return Ending(_within(begun), "a GIF that ends with its trailer")
    return _UNMARKED


def _gif_palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & _GIF_HAS_PALETTE else 0


def _after_data(content: bytes, at: int) -> int:
    """Pass over pieces of data, each with its length before it; beyond the file where it is cut."""
    while at < len(content):
        if content[at] == 0:
            return at + 1
        at += 1 + content[at]
    return len(content) + 1


def _tiff(content: bytes) -> Ending:
    missing = missing_page(io.BytesIO(content), len(content))
    return Ending(missing, "all of its pages") if missing else _WHOLE


_LOOKS: Mapping[str, Callable[[bytes], Ending]] = {"PNG": _png, "GIF": _gif, "TIFF": _tiff}

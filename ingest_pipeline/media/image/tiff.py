"""The directories of a TIFF, read without decoding anything: what its pages are and where.

Raw files of most cameras are laid out as a TIFF whose first picture is a thumbnail; a decoder that
does not know the camera takes that for the photo.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from operator import add

from ingest_pipeline.media.files import SeekableFile

_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _SUB_DIRECTORIES = 254, 262, 271, 330
_DNG_VERSION = 0xC612
_IS_REDUCED = 1  # a bit of the subfile's type: a smaller version of another picture
_RAW_PHOTOMETRICS = (32803, 34892)  # a mosaic of colour filters; linear raw
_BY_MAKER = {
    "nikon": "nef",
    "sony": "arw",
    "pentax": "pef",
    "ricoh": "pef",
    "samsung": "srw",
    "hasselblad": "3fr",
    "seiko": "erf",
    "epson": "erf",
    "kodak": "dcr",
    "eastman": "dcr",
    "canon": "cr2",
}
_MOST_DIRECTORIES = 8  # that are asked whether they are raw
_MOST_ENTRIES = 4096  # of a directory
_MOST_VALUES = 64  # of an entry


def raw_container(file: SeekableFile, size: int) -> str | None:
    """Name the raw format of a file that is laid out as a TIFF; None where it is a plain TIFF."""
    layout = _Layout.of(file, size)
    first = layout.directory(layout.first) if layout else None
    if not layout or not first:
        return None
    if _DNG_VERSION in first.entries:
        return "dng"
    is_reduced = sum(layout.values(first, _SUBFILE_TYPE)[:1]) & _IS_REDUCED
    children = layout.values(first, _SUB_DIRECTORIES)
    following = (first.next,) if is_reduced else ()
    others = [layout.directory(at) for at in (*following, *children)[:_MOST_DIRECTORIES]]
    is_raw = any(
        set(_RAW_PHOTOMETRICS) & set(layout.values(each, _PHOTOMETRIC))
        for each in (first, *others)
        if each
    )
    if not is_raw and not (children and is_reduced):
        return None
    letters = bytes(value & 0xFF for value in layout.values(first, _MAKE))
    maker = letters.decode("latin-1").casefold()
    return next((name for brand, name in _BY_MAKER.items() if maker.startswith(brand)), "raw")


_PLACES = ((273, 279), (324, 325))  # where the strips or tiles of a page are, and how long
_MOST_PAGES = 100_000
_MOST_PIECES = 1_000_000  # strips and tiles that are looked at


def missing_page(file: SeekableFile, size: int) -> str | None:
    """Say which page after the first is not all in the file; None where none is known to lack."""
    layout = _Layout.of(file, size)
    page = layout.directory(layout.first) if layout else None
    if not layout or not page:
        return None
    seen, pieces = {layout.first}, 0
    while page.next and page.next not in seen and len(seen) < _MOST_PAGES:
        seen.add(page.next)
        at, page = page.next, layout.directory(page.next)
        if not page:
            return f"page {len(seen)} begins at byte {at}, the file has {size}"
        for places, lengths in _PLACES:
            begins = layout.values(page, places, _MOST_PIECES - pieces)
            long = layout.values(page, lengths, _MOST_PIECES - pieces)
            pieces += len(begins)
            end = max(map(add, begins, long), default=0)
            if end > size:
                return f"page {len(seen)} ends at byte {end}, the file at {size}"
    return None


@dataclass(frozen=True)
class _Entry:
    type: int
    count: int
    field: bytes  # the value, or where it stands


@dataclass(frozen=True)
class _Directory:
    entries: Mapping[int, _Entry]
    next: int  # where the next one stands, 0 for none


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I"}
_FORMATS |= {16: "Q", 17: "q", 18: "Q"}
_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43


@dataclass(frozen=True)
class _Layout:
    """How to read a file: its byte order, and whether it is a BigTIFF."""

    file: SeekableFile
    size: int
    order: str
    is_big: bool
    first: int  # where the first directory stands

    @classmethod
    def of(cls, file: SeekableFile, size: int) -> "_Layout | None":
        """Read the header; None where there is none."""
        file.seek(0)
        header = file.read(16)
        order = _ORDERS.get(header[:2])
        if order is None or len(header) < 16:  # noqa: PLR2004 - of both kinds, with what follows
            return None
        version = struct.unpack_from(f"{order}H", header, 2)[0]
        if version not in (_CLASSIC, _BIG):
            return None
        is_big = version == _BIG
        (first,) = struct.unpack_from(
            f"{order}{'Q' if is_big else 'I'}", header, 8 if is_big else 4
        )
        return cls(file, size, order, is_big, first)

    def directory(self, at: int) -> _Directory | None:
        """Read the directory that stands at a byte; None where none can stand there."""
        counter = struct.Struct(f"{self.order}{'Q' if self.is_big else 'H'}")
        entry = struct.Struct(f"{self.order}HH{'Q8s' if self.is_big else 'I4s'}")
        pointer = struct.Struct(f"{self.order}{'Q' if self.is_big else 'I'}")
        head = self._read(at, counter.size)
        if len(head) < counter.size or at == 0:
            return None
        (count,) = counter.unpack(head)
        length = count * entry.size
        body = (
            self._read(at + counter.size, length + pointer.size) if count <= _MOST_ENTRIES else b""
        )
        if len(body) < length or not count:
            return None
        entries = {
            tag: _Entry(type_, number, field)
            for tag, type_, number, field in entry.iter_unpack(body[:length])
        }
        after = body[length:]  # which careless writers leave out
        return _Directory(entries, *(pointer.unpack(after) if len(after) == pointer.size else (0,)))

    def values(self, directory: _Directory, tag: int, most: int = _MOST_VALUES) -> tuple[int, ...]:
        """Read the numbers of a tag, as many as there are, at most so many; text is its bytes."""
        entry = directory.entries.get(tag)
        if entry is None or entry.type not in _SIZES:
            return ()
        size = _SIZES[entry.type]
        count = min(entry.count, most)
        content = entry.field
        if entry.count * size > len(content):
            pointer = f"{self.order}{'Q' if self.is_big else 'I'}"
            content = self._read(struct.unpack(pointer, entry.field)[0], count * size)
        count = min(count, len(content) // size)
        return struct.unpack_from(f"{self.order}{count}{_FORMATS[entry.type]}", content)

    def _read(self, at: int, length: int) -> bytes:
        if at >= self.size:
            return b""
        self.file.seek(at)
        return self.file.read(length)

"""The header of a Matroska or WebM: what stands before its first packets.

Used by the prober's child, so it knows the standard library alone.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple, Protocol

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_INFO = b"\x15\x49\xa9\x66"
_TRACKS = b"\x16\x54\xae\x6b"
# A track, its encodings, one of them, and the encryption that it is.
_WAY_TO_ENCRYPTION = (b"\xae", b"\x6d\x80", b"\x62\x40", b"\x50\x35")
CLUSTER = b"\x1f\x43\xb6\x75"  # holds packets and their time

_MOST_ELEMENTS = 64  # at one level
_MOST_BYTES = 1024 * 1024  # of an element of the header
_LONGEST_NAME = 4  # bytes
_LONGEST_SIZE = 8
_LONGEST_START = _LONGEST_NAME + _LONGEST_SIZE
_ENDLESS_SEGMENT = _SEGMENT + b"\x01" + b"\xff" * 7


class File(Protocol):
    """What is read of."""

    size: int

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Read `size` bytes at a place, fewer only at the end."""


class Element(NamedTuple):
    """An element: its name as it stands there, where it begins, where its body does, its end."""

    name: bytes
    start: int
    body: int
    end: int | None  # None: whoever wrote it did not know


class Header(NamedTuple):
    """What the header tells."""

    content: bytes  # enough of it to open packets of any cluster that follow it
    declared_end: int | None  # where the file says to end
    is_encrypted: bool
    first_cluster: int | None  # its place


def read_header(file: File) -> Header | None:
    """Read what stands before the first cluster; None where it is no Matroska."""
    ebml, segment = (*itertools.islice(elements(file, 0, file.size), 2), None, None)[:2]
    if ebml is None or segment is None or (ebml.name, segment.name) != (_EBML, _SEGMENT):
        return None
    content = _content(file, ebml) + _ENDLESS_SEGMENT
    is_encrypted = False
    for element in _some(file, segment):
        if element.name == CLUSTER:
            return Header(content, segment.end, is_encrypted, element.start)
        if element.name in (_INFO, _TRACKS):
            content += _content(file, element)
        if element.name == _TRACKS:
            is_encrypted = _has(file, element, *_WAY_TO_ENCRYPTION)
    return Header(content, segment.end, is_encrypted, None)


def elements(file: File, start: int, end: int) -> Iterator[Element]:
    """Walk the elements between two bytes; the last may claim to end beyond."""
    place: int | None = start
    while place is not None and place < end:
        element = _element(file.read_at(place, min(_LONGEST_START, end - place)), place)
        if element is None:
            return
        yield element
        place = element.end


def _element(begun: bytes, place: int) -> Element | None:
    """Take the name and the size apart: the zeros in front of each tell how long it is."""
    name_length = _length(begun[:1])
    size_length = _length(begun[name_length : name_length + 1])
    body = name_length + size_length
    is_sound = 1 <= name_length <= _LONGEST_NAME and 1 <= size_length <= _LONGEST_SIZE
    if not is_sound or len(begun) < body:
        return None
    ones = (1 << 7 * size_length) - 1
    size = int.from_bytes(begun[name_length:body], "big") & ones
    end = None if size == ones else place + body + size
    return Element(begun[:name_length], place, place + body, end)


def _length(first: bytes) -> int:
    return 9 - first[0].bit_length() if first else 0


def _some(file: File, element: Element) -> Iterator[Element]:
    end = file.size if element.end is None else min(element.end, file.size)
    return itertools.islice(elements(file, element.body, end), _MOST_ELEMENTS)


def _content(file: File, element: Element) -> bytes:
    """Give the whole element, but nothing where it is larger than any header is."""
    if element.end is None or element.end - element.start > _MOST_BYTES:
        return b""
    return file.read_at(element.start, element.end - element.start)


def _has(file: File, element: Element, name: bytes, *deeper: bytes) -> bool:
    """Whether an element holds another, by the names on the way to it."""
    return any(
        inner.name == name and (not deeper or _has(file, inner, *deeper))
        for inner in _some(file, element)
    )

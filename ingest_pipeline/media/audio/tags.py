"""What audio files say of themselves: Vorbis comments, ID3 tags, as names and texts.

Pictures are passed over, and so is what is cut off: a tag is never a reason to refuse a file.
"""

import struct
from collections.abc import Iterator

MOST_TAGS = 64
MOST_CHARS = 500  # of one; all of a probe goes into one table row
_MOST_BYTES = 4 * MOST_CHARS + 2  # of a text in any encoding


def fit(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Keep as many tags, and as much of each, as go into a row; of a name twice, the first."""
    kept: dict[str, str] = {}
    for name, text in pairs:
        short = text.strip("\0 \r\n")[:MOST_CHARS]
        if name and short and len(kept) < MOST_TAGS:
            kept.setdefault(name.lower()[:MOST_CHARS], short)
    return kept


def vorbis_comments(body: bytes) -> dict[str, str]:
    """The comments of FLAC, Vorbis and Opus: a vendor, a count, and texts `NAME=value`."""
    return fit(_comments(body))


def _comments(body: bytes) -> Iterator[tuple[str, str]]:
    vendor, at = _sized(body, 0)
    yield "encoder", vendor
    at += 4  # the count
    while at + 4 <= len(body):
        comment, after = _sized(body, at)
        if after > len(body):
            return
        name, _, value = comment.partition("=")
        if name.lower() != "metadata_block_picture":
            yield name, value
        at = after


def _sized(body: bytes, at: int) -> tuple[str, int]:
    """A text behind its length, and where it ends."""
    length = int.from_bytes(body[at : at + 4], "little")
    start = at + 4
    text = body[start : start + min(length, _MOST_BYTES)]
    return text.decode("utf-8", "replace"), start + length


_ID3_NAMES = {
    b"TIT2": "title",
    b"TPE1": "artist",
    b"TALB": "album",
    b"TRCK": "track",
    b"TDRC": "date",
    b"TYER": "date",
    b"TCON": "genre",
    b"TCOM": "composer",
    b"TCOP": "copyright",
    b"TSSE": "encoder",
    b"TT2": "title",
    b"TP1": "artist",
    b"TAL": "album",
}
_ID3_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_ID3_SHORT_VERSION, _ID3_SYNCHSAFE_VERSION = 2, 4  # names of 3 letters; sizes of 7 bits a byte
_ID3_HEADER_BYTES = 10


def id3v2_texts(tag: bytes) -> dict[str, str]:
    """The texts of an ID3v2 tag, as far as it is there."""
    return fit(_id3v2(tag))


def _id3v2(tag: bytes) -> Iterator[tuple[str, str]]:
    if len(tag) < _ID3_HEADER_BYTES:
        return
    version, at = tag[3], _ID3_HEADER_BYTES
    name_bytes, header_bytes = (3, 6) if version == _ID3_SHORT_VERSION else (4, 10)
    while at + header_bytes <= len(tag) and tag[at] != 0:
        name = tag[at : at + name_bytes]
        size = _id3_size(tag[at + name_bytes : at + 2 * name_bytes], version)
        start = at + header_bytes
        at = start + size
        if name in _ID3_NAMES and size > 1 and at <= len(tag):
            yield _ID3_NAMES[name], _id3_text(tag[start:at])


def _id3_size(raw: bytes, version: int) -> int:
    shift = 7 if version == _ID3_SYNCHSAFE_VERSION else 8
    size = 0
    for byte in raw:
        size = size << shift | byte
    return size


def _id3_text(body: bytes) -> str:
    encoding = _ID3_ENCODINGS[body[0]] if body[0] < len(_ID3_ENCODINGS) else "latin-1"
    return body[1 : 1 + _MOST_BYTES].decode(encoding, "replace")


_ID3V1 = struct.Struct("3s30s30s30s4s")


def id3v1_texts(tag: bytes) -> dict[str, str]:
    """The texts of the 128 bytes that end some MP3 files."""
    _, title, artist, album, year = _ID3V1.unpack_from(tag)
    fields = {"title": title, "artist": artist, "album": album, "date": year}
    texts = ((name, raw.partition(b"\0")[0].decode("latin-1")) for name, raw in fields.items())
    return fit(texts)

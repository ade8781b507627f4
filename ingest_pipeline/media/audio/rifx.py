"""RIFX: a WAV whose numbers are big-endian."""

import struct

from ingest_pipeline.media.audio.reading import read_at, sound
from ingest_pipeline.media.audio.wav import Chunk, Parts, described
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import Probe

_CHUNK_HEADER = struct.Struct(">4sI")
_FORM_BYTES = 12
_MOST_CHUNKS = 1000
_FMT_FIELDS = ("HHIIHH", "HHI")  # what all have; what an extensible format adds before its GUID
_FMT_BYTES = 40
_OPEN_SIZES = (0, 0xFFFFFFFF)


def probe_rifx(file: SeekableFile, size: int) -> Probe:
    """Probe a RIFX of `size` bytes by its chunks."""
    parts = Parts(size)
    at = _FORM_BYTES
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, at, _CHUNK_HEADER.size)
        if len(header) < _CHUNK_HEADER.size:
            break
        ident, length = _CHUNK_HEADER.unpack(header)
        chunk = Chunk(ident, at + _CHUNK_HEADER.size, length)
        if ident == b"fmt " and parts.fmt is None:
            parts.fmt = _swapped(read_at(file, chunk.offset, min(length, _FMT_BYTES)))
        elif ident == b"fact":
            parts.fact_frames = int.from_bytes(read_at(file, chunk.offset, 4), "big")
        elif ident == b"data" and parts.data is None:
            is_last = length != 0 or not read_at(file, chunk.end, 4).isalpha()
            parts.is_open_ended = length in _OPEN_SIZES and is_last
            parts.data = chunk
        if parts.is_open_ended or chunk.end >= size:
            break
        at = chunk.end + length % 2
    wav = described(parts)
    return sound("rifx", wav.codec, wav.audio, faults=wav.faults, warnings=wav.warnings)


def _swapped(fmt: bytes) -> bytes:
    """The format chunk with its numbers as a WAV has them; a GUID's first three are numbers."""
    swapped, at = b"", 0
    for fields in (*_FMT_FIELDS, "IHH"):
        size = struct.calcsize(f">{fields}")
        if at + size > len(fmt):
            break
        swapped += struct.pack(f"<{fields}", *struct.unpack_from(f">{fields}", fmt, at))
        at += size
    return swapped + fmt[at:]

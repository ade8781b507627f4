"""AIFF and AIFC: the chunks of Apple's and SGI's recordings, all numbers big-endian."""

import struct
from dataclasses import dataclass, field

from ingest_pipeline.media.audio.reading import (
    bits_a_second,
    header_fault,
    incomplete,
    read_at,
    seconds,
    sound,
)
from ingest_pipeline.media.audio.tags import fit
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Probe, Reason
from ingest_pipeline.media.sniff import printable

CODECS = {  # of AIFC, by its compression type
    **dict.fromkeys((b"NONE", b"twos", b"sowt", b"in24", b"in32", b"raw "), "pcm"),
    **dict.fromkeys((b"fl32", b"FL32", b"fl64", b"FL64"), "pcm_float"),
    **dict.fromkeys((b"ulaw", b"ULAW"), "ulaw"),
    **dict.fromkeys((b"alaw", b"ALAW"), "alaw"),
    b"ima4": "ima_adpcm",
    b"GSM ": "gsm",
}


def probe_aiff(file: SeekableFile, size: int, container: str) -> Probe:
    """Probe an AIFF or AIFC of `size` bytes by its chunks."""
    found = _walk(file, size)
    if found.comm is None or len(found.comm) < _COMM.size:
        faults = [*found.faults, header_fault("none", "a COMM chunk")]
        return sound(container, None, None, faults=faults)
    codec = _codec(found.comm)
    audio = _audio_info(found, codec)
    if found.data is None and audio.frame_count:
        found.faults.append(Reason(rule="data", found="missing", wanted="an SSND chunk"))
    tags = fit((name, text) for name, text in found.texts)
    return sound(container, codec, audio, tags=tags, faults=found.faults, warnings=found.warnings)


_CHUNK_HEADER = struct.Struct(">4sI")
_COMM = struct.Struct(">hIhH8s")  # channels, frames, bits, a rate of 80 bits in two parts
_COMM_BYTES = 22  # with the compression type
_SSND = struct.Struct(">II")  # how far the audio begins behind it, the size of its blocks
_TEXTS = {b"NAME": "title", b"AUTH": "artist", b"(c) ": "copyright", b"ANNO": "comment"}
_MOST_TEXT_BYTES = 2000
_MOST_CHUNKS = 1000
_PIPE_SIZE = 0x7F000000  # and more: what sox leaves where it cannot come back; ffmpeg leaves 0


@dataclass
class _Found:
    """The chunks as found, filled while the file is read."""

    comm: bytes | None = None
    data: tuple[int, int] | None = None  # where the audio begins, and its bytes
    is_open_ended: bool = False
    texts: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _walk(file: SeekableFile, size: int) -> _Found:
    found = _Found()
    at = 12
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, at, _CHUNK_HEADER.size)
        if len(header) < _CHUNK_HEADER.size:
            break
        ident, length = _CHUNK_HEADER.unpack(header)
        body = at + _CHUNK_HEADER.size
        if ident == b"COMM" and found.comm is None:
            found.comm = read_at(file, body, min(length, _COMM_BYTES))
        elif ident == b"SSND" and found.data is None:
            _take_audio(file, found, body, length, size)
        elif ident in _TEXTS:
            text = read_at(file, body, min(length, _MOST_TEXT_BYTES))
            found.texts.append((_TEXTS[ident], text.decode("utf-8", "replace")))
        if found.is_open_ended or body + length >= size:
            break
        at = body + length
        if length % 2 and read_at(file, at, 4) not in _KNOWN:  # some writers forget the pad byte
            at += 1
    return found


_KNOWN = frozenset(
    (*_TEXTS, b"COMM", b"SSND", b"MARK", b"INST", b"APPL", b"ID3 ", b"FVER", b"COMT")
)


def _take_audio(file: SeekableFile, found: _Found, body: int, length: int, size: int) -> None:
    start = read_at(file, body, _SSND.size)
    offset, _ = _SSND.unpack(start) if len(start) == _SSND.size else (0, 0)
    begin, end = body + _SSND.size + offset, body + length
    follows = read_at(file, body + length, 4)
    is_never_told = length == 0 and follows not in _KNOWN
    if is_never_told or (length >= _PIPE_SIZE and end > size):
        found.is_open_ended = True
        found.warnings.append(
            f"the audio's size {length} is a placeholder: it runs to the object's end"
        )
        end = size
    elif end > size:
        found.faults.append(incomplete("the audio", end, size))
    found.data = begin, max(0, end - begin)


def _codec(comm: bytes) -> str:
    compression = comm[18:22]
    if len(compression) < 4:  # noqa: PLR2004 - AIFF, which has no compression
        return "pcm"
    return CODECS.get(compression, f"unknown ({printable(compression)})")


def _rate(raw: bytes, exponent: int) -> int:
    """A number of 80 bits, which SANE made in 1980."""
    mantissa = int.from_bytes(raw, "big")
    shift = 16383 + 63 - (exponent & 0x7FFF)
    if shift > 63:  # noqa: PLR2004 - less than one
        return 0
    return mantissa >> shift if shift >= 0 else 0


_IMA_FRAMES, _IMA_BYTES = 64, 34  # of a packet, a channel
_BITS_OF = {b"fl32": 32, b"FL32": 32, b"fl64": 64, b"FL64": 64, b"in24": 24, b"in32": 32}


def _audio_info(found: _Found, codec: str) -> AudioInfo:
    comm = found.comm or b""
    channels, told, bits, exponent, mantissa = _COMM.unpack_from(comm)
    rate = _rate(mantissa, exponent)
    bits = 8 if codec in ("ulaw", "alaw") else _BITS_OF.get(comm[18:22], bits)
    data_bytes = found.data[1] if found.data else 0
    block, block_frames = max(0, channels) * -(-bits // 8), 1
    if codec == "ima_adpcm":
        block, block_frames = channels * _IMA_BYTES, _IMA_FRAMES
    if channels < 1:
        found.faults.append(Reason(rule="channel_count", found=channels, wanted="at least 1"))
    if rate < 1:
        found.faults.append(Reason(rule="sample_rate", found=rate, wanted="at least 1"))
    is_plain = codec in ("pcm", "pcm_float", "ulaw", "alaw", "ima_adpcm")
    frames = data_bytes // block * block_frames if block and is_plain else told
    if is_plain and told * (block_frames or 1) != frames and not found.is_open_ended:
        found.warnings.append(
            f"the header says {told * block_frames} frames, the audio has {frames}"
        )
    is_exact = codec in ("pcm", "pcm_float", "ulaw", "alaw")
    return AudioInfo(
        channel_count=max(0, channels),
        frame_count=frames,
        sample_rate=rate,
        bits_per_sample=bits if is_exact else None,
        duration=seconds(frames, rate),
        block_align=block if is_exact else None,
        sample_format={"pcm": "int", "pcm_float": "float"}.get(codec),
        data_bytes=data_bytes,
        bit_rate=None if is_exact else bits_a_second(data_bytes, frames, rate),
    )

"""CAF, Apple's Core Audio Format: chunks with sizes of 64 bits, big-endian."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest_pipeline.media.audio.reading import (
    BLOCK,
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

_CODECS = {
    b"alac": "alac",
    b"ulaw": "ulaw",
    b"alaw": "alaw",
    b"ima4": "ima_adpcm",
    b"aac ": "aac",
    b"aach": "aac",
    b"aacp": "aac",
    b".mp1": "mp1",
    b".mp2": "mp2",
    b".mp3": "mp3",
    b"flac": "flac",
    b"opus": "opus",
}
_CHUNK_HEADER = struct.Struct(">4sq")
_DESC = struct.Struct(">d4sIIIII")  # rate, format, flags, packet bytes and frames, channels, bits
_PACKETS = struct.Struct(">qqii")  # packets, frames, the frames to leave out at both ends
_FLOAT = 1  # a flag of linear PCM
_ALAC_BITS = {1: 16, 2: 20, 3: 24, 4: 32}  # by its flags, which not all write
_COOKIE_BYTES = 64
_COOKIE_ATOMS_BYTES = 24  # that old writers put before it, the first of them `frma`
_COOKIE_BITS_AT = 5
_DATA_HEADER_BYTES = 4  # a count of edits
_MOST_CHUNKS = 1000


@dataclass
class _Found:
    """The chunks as found, filled while the file is read."""

    desc: bytes | None = None
    data_bytes: int | None = None
    packets: bytes = b""
    cookie: bytes = b""
    info: bytes = b""
    faults: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def probe_caf(file: SeekableFile, size: int) -> Probe:
    """Probe a CAF of `size` bytes by its chunks."""
    found = _walk(file, size)
    if found.desc is None or len(found.desc) < _DESC.size:
        faults = [*found.faults, header_fault("none", "a desc chunk")]
        return sound("caf", None, None, faults=faults)
    if found.data_bytes is None:
        found.faults.append(Reason(rule="data", found="missing", wanted="a data chunk"))
    codec, audio = _described(found.desc, found)
    return sound(
        "caf",
        codec,
        audio,
        tags=fit(_texts(found.info)),
        faults=found.faults,
        warnings=found.warnings,
    )


def _walk(file: SeekableFile, size: int) -> _Found:
    found = _Found()
    at = 8
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, at, _CHUNK_HEADER.size)
        if len(header) < _CHUNK_HEADER.size:
            break
        ident, length = _CHUNK_HEADER.unpack(header)
        body = at + _CHUNK_HEADER.size
        if ident == b"data" and found.data_bytes is None:
            _take_audio(found, body, length, size)
        elif ident == b"desc" and found.desc is None:
            found.desc = read_at(file, body, _DESC.size)
        elif ident == b"pakt" and not found.packets:
            found.packets = read_at(file, body, _PACKETS.size)
        elif ident == b"kuki":
            found.cookie = read_at(file, body, _COOKIE_BYTES)
        elif ident == b"info":
            found.info = read_at(file, body, max(0, min(length, BLOCK)))
        at = body + length
        if length < 0 or at >= size:
            break
    return found


def _take_audio(found: _Found, body: int, length: int, size: int) -> None:
    if length == -1:
        found.warnings.append("the audio's size was never written: it runs to the object's end")
        length = max(0, size - body)
    elif body + length > size:
        found.faults.append(incomplete("the audio", body + length, size))
    found.data_bytes = max(0, length - _DATA_HEADER_BYTES)


def _described(desc: bytes, found: _Found) -> tuple[str, AudioInfo]:
    told_rate, ident, flags, packet_bytes, packet_frames, channels, bits = _DESC.unpack(desc)
    rate = round(told_rate) if 0 < told_rate < 2**31 else 0
    if rate == 0:
        found.faults.append(Reason(rule="sample_rate", found=str(told_rate), wanted="at least 1"))
    if channels == 0:
        found.faults.append(Reason(rule="channel_count", found=0, wanted="at least 1"))
    is_pcm = ident == b"lpcm"
    codec = _CODECS.get(ident, f"unknown ({printable(ident)})")
    if is_pcm:
        codec = "pcm_float" if flags & _FLOAT else "pcm"
    data_bytes = found.data_bytes or 0
    frames = _frames(found.packets)
    if packet_bytes and packet_frames and not (frames and not is_pcm):
        frames = data_bytes // packet_bytes * packet_frames
    is_whole = is_pcm or codec in ("ulaw", "alaw")
    return codec, AudioInfo(
        channel_count=channels,
        frame_count=frames,
        sample_rate=rate,
        bits_per_sample=_alac_bits(flags, found.cookie) if codec == "alac" else bits or None,
        duration=seconds(frames, rate),
        block_align=packet_bytes if is_whole else None,
        sample_format={"pcm": "int", "pcm_float": "float"}.get(codec),
        data_bytes=data_bytes,
        bit_rate=None if is_whole else bits_a_second(data_bytes, frames, rate),
    )


def _alac_bits(flags: int, cookie: bytes) -> int | None:
    at = _COOKIE_BITS_AT + (_COOKIE_ATOMS_BYTES if cookie[4:8] == b"frma" else 0)
    return _ALAC_BITS.get(flags) or (cookie[at] if at < len(cookie) else None)


def _frames(packets: bytes) -> int | None:
    """The frames that the packet table tells, without those before and behind the recording."""
    if len(packets) < _PACKETS.size:
        return None
    _, valid, _, _ = _PACKETS.unpack(packets)
    return valid if valid > 0 else None


def _texts(info: bytes) -> Iterator[tuple[str, str]]:
    words = [word.decode("utf-8", "replace") for word in info[4:].split(b"\0")]
    yield from zip(words[::2], words[1::2], strict=False)

"""FLAC: what STREAMINFO says, and whether the last frame is there (RFC 9639)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest_pipeline.media.audio.reading import (
    BLOCK,
    bits_a_second,
    header_fault,
    incomplete,
    read_at,
    seconds,
    sound,
)
from ingest_pipeline.media.audio.tags import vorbis_comments
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Probe, Reason

STREAMINFO_BYTES = 34


@dataclass(frozen=True)
class StreamInfo:
    """The block that begins every FLAC."""

    least_block: int  # frames of audio in a block
    most_block: int
    sample_rate: int
    channels: int
    bits: int
    frames: int | None  # None: its encoder did not know

    @classmethod
    def parse(cls, body: bytes) -> "StreamInfo | None":
        """Take it apart; None where it is cut."""
        if len(body) < STREAMINFO_BYTES:
            return None
        packed = int.from_bytes(body[10:18], "big")
        return cls(
            least_block=int.from_bytes(body[0:2], "big"),
            most_block=int.from_bytes(body[2:4], "big"),
            sample_rate=packed >> 44,
            channels=(packed >> 41 & 7) + 1,
            bits=(packed >> 36 & 31) + 1,
            frames=packed & (1 << 36) - 1 or None,
        )


def probe_flac(file: SeekableFile, size: int, start: int = 0) -> Probe:
    """Probe a FLAC of `size` bytes that begins at `start`, behind an ID3 tag.

    A second read at the end looks for the last frame: one that is not the last there should be
    tells that the file is cut off.
    """
    info, tags, audio_at = None, dict[str, str](), start + len(_MAGIC)
    for block in _blocks(file, size, start + len(_MAGIC)):
        audio_at = block.end
        if block.kind == _STREAMINFO and info is None:
            info = StreamInfo.parse(read_at(file, block.start, STREAMINFO_BYTES))
        elif block.kind == _COMMENTS and not tags:
            tags = vorbis_comments(read_at(file, block.start, min(block.size, BLOCK)))
    if info is None:
        return sound("flac", None, None, faults=[header_fault("none", "a STREAMINFO block")])
    data_bytes = max(0, size - audio_at)
    audio = AudioInfo(
        channel_count=info.channels,
        frame_count=info.frames,
        sample_rate=info.sample_rate,
        bits_per_sample=info.bits,
        duration=seconds(info.frames, info.sample_rate),
        sample_format="int",
        data_bytes=data_bytes,
        bit_rate=bits_a_second(data_bytes, info.frames, info.sample_rate),
    )
    unknown = "the encoder did not write how many frames there are"
    return sound(
        "flac",
        "flac",
        audio,
        tags=tags,
        faults=_faults(file, size, info, audio_at),
        warnings=[unknown] if info.frames is None else [],
    )


_MAGIC = b"fLaC"
_STREAMINFO, _COMMENTS = 0, 4
_MOST_BLOCKS = 128
_BLOCK_HEADER_BYTES = 4


@dataclass(frozen=True)
class _Block:
    kind: int
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def _blocks(file: SeekableFile, size: int, at: int) -> Iterator[_Block]:
    for _ in range(_MOST_BLOCKS):
        header = read_at(file, at, _BLOCK_HEADER_BYTES)
        if len(header) < _BLOCK_HEADER_BYTES:
            return
        block = _Block(header[0] & 0x7F, at + len(header), int.from_bytes(header[1:], "big"))
        yield block
        if header[0] & 0x80 or block.end >= size:
            return
        at = block.end


def _faults(file: SeekableFile, size: int, info: StreamInfo, audio_at: int) -> Iterator[Reason]:
    if info.sample_rate == 0:
        yield Reason(rule="sample_rate", found=0, wanted="at least 1")
    if audio_at > size:
        yield incomplete("the metadata", audio_at, size)
    elif info.frames and audio_at == size:
        yield Reason(rule="complete", found="no audio", wanted=f"{info.frames} frames")
    elif info.frames:
        reached = _reached(file, size, info, audio_at)
        if reached is not None and reached < info.frames:
            found = f"the last frame in it ends at sample {reached}"
            yield Reason(rule="complete", found=found, wanted=f"{info.frames} samples")


_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_LONGEST_HEADER = 16
_BLOCK_SIZES = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}} | {
    n: 256 << n - 8 for n in range(8, 16)
}
_RATES = {
    1: 88200,
    2: 176400,
    3: 192000,
    4: 8000,
    5: 16000,
    6: 22050,
    7: 24000,
    8: 32000,
    9: 44100,
    10: 48000,
    11: 96000,
}
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
_STEREO_CODES = 11  # the highest channel code: three of them are stereo by difference
_EIGHT_BITS_FOLLOW, _SIXTEEN_BITS_FOLLOW = 6, 7  # of a block's size


def _reached(file: SeekableFile, size: int, info: StreamInfo, audio_at: int) -> int | None:
    """The sample at which the last frame ends; None where none begins in the last block read."""
    tail_at = max(audio_at, (size - 1) // BLOCK * BLOCK)
    tail = read_at(file, tail_at, size - tail_at)
    ends = (
        _frame_end(tail[sync.start() :][:_LONGEST_HEADER], info) for sync in _SYNC.finditer(tail)
    )
    return max((end for end in ends if end is not None), default=None)


def _frame_end(raw: bytes, info: StreamInfo) -> int | None:
    """The sample at which a frame ends, by its header; None where this is not one."""
    if len(raw) < _LONGEST_HEADER:  # of the few bytes behind which a footer must stand
        raw = raw.ljust(_LONGEST_HEADER, b"\0")
    size_code, rate_code = raw[2] >> 4, raw[2] & 15
    channel_code, bits_code = raw[3] >> 4, raw[3] >> 1 & 7
    channels = channel_code + 1 if channel_code < 8 else 2  # noqa: PLR2004 - the codes for stereo
    fits = (
        size_code != 0
        and channel_code < _STEREO_CODES
        and channels == info.channels
        and _RATES.get(rate_code, info.sample_rate) == info.sample_rate
        and _BITS.get(bits_code, info.bits) == info.bits
    )
    number, at = _coded_number(raw, 4)
    if not fits or number is None:
        return None
    block = _BLOCK_SIZES.get(size_code, 0)
    if size_code in (_EIGHT_BITS_FOLLOW, _SIXTEEN_BITS_FOLLOW):
        extra = size_code - _EIGHT_BITS_FOLLOW + 1
        block = int.from_bytes(raw[at : at + extra], "big") + 1
        at += extra
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if at >= len(raw) or _crc8(raw[:at]) != raw[at]:
        return None
    is_by_sample = raw[1] & 1
    return (number if is_by_sample else number * info.most_block) + block


def _coded_number(raw: bytes, at: int) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes characters, and where it ends; None where it is none."""
    ones = 8 - (raw[at] ^ 0xFF).bit_length()
    if ones == 0:
        return raw[at], at + 1
    if ones in (1, 8):
        return None, at
    number = raw[at] & (0x7F >> ones)
    for byte in raw[at + 1 : at + ones]:
        if byte >> 6 != 0b10:  # noqa: PLR2004 - a continuation's first bits
            return None, at
        number = number << 6 | byte & 0x3F
    return number, at + ones


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc

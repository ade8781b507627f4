"""The structure of a WAV: RIFF, RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088) walked strictly.

Only headers are read, never the audio, so a 200 MB file costs one block, two where chunks follow
the audio. What a writer may leave open is resolved, what is broken becomes a `Reason`.
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest_pipeline.media.files import ReadBudgetError, SeekableFile
from ingest_pipeline.media.model import AudioInfo, Reason
from ingest_pipeline.media.sniff import ID3_HEADER_BYTES, id3_bytes, printable


@dataclass(frozen=True)
class Chunk:
    """A chunk of a RIFF file: `size` bytes of body at byte `offset`."""

    id: bytes  # four characters
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The byte after the body, where a pad byte stands if `size` is odd."""
        return self.offset + self.size


@dataclass(frozen=True)
class WavFile:
    """What the headers of a WAV say, and what is wrong with them."""

    container: str | None  # "wav", "rf64", "bw64"; None where the form is another
    codec: str | None  # "pcm", "pcm_float", "mp3 (0x0055)", ...; None without a fmt chunk
    audio: AudioInfo | None  # None without a fmt chunk of 16 bytes
    metadata: tuple[Chunk, ...]  # chunks that describe the audio, in the file's order
    faults: tuple[Reason, ...]
    warnings: tuple[str, ...]


def walk(file: SeekableFile, size: int) -> WavFile:
    """Walk the chunks of a WAV of `size` bytes and check its structure.

    Never raises for what the bytes say; errors of the file object itself pass through, except
    `ReadBudgetError`, which is a fault where it hides the format or the audio.
    """
    layout = _Layout(size)
    try:
        _read_layout(file, layout)
    except ReadBudgetError as error:
        if layout.fmt is None or layout.data is None:
            layout.fault("header", str(error), "fmt and data within reach")
        else:
            layout.warn(f"chunks after the audio not read: {error}")
        return _describe(layout)
    _check_presence(layout)
    return _describe(layout)


def riff_start(file: SeekableFile) -> int:
    """Find where a WAV begins that has ID3v2 tags before it, as some programs put them.

    0 where none has, or no WAV stands behind them.
    """
    start = 0
    for _ in range(_MOST_TAGS):
        tag_bytes = id3_bytes(_read_at(file, start, ID3_HEADER_BYTES))
        if not tag_bytes:
            break
        start += tag_bytes
    head = _read_at(file, start, _FORM_BYTES)
    return start if head[:4] in CONTAINERS and head[8:] == b"WAVE" else 0


@dataclass
class Parts:
    """The chunks of a WAV in another wrapping, whose walk is not ours."""

    size: int  # bytes of the whole file
    fmt: bytes | None = None  # little-endian
    data: Chunk | None = None
    fact_frames: int = 0
    is_open_ended: bool = False  # the data's size was never written


def described(parts: Parts) -> WavFile:
    """Say what the chunks of a WAV tell, whatever wrapped them: W64 or RIFX."""
    layout = _Layout(
        parts.size,
        magic=b"RIFF",
        fmt=parts.fmt,
        data=parts.data,
        fact_frames=parts.fact_frames,
        is_open_ended=parts.is_open_ended,
    )
    if parts.is_open_ended and parts.data is not None:
        layout.warn("the audio's size was never written: it runs to the object's end")
        rest = max(0, parts.size - parts.data.offset)
        layout.data = Chunk(parts.data.id, parts.data.offset, rest)
    _check_presence(layout)
    return _describe(layout)


_MOST_TAGS = 4
MAX_CHUNKS = 1_000  # sound files have some 10; one of 300,000 would cost minutes
CONTAINERS = {b"RIFF": "wav", b"RF64": "rf64", b"BW64": "bw64"}

CODECS = {  # WAVE_FORMAT_... tags of Microsoft's mmreg.h
    0x0001: "pcm",
    0x0002: "adpcm",
    0x0003: "pcm_float",
    0x0006: "alaw",
    0x0007: "ulaw",
    0x0011: "ima_adpcm",
    0x0014: "g723_adpcm (0x0014)",
    0x0031: "gsm",
    0x0040: "g721_adpcm (0x0040)",
    0x0050: "mp2 (0x0050)",
    0x0055: "mp3 (0x0055)",
    0x0092: "ac3 (0x0092)",
    0x00FF: "aac (0x00ff)",
    0x0161: "wma (0x0161)",
    0x1610: "aac (0x1610)",
    0x2000: "ac3 (0x2000)",
    0xF1AC: "flac (0xf1ac)",
}

_METADATA_IDS = frozenset(
    (b"LIST", b"bext", b"iXML", b"cue ", b"smpl", b"inst", b"axml", b"chna", b"_PMX", b"id3 ")
)


# Ids that a chunk may have though the one before it lacks its pad byte.
_KNOWN_IDS = _METADATA_IDS | {
    b"fmt ",
    b"data",
    b"fact",
    b"PEAK",
    b"JUNK",
    b"ds64",
    b"ID3 ",
    b"PAD ",
}

_HEADER_BYTES = 8  # a chunk's id and size
_FORM_BYTES = 12  # the outer chunk's header and its form type
_OPEN_SIZE = 0xFFFFFFFF  # "unknown", and in RF64 "see ds64"
_SIZES = 2**32  # a size of 32 bits begins at 0 again beyond it


# What writers leave in the header when their output is a pipe, where they cannot come back: the
# most that they would write, some rounded down to whole frames.
_PIPE_DATA_SIZES = frozenset(
    (
        0x7FFFF000,  # sox and espeak, with a RIFF size of 0x7FFFF024
        0x7FFFFF00,  # arecord before 1.0.24
        0x7FFFFFFF,  # lame --decode, oggdec, opusdec
        0x80000000,  # arecord, its largest file
    )
)


@dataclass
class _Layout:
    """The chunks as found, filled while the file is read."""

    size: int  # bytes of the whole file
    magic: bytes = b""
    riff_size: int = 0
    fmt: bytes | None = None
    ds64: bytes | None = None  # as far as it is read
    fact_frames: int = 0  # 0 where nobody counted them
    data: Chunk | None = None
    is_unsized: bool = False  # the data's size is 0, whatever follows
    is_open_ended: bool = False  # the data's size was never written: it runs to the object's end
    metadata: list[Chunk] = field(default_factory=list)
    faults: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def riff_end(self) -> int:
        return _HEADER_BYTES + self.riff_size

    @property
    def block_align(self) -> int:
        """Bytes of a frame or block; 1 where no fmt chunk has told them yet."""
        return _uint16(self.fmt or b"", _BLOCK_ALIGN_AT) or 1

    @property
    def is_beyond_riff(self) -> bool:
        """Whether there is more than sizes of 32 bits can tell."""
        return self.magic == b"RIFF" and self.size - _HEADER_BYTES >= _SIZES

    @property
    def has_audio(self) -> bool:
        return self.data is not None and self.data.size > 0

    @property
    def ds64_sizes(self) -> tuple[int, int] | None:
        """Sizes of the RIFF and the data; None without a ds64 chunk that has them."""
        if self.ds64 is None or len(self.ds64) < _DS64_SIZES.size:
            return None
        return _DS64_SIZES.unpack(self.ds64)

    def fault(self, rule: str, found: int | str, wanted: int | str) -> None:
        self.faults.append(Reason(rule=rule, found=found, wanted=wanted))

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def _read_layout(file: SeekableFile, layout: _Layout) -> None:
    head = _read_at(file, 0, _FORM_BYTES)
    magic, form = head[:4], head[8:]
    if magic not in CONTAINERS or form != b"WAVE":
        found = f"{printable(magic)} {printable(form)}".strip() or "nothing"
        layout.fault("form", found, "RIFF, RF64 or BW64 of WAVE")
        return
    layout.magic = magic
    layout.riff_size = int.from_bytes(head[4:8], "little")
    for chunk in _chunks(file, layout):
        _take(file, layout, chunk)


def _chunks(file: SeekableFile, layout: _Layout) -> Iterator[Chunk]:
    """Yield the chunks in turn; one that runs to the file's end is the last."""
    at = _FORM_BYTES
    count = 0
    while not _is_at_end(layout, at):
        header = _read_at(file, at, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not _is_id(header[:4]):
            layout.warn(f"no chunk at byte {at}: {layout.size - at} bytes left unread")
            return
        count += 1
        if count > MAX_CHUNKS:
            layout.fault("chunks", f"more than {MAX_CHUNKS}", f"at most {MAX_CHUNKS}")
            return
        chunk = _resolved(file, header, at, layout)
        yield chunk
        at = _next_chunk(file, layout, chunk)


def _is_at_end(layout: _Layout, at: int) -> bool:
    """Tell whether the walk is over; a RIFF size is believed once the audio has been found."""
    has_all = layout.has_audio and layout.fmt is not None and layout.riff_size != 0
    return at >= layout.size or (has_all and at >= layout.riff_end)


def _resolved(file: SeekableFile, header: bytes, at: int, layout: _Layout) -> Chunk:
    """Make a chunk of its header; the size of the audio may stand elsewhere, or nowhere."""
    ident, declared = header[:4], int.from_bytes(header[4:], "little")
    chunk = Chunk(ident, at + _HEADER_BYTES, declared)
    if ident != b"data" or layout.has_audio:
        return chunk
    return _resolved_data(file, _by_ds64(chunk, layout), layout)


def _resolved_data(file: SeekableFile, data: Chunk, layout: _Layout) -> Chunk:
    """Find where the audio ends: where its size says, beyond what 32 bits can say, or nowhere."""
    whole = _unwrapped(data, layout)
    if layout.is_beyond_riff and _ends_well(file, whole, layout):
        if whole != data:
            layout.warn(f"the data size {data.size} began at 0 again: it is {whole.size}")
        layout.riff_size = layout.size - _HEADER_BYTES
        return whole
    layout.is_unsized = data.size == 0
    if _is_open_ended(file, data, layout):
        layout.warn(
            f"the data size {data.size} is a placeholder: the audio runs to the object's end"
        )
        layout.is_open_ended = True
        return Chunk(data.id, data.offset, max(0, layout.size - data.offset))
    if layout.is_beyond_riff:
        found = f"RIFF of {layout.size} bytes with a data size of {data.size}"
        layout.fault("sizes", found, "RF64 or BW64 beyond 4 GiB")
    return data


def _by_ds64(data: Chunk, layout: _Layout) -> Chunk:
    """Take the data's size from ds64 where that names one, whatever the chunk itself says."""
    if layout.ds64_sizes is None:
        return data
    _, size = layout.ds64_sizes
    if size == 0 and data.size != _OPEN_SIZE:
        return data
    if data.size not in (_OPEN_SIZE, size):
        layout.warn(f"the data chunk says {data.size} bytes, ds64 {size}: ds64 counts")
    return Chunk(data.id, data.offset, size)


def _unwrapped(data: Chunk, layout: _Layout) -> Chunk:
    """Read a size as one that began at 0 again: the largest that the object has room for."""
    wraps = max(0, layout.size - data.end) // _SIZES
    return Chunk(data.id, data.offset, data.size + wraps * _SIZES)


def _is_open_ended(file: SeekableFile, data: Chunk, layout: _Layout) -> bool:
    """Tell whether the writer never came back to write the size of its audio."""
    if data.size == 0:  # and what follows is no chunk, so it is audio
        return not _ends_well(file, data, layout)
    if layout.ds64_sizes is not None:
        return False
    least = _OPEN_SIZE - (data.offset if layout.riff_size == _OPEN_SIZE else 0)
    if data.size >= least:  # the most there may be, or what of that is left behind the header
        return True
    is_pipe = _is_pipe_size(data.size, layout.block_align) and layout.riff_size >= data.size
    return is_pipe and not _ends_well(file, data, layout)


def _is_pipe_size(size: int, block_align: int) -> bool:
    """Tell whether a data size is one that is never taken back, as it is or in whole blocks."""
    whole = (most - most % block_align for most in _PIPE_DATA_SIZES)
    # sox makes it even for GSM, whose blocks have 65 bytes
    return size in _PIPE_DATA_SIZES or any(size in (most, most + most % 2) for most in whole)


def _ends_well(file: SeekableFile, data: Chunk, layout: _Layout) -> bool:
    """Tell whether the object ends where the data does, or goes on there with a chunk."""
    if data.end >= layout.size - 1:
        return data.end <= layout.size
    starts = (data.end, data.end + 1)  # a pad byte may come first
    return any(_are_chunks(file, at, layout) for at in starts)


_FOREIGN_CHUNKS = 10  # in a row that are looked at


def _are_chunks(file: SeekableFile, at: int, layout: _Layout) -> bool:
    """Tell chunks from audio: some of foreign ids may come, then a known one or the end."""
    for _ in range(_FOREIGN_CHUNKS):
        header = _read_at(file, at, _HEADER_BYTES)
        if header[:4] in _KNOWN_IDS:
            return True
        if len(header) < _HEADER_BYTES or not _is_id(header[:4]):
            return False
        size = int.from_bytes(header[4:], "little")
        at += _HEADER_BYTES + size + size % 2
        if at >= layout.size:
            return at <= layout.size + 1  # the last pad byte may be missing
    return False


def _next_chunk(file: SeekableFile, layout: _Layout, chunk: Chunk) -> int:
    """Byte of the next header: after the pad byte of an odd chunk, unless its writer forgot it."""
    if chunk.size % 2 == 0 or chunk.end >= layout.size:
        return chunk.end
    after = _read_at(file, chunk.end, _HEADER_BYTES)
    if after[:4] in _KNOWN_IDS:
        layout.warn(f"no pad byte after the {printable(chunk.id)} chunk of {chunk.size} bytes")
        return chunk.end
    return chunk.end + 1


def _take(file: SeekableFile, layout: _Layout, chunk: Chunk) -> None:
    """Keep what the verdict needs of a chunk; of a chunk that occurs twice the first counts."""
    match chunk.id:
        case b"fmt " if layout.fmt is None:
            layout.fmt = _read_at(file, chunk.offset, min(chunk.size, _FMT_EXTENSIBLE_BYTES))
            if layout.data is not None:
                layout.fault("fmt", "after the data", "before the data")
        case b"data" if not layout.has_audio:
            if layout.data is not None:
                layout.warn(f"an empty data chunk before the one at byte {chunk.offset}, ignored")
            layout.data = chunk
        case b"fmt " | b"data":
            layout.warn(f"a second {printable(chunk.id)} chunk at byte {chunk.offset}, ignored")
        case b"ds64" if layout.magic != b"RIFF" and layout.ds64 is None and layout.data is None:
            layout.ds64 = _read_at(file, chunk.offset, min(chunk.size, _DS64_SIZES.size))
            if layout.ds64_sizes is not None:
                layout.riff_size, _ = layout.ds64_sizes
        case b"fact":
            raw = _read_at(file, chunk.offset, min(chunk.size, _FACT_BYTES))
            layout.fact_frames = int.from_bytes(raw, "little")
        case ident if ident in _METADATA_IDS:
            _take_metadata(layout, chunk)


def _take_metadata(layout: _Layout, chunk: Chunk) -> None:
    if chunk.end > layout.size:
        layout.warn(f"the {printable(chunk.id)} chunk is cut off, ignored")
    else:
        layout.metadata.append(chunk)


_FACT_BYTES = 4  # frames of the audio, for codecs whose blocks are not frames
_DS64_SIZES = struct.Struct("<QQ")  # RIFF size, data size


def _read_at(file: SeekableFile, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _is_id(raw: bytes) -> bool:
    return raw.isascii() and raw.decode().isprintable()


def _check_presence(layout: _Layout) -> None:
    """Note what the walk did not find, and a RIFF size that is not the object's."""
    if not layout.magic:
        return
    if layout.fmt is None:
        layout.fault("fmt", "missing", "a fmt chunk")
    if layout.data is None:
        layout.fault("data", "missing", "a data chunk")
    is_odd_one_out = layout.size - layout.riff_end not in (0, 1)  # 1: the last pad byte
    if is_odd_one_out and layout.riff_size not in (0, _OPEN_SIZE):
        layout.warn(f"the RIFF ends at byte {layout.riff_end}, the object at {layout.size}")


def _describe(layout: _Layout) -> WavFile:
    fmt = _Fmt.parse(layout.fmt) if layout.fmt is not None else None
    audio = None
    if layout.fmt is not None and fmt is None:
        layout.fault("fmt", f"{len(layout.fmt)} bytes", f"at least {_FMT_PCM.size} bytes")
    if fmt is not None:
        _check_fmt(fmt, layout)
        audio = _audio_info(fmt, layout)
    if layout.data is not None:
        _check_ds64(layout)
        _check_complete(layout.data, layout)
    return WavFile(
        container=CONTAINERS.get(layout.magic),
        codec=fmt.codec if fmt else None,
        audio=audio,
        metadata=tuple(layout.metadata),
        faults=tuple(layout.faults),
        warnings=tuple(layout.warnings),
    )


def _check_ds64(layout: _Layout) -> None:
    """Refuse a 64-bit form whose sizes stand nowhere: all that it says of its length is missing."""
    if layout.magic == b"RIFF":
        return
    if layout.ds64 is None:
        layout.fault("ds64", "missing", "a ds64 chunk before the data")
    elif layout.ds64_sizes is None:
        layout.fault("ds64", f"{len(layout.ds64)} bytes", f"at least {_DS64_SIZES.size} bytes")


def _check_complete(data: Chunk, layout: _Layout) -> None:
    """Refuse what ends before its header says; where the data says nothing, the RIFF does."""
    if data.end > layout.size:
        found = f"data ends at byte {data.end}, the object at {layout.size}"
        layout.fault("complete", found, f"an object of at least {data.end} bytes")
    is_riff_written = layout.riff_size not in (0, _OPEN_SIZE)
    most_end = layout.size + _HEADER_BYTES  # some writers count the RIFF's own header
    if layout.is_unsized and is_riff_written and layout.riff_end > most_end:
        found = f"the RIFF ends at byte {layout.riff_end}, the object at {layout.size}"
        layout.fault("complete", found, f"an object of at least {layout.riff_end} bytes")


_FMT_PCM = struct.Struct("<HHIIHH")  # WAVEFORMAT: tag, channels, rate, byte rate, block, bits
_BLOCK_ALIGN_AT = 12
_FMT_EXTENSION = struct.Struct("<HI16s")  # valid bits, channel mask, sub-format
_FMT_EXTENSION_AT = 18
_FMT_EXTENSIBLE_BYTES = 40
_EXTENSIBLE = 0xFFFE


# A sub-format is a tag followed by one of these: Microsoft's own, or the ambisonic B-format's.
_SUBFORMAT_TAILS = (
    bytes.fromhex("000000001000800000aa00389b71"),
    bytes.fromhex("00002107d3118644c8c1ca000000"),
)

_MAX_BITS = 64  # of one sample
_UNCOMPRESSED = {"pcm": "int", "pcm_float": "float"}  # sample formats by codec

_SPEAKERS = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC"),
    *("SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)  # by the bits of the channel mask, from the lowest


@dataclass(frozen=True)
class _Fmt:
    """The fmt chunk, told in our words."""

    codec: str
    channels: int
    sample_rate: int
    block_align: int
    bits: int
    block_frames: int = 1  # more in a compressed block
    is_extension_cut: bool = False
    valid_bits: int | None = None
    speakers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> "_Fmt | None":
        """Parse the chunk's body; None where it is too short to say anything."""
        if len(body) < _FMT_PCM.size:
            return None
        tag, channels, rate, _byte_rate, block_align, bits = _FMT_PCM.unpack_from(body)
        codec = CODECS.get(tag, f"unknown (0x{tag:04x})")
        if tag != _EXTENSIBLE:
            is_told = codec in _BLOCK_FRAMES_ARE_TOLD
            block_frames = (is_told and _uint16(body, _FMT_EXTENSION_AT)) or 1
            return cls(codec, channels, rate, block_align, bits, block_frames)
        if len(body) < _FMT_EXTENSIBLE_BYTES:
            return cls(codec, channels, rate, block_align, bits, is_extension_cut=True)
        valid_bits, mask, subformat = _FMT_EXTENSION.unpack_from(body, _FMT_EXTENSION_AT)
        return cls(
            codec=_subformat_codec(subformat),
            channels=channels,
            sample_rate=rate,
            block_align=block_align,
            bits=bits,
            valid_bits=valid_bits,
            speakers=_speakers(mask)[:channels],  # the mask may name more than there are
        )

    @property
    def sample_bytes(self) -> int:
        return -(-self.bits // 8)


def _speakers(mask: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(_SPEAKERS) if mask >> bit & 1)


def _uint16(body: bytes, at: int) -> int:
    """Two bytes of a fmt chunk; 0 where it is too short."""
    return int.from_bytes(body[at : at + 2], "little")


def _subformat_codec(subformat: bytes) -> str:
    if subformat[2:] not in _SUBFORMAT_TAILS:
        return f"unknown ({uuid.UUID(bytes_le=subformat)})"
    tag = int.from_bytes(subformat[:2], "little")
    return CODECS.get(tag, f"unknown (0x{tag:04x})")


def _check_fmt(fmt: _Fmt, layout: _Layout) -> None:
    if fmt.is_extension_cut:
        found = f"an extensible format of {len(layout.fmt or b'')} bytes"
        layout.fault("fmt", found, f"at least {_FMT_EXTENSIBLE_BYTES} bytes")
    if fmt.channels == 0:  # how many there may be is the source's business
        layout.fault("channel_count", 0, "at least 1")
    if fmt.codec in _UNCOMPRESSED:
        _check_samples(fmt, layout)
    elif fmt.block_align == 0:
        layout.fault("block_align", 0, "at least 1")


def _check_samples(fmt: _Fmt, layout: _Layout) -> None:
    """Check samples of a fixed width: a frame is that width times the channels."""
    frame_bytes = fmt.channels * fmt.sample_bytes
    if not 1 <= fmt.bits <= _MAX_BITS:
        layout.fault("bits_per_sample", fmt.bits, f"1 to {_MAX_BITS}")
    elif fmt.block_align != frame_bytes:
        wanted = f"{frame_bytes} ({fmt.channels} channels of {fmt.sample_bytes} bytes)"
        layout.fault("block_align", fmt.block_align, wanted)
    if fmt.valid_bits is not None and fmt.valid_bits > fmt.bits:
        layout.warn(f"{fmt.valid_bits} valid bits in samples of {fmt.bits}")


def _audio_info(fmt: _Fmt, layout: _Layout) -> AudioInfo:
    data_bytes = layout.data.size if layout.data else 0
    frames = _frame_count(fmt, data_bytes, layout)
    if layout.is_open_ended and fmt.block_align:
        data_bytes -= data_bytes % fmt.block_align
    return AudioInfo(
        channel_count=fmt.channels,
        frame_count=frames,
        sample_rate=fmt.sample_rate,
        bits_per_sample=fmt.bits,
        duration=str(frames / fmt.sample_rate) if fmt.sample_rate else "0.0",
        block_align=fmt.block_align,
        sample_format=_UNCOMPRESSED.get(fmt.codec),
        valid_bits=fmt.valid_bits,
        channel_layout=fmt.speakers or None,
        data_bytes=data_bytes,
    )


def _frame_count(fmt: _Fmt, data_bytes: int, layout: _Layout) -> int:
    """Whole frames of audio; a compressed block holds many, which the fact chunk counts.

    Where the data's size was never written, the count is a placeholder, too.
    """
    if layout.data is not None and data_bytes == 0:
        layout.warn("the audio is empty")
    if fmt.block_align == 0:
        return 0
    is_better_known = layout.is_open_ended and fmt.block_frames > 1
    is_counted = layout.fact_frames not in (0, _OPEN_SIZE) and not is_better_known
    if fmt.codec not in _FRAME_IS_BLOCK and is_counted:
        return layout.fact_frames
    blocks, rest = divmod(data_bytes, fmt.block_align)
    if rest:
        layout.warn(f"{rest} bytes after the last whole frame")
    return blocks * fmt.block_frames


_FRAME_IS_BLOCK = frozenset(("pcm", "pcm_float", "alaw", "ulaw"))
_BLOCK_FRAMES_ARE_TOLD = frozenset(("adpcm", "ima_adpcm", "gsm"))  # first in their fmt's extension

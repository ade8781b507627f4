"""MP1, MP2, MP3 and AAC in ADTS: frames one after another, with tags before and behind them.

Nothing says how long they are but a header that some encoders leave in the first frame (Xing,
Info, VBRI). Without it the length is reckoned by the frames of the first block and the size.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ingest_pipeline.media.audio.flac import probe_flac
from ingest_pipeline.media.audio.mpeg_frame import (
    Frame,
    adts_frame,
    free_format_bytes,
    mpeg_frame,
)
from ingest_pipeline.media.audio.reading import (
    bits_a_second,
    incomplete,
    read_at,
    read_block,
    seconds,
    sound,
    unprobed,
)
from ingest_pipeline.media.audio.tags import id3v1_texts, id3v2_texts
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Probe, Reason
from ingest_pipeline.media.sniff import ID3_HEADER_BYTES, id3_bytes

_MOST_TAGS = 4
_FRAMES_IN_A_ROW = 3  # that make a beginning
_MOST_ID3 = 64 * 1024  # bytes looked through: the texts stand before the pictures


def probe_mpeg(file: SeekableFile, size: int, container: str) -> Probe:
    """Probe MPEG audio or ADTS of `size` bytes; behind a long tag a FLAC may stand, too."""
    start, tags = skip_tags(file)
    if start >= size:
        return sound(container, container, None, tags=tags, faults=[_no_audio(start, size)])
    block = read_block(file, start)
    if block.startswith(b"fLaC"):
        return probe_flac(file, size, start)
    if adts_frame(block):
        container = "aac"
    read = adts_frame if container == "aac" else mpeg_frame
    found = _first_frame(block, read)
    if found is None:
        wanted = "frames that follow each other"
        return unprobed(container, f"audio/{container} whose beginning is not understood", wanted)
    skipped, frame, free_bytes = found
    tail, tail_tags = _trailing_tags(file, size)
    audio_at = start + skipped
    stream = _Stream(
        block=block[skipped:],
        data_bytes=max(0, size - tail - audio_at),
        read=read,
        frame=frame,
        free_bytes=free_bytes,
        is_whole=start + len(block) >= size,
    )
    warnings = [f"{skipped} bytes before the first frame"] if skipped else []
    length = _length(stream)
    if length.warning:
        warnings.append(length.warning)
    audio = AudioInfo(
        channel_count=frame.channels,
        frame_count=length.frames,
        sample_rate=frame.rate,
        duration=seconds(length.frames, frame.rate),
        data_bytes=stream.data_bytes,
        bit_rate=bits_a_second(stream.data_bytes, length.frames, frame.rate),
    )
    faults = []
    if length.told_bytes > stream.data_bytes:
        faults.append(incomplete("the audio", audio_at + length.told_bytes, size))
    if frame.channels == 0:
        wanted = "a header that tells the channels"
        return unprobed(container, f"audio/{container} with a channel layout of its own", wanted)
    return sound(
        container, frame.codec, audio, tags=tail_tags | tags, faults=faults, warnings=warnings
    )


def _no_audio(start: int, size: int) -> Reason:
    if start > size:
        return incomplete("the ID3 tag", start, size)
    return Reason(rule="data", found="an ID3 tag alone", wanted="audio")


def skip_tags(file: SeekableFile) -> tuple[int, dict[str, str]]:
    """Find where the audio begins behind ID3v2 tags, and the texts of the first of them."""
    start, tags = 0, dict[str, str]()
    for _ in range(_MOST_TAGS):
        tag_bytes = id3_bytes(read_at(file, start, ID3_HEADER_BYTES))
        if not tag_bytes:
            break
        if start == 0:
            tags = id3v2_texts(read_at(file, 0, min(tag_bytes, _MOST_ID3)))
        start += tag_bytes
    return start, tags


_ID3V1_BYTES, _APE_FOOTER_BYTES = 128, 32
_APE_HAS_HEADER = 0x80  # in the last byte of its flags


def _trailing_tags(file: SeekableFile, size: int) -> tuple[int, dict[str, str]]:
    """Bytes of the tags behind the audio, and the texts of the oldest kind."""
    wanted = min(size, _ID3V1_BYTES + _APE_FOOTER_BYTES)
    tail = read_at(file, size - wanted, wanted)
    count, tags = 0, dict[str, str]()
    if tail[-_ID3V1_BYTES:][:3] == b"TAG":
        count, tags = _ID3V1_BYTES, id3v1_texts(tail[-_ID3V1_BYTES:])
    footer = tail[: len(tail) - count][-_APE_FOOTER_BYTES:]
    if footer[:8] == b"APETAGEX":
        count += int.from_bytes(footer[12:16], "little")
        count += _APE_FOOTER_BYTES if footer[23] & _APE_HAS_HEADER else 0
    return min(count, size), tags


_Reader = Callable[[bytes], Frame | None]
_LONGEST_HEADER = 7
_FREE_TRIES = 8  # each costs some milliseconds, and a hostile block has thousands
_FREE_BYTES = 20_000  # more than four of the longest frames


def _first_frame(block: bytes, read: _Reader) -> tuple[int, Frame, int] | None:
    """Find where the frames begin: the place, the first one and, of free format, its length."""
    tries = _FREE_TRIES
    at = block.find(b"\xff")
    while at >= 0:
        frame = read(block[at : at + _LONGEST_HEADER])
        if frame is not None:
            free_bytes = 0
            if not frame.length and tries:
                tries -= 1
                free_bytes = free_format_bytes(block[at : at + _FREE_BYTES])
            if free_bytes or (frame.length and _follow(block, at, frame, read)):
                return at, frame, free_bytes
        at = block.find(b"\xff", at + 1)
    return None


def _follow(block: bytes, at: int, first: Frame, read: _Reader) -> bool:
    for _ in range(_FRAMES_IN_A_ROW):
        frame = read(block[at : at + _LONGEST_HEADER])
        if frame is None or not frame.length or frame.codec != first.codec:
            return False
        at += frame.length
        if at >= len(block) or block[at : at + 3] == b"TAG" or block[at : at + 3] == b"APE":
            return True
    return True


@dataclass(frozen=True)
class _Stream:
    """The audio as far as it was read."""

    block: bytes  # from the first frame on
    data_bytes: int  # of all audio
    read: _Reader
    frame: Frame  # the first
    free_bytes: int
    is_whole: bool  # the block reaches the object's end


@dataclass(frozen=True)
class _Length:
    """How many frames of sound there are, and how that is known."""

    frames: int
    told_bytes: int = 0  # by a header
    warning: str | None = None


def _length(stream: _Stream) -> _Length:
    told = _xing(stream) or _vbri(stream)
    return told if told is not None else _reckoned(stream)


_XING_FRAMES, _XING_BYTES = 1, 2  # its flags
_XING_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))  # each flag's field, in bytes
_LAME_DELAYS_AT = 21
_DECODER_DELAY = 529  # samples that every decoder adds, in front


def _xing(stream: _Stream) -> _Length | None:
    """Read the header that LAME, ffmpeg and many more leave in a silent first frame."""
    start = 4 + stream.frame.side_bytes
    header = stream.block[start : start + 200]
    if stream.frame.codec != "mp3" or header[:4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(header[4:8], "big")
    if not flags & _XING_FRAMES:
        return None
    count = int.from_bytes(header[8:12], "big")
    told_bytes = int.from_bytes(header[12:16], "big") if flags & _XING_BYTES else 0
    at = 8 + sum(length for flag, length in _XING_FIELDS if flags & flag)
    delay = padding = 0
    if header[at : at + 4].isalpha():  # an encoder's name, then what it added at both ends
        packed = int.from_bytes(header[at + _LAME_DELAYS_AT : at + _LAME_DELAYS_AT + 3], "big")
        delay, padding = packed >> 12, packed & 0xFFF
    samples = count * stream.frame.samples
    skipped = delay + _DECODER_DELAY + max(0, padding - _DECODER_DELAY) if delay else 0
    return _Length(samples - skipped if skipped < samples else samples, told_bytes)


_VBRI_AT = 36


def _vbri(stream: _Stream) -> _Length | None:
    header = stream.block[_VBRI_AT : _VBRI_AT + 18]
    if header[:4] != b"VBRI":
        return None
    told_bytes, count = (int.from_bytes(header[at : at + 4], "big") for at in (10, 14))
    return _Length(count * stream.frame.samples, told_bytes)


def _reckoned(stream: _Stream) -> _Length:
    """Count the frames of the block, all of them where it is the whole, and go on by the size."""
    lengths, samples, at = list[int](), 0, 0
    while at < min(len(stream.block), stream.data_bytes):
        length, frame = _next(stream, at)
        if frame is None or at + length > len(stream.block):
            break
        lengths.append(length)
        samples += frame.samples
        at += length
    if not lengths:
        return _Length(stream.frame.samples, warning="one frame that is cut off")
    if stream.is_whole:
        rest = stream.data_bytes - at
        warning = f"{rest} bytes after the last whole frame" if rest else None
        return _Length(samples, warning=warning)
    frames = round(stream.data_bytes * samples / at)
    is_constant = max(lengths) - min(lengths) <= 4 and stream.frame.codec != "aac"  # noqa: PLR2004 - a padding slot
    how = "its constant bit rate" if is_constant else "the mean bit rate of its first block"
    return _Length(
        frames, warning=f"no header tells the length: it is reckoned by the size and {how}"
    )


def _next(stream: _Stream, at: int) -> tuple[int, Frame | None]:
    header = stream.block[at : at + _LONGEST_HEADER]
    frame = stream.read(header)
    if frame is None or not stream.free_bytes:
        return (frame.length if frame else 0) or 1, frame if frame and frame.length else None
    slot = 4 if frame.codec == "mp1" else 1
    return stream.free_bytes + (header[2] >> 1 & 1) * slot, frame

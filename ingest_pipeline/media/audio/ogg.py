"""Ogg with sound alone: Vorbis, Opus, FLAC or Speex, in pages that count samples (RFC 3533).

The first block tells what it is, the last page how long: two reads.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest_pipeline.media.audio.flac import StreamInfo
from ingest_pipeline.media.audio.reading import (
    BLOCK,
    bits_a_second,
    header_fault,
    read_at,
    seconds,
    sound,
    unprobed,
)
from ingest_pipeline.media.audio.tags import vorbis_comments
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Probe, Reason

_HEADER_BYTES = 27
_BEGINS, _ENDS = 2, 4  # flags of a page
_NO_GRANULE = 2**64 - 1  # no packet ends on the page
_OPUS_RATE = 48_000  # whatever was recorded, it is decoded to this
_FULL_LACE = 255


_CUT = "the last page is cut off"


@dataclass(frozen=True)
class _Page:
    flags: int
    granule: int  # samples up to its end, by the codec's own count
    serial: int
    laces: bytes  # how its body is cut into packets
    body: bytes
    end: int  # of the page in what was read


@dataclass(frozen=True)
class _Codec:
    """What the first packet of a stream tells."""

    name: str
    rate: int
    channels: int
    bits: int | None = None
    skipped: int = 0  # samples at the beginning that are not played
    bit_rate: int | None = None
    comment_prefix: int = 0  # bytes of the second packet before its comments
    most_packet: int = 0  # samples that a packet can hold; 0: unknown


def probe_ogg(file: SeekableFile, size: int) -> Probe:
    """Probe an Ogg of `size` bytes in which no picture was found."""
    pages = list(_pages(read_at(file, 0, BLOCK)))
    if not pages:
        fault = header_fault("no whole page", "pages of a stream")
        return sound("ogg", None, None, faults=[fault])
    first, codec = next(_streams(pages), (None, None))
    if first is None or codec is None:
        return unprobed("ogg", "audio/ogg of an unknown codec", "Vorbis, Opus, FLAC or Speex")
    begun = list(itertools.takewhile(_is_beginning, pages))
    end = _end(file, size, {page.serial for page in begun}, first.serial)
    is_chained = end.is_chained or any(map(_is_beginning, pages[len(begun) :]))
    frames, warnings = _frames(codec, pages, first.serial, replace(end, is_chained=is_chained))
    audio = AudioInfo(
        channel_count=codec.channels,
        frame_count=frames,
        sample_rate=codec.rate,
        bits_per_sample=codec.bits,
        duration=seconds(frames, codec.rate),
        sample_format="int" if codec.bits else None,
        data_bytes=size,
        bit_rate=bits_a_second(size, frames, codec.rate) or codec.bit_rate,
    )
    faults = []
    if codec.rate == 0:
        faults.append(Reason(rule="sample_rate", found=0, wanted="at least 1"))
    if codec.channels == 0:
        faults.append(Reason(rule="channel_count", found=0, wanted="at least 1"))
    if frames == 0 and _CUT in warnings:  # of the sound not one page is whole
        faults.append(Reason(rule="complete", found=_CUT, wanted="a whole page of sound"))
    tags = _tags(pages, first.serial, codec)
    return sound("ogg", codec.name, audio, tags=tags, faults=faults, warnings=warnings)


def _pages(content: bytes, at: int = 0) -> Iterator[_Page]:
    """The whole pages from a place on, each where the one before ends."""
    while (page := _page(content, at)) is not None:
        yield page
        at = page.end


def _page(content: bytes, at: int) -> _Page | None:
    """Read the page at a place; None where there is none, or not all of it."""
    header = content[at : at + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[:5] != b"OggS\0":
        return None
    laces = content[at + _HEADER_BYTES : at + _HEADER_BYTES + header[26]]
    start = at + _HEADER_BYTES + len(laces)
    end = start + sum(laces)
    if len(laces) < header[26] or end > len(content):
        return None
    return _Page(
        flags=header[5],
        granule=int.from_bytes(header[6:14], "little"),
        serial=int.from_bytes(header[14:18], "little"),
        laces=laces,
        body=content[start:end],
        end=end,
    )


def _is_beginning(page: _Page) -> bool:
    """Whether a stream begins on a page: they all do so before any other page."""
    return bool(page.flags & _BEGINS)


def _streams(pages: list[_Page]) -> Iterator[tuple[_Page, _Codec]]:
    for page in pages:
        codec = _codec(page.body) if _is_beginning(page) else None
        if codec is not None:
            yield page, codec


def _codec(packet: bytes) -> _Codec | None:
    """Read the first packet of a stream; None where it is of no sound that we know."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 30:  # noqa: PLR2004 - its length
        return _Codec(
            "vorbis",
            rate=int.from_bytes(packet[12:16], "little"),
            channels=packet[11],
            bit_rate=max(0, int.from_bytes(packet[20:24], "little", signed=True)) or None,
            comment_prefix=7,
            most_packet=1 << (packet[28] >> 4),
        )
    if packet.startswith(b"OpusHead") and len(packet) >= 19:  # noqa: PLR2004 - its length
        skipped = int.from_bytes(packet[10:12], "little")
        return _Codec(
            "opus", _OPUS_RATE, packet[9], skipped=skipped, comment_prefix=8, most_packet=5760
        )
    if packet.startswith(b"\x7fFLAC"):
        info = StreamInfo.parse(packet[17:])
        if info is None:
            return None
        return _Codec(
            "flac",
            info.sample_rate,
            info.channels,
            info.bits,
            comment_prefix=4,
            most_packet=info.most_block,
        )
    if packet.startswith(b"Speex   ") and len(packet) >= 80:  # noqa: PLR2004 - its length
        rate, channels = (int.from_bytes(packet[at : at + 4], "little") for at in (36, 48))
        return _Codec("speex", rate, channels)
    return None


def _tags(pages: list[_Page], serial: int, codec: _Codec) -> dict[str, str]:
    """Read the second packet as far as the first block has it."""
    packets = _packets([page for page in pages if page.serial == serial])
    next(packets, b"")
    return vorbis_comments(next(packets, b"")[codec.comment_prefix :])


def _packets(pages: list[_Page]) -> Iterator[bytes]:
    packet = b""
    for page in pages:
        at = 0
        for lace in page.laces:
            packet += page.body[at : at + lace]
            at += lace
            if lace < _FULL_LACE:
                yield packet
                packet = b""
    yield packet


@dataclass(frozen=True)
class _End:
    """What the end of the object tells."""

    granule: int | None  # of the last whole page of the stream
    is_chained: bool = False  # another stream follows the first
    is_marked: bool = False  # as the end
    is_cut: bool = False  # within a page


def _end(file: SeekableFile, size: int, serials: set[int], serial: int) -> _End:
    start = (size - 1) // BLOCK * BLOCK
    end = _end_in(read_at(file, start, size - start), serials, serial)
    if end.granule is None and not end.is_chained and start:
        start -= BLOCK  # a page is never longer than a block
        end = _end_in(read_at(file, start, size - start), serials, serial)
    return end


def _end_in(tail: bytes, serials: set[int], serial: int) -> _End:
    granule, is_chained, is_marked, reached = None, False, False, 0
    at = tail.find(b"OggS\0")
    while at >= 0:
        page = _page(tail, at)
        if page is None:
            at = tail.find(b"OggS\0", at + 1)
            continue
        reached = page.end
        is_chained = is_chained or page.serial not in serials
        if page.serial == serial and page.granule != _NO_GRANULE:
            granule, is_marked = page.granule, bool(page.flags & _ENDS)
        at = tail.find(b"OggS\0", page.end)
    return _End(granule, is_chained, is_marked, is_cut=reached < len(tail))


def _frames(
    codec: _Codec, pages: list[_Page], serial: int, end: _End
) -> tuple[int | None, list[str]]:
    """How many frames there are, and what is odd about the end."""
    if end.is_chained:
        return None, ["a chain of several streams: how many frames they have is not counted"]
    if end.granule is None:
        return None, ["no page at the end tells how many frames there are"]
    warnings = []
    if end.is_cut:
        warnings.append(_CUT)
    elif not end.is_marked:
        warnings.append("the last page is not marked as the end")
    start, warning = _start(codec, pages, serial)
    frames = max(0, end.granule - start - codec.skipped)
    return frames, [*warnings, *([warning] if warning else [])]


def _start(codec: _Codec, pages: list[_Page], serial: int) -> tuple[int, str | None]:
    """The count at which the sound begins: not 0 in what was cut out of a longer one."""
    sounding = (
        page for page in pages if page.serial == serial and page.granule not in (0, _NO_GRANULE)
    )
    first = next(sounding, None)
    if first is None or not codec.most_packet or first.flags & _ENDS:
        return 0, None
    packets = sum(lace < _FULL_LACE for lace in first.laces)
    if first.granule <= (packets + 1) * codec.most_packet:
        return 0, None
    if codec.name == "opus":
        start = first.granule - sum(map(_opus_samples, _packets([first])))
        return max(0, start), "the count of samples does not begin at 0"
    return first.granule, "the count of samples does not begin at 0: its first page is left out"


_OPUS_SAMPLES = (  # of a frame, at 48 kHz, by the first five bits of a packet
    *(480, 960, 1920, 2880) * 3,
    *(480, 960) * 2,
    *(120, 240, 480, 960) * 4,
)


def _opus_samples(packet: bytes) -> int:
    """Samples of a packet (RFC 6716, 3.1)."""
    if not packet:
        return 0
    code = packet[0] & 3
    counted = packet[1] & 63 if len(packet) > 1 else 0
    return _OPUS_SAMPLES[packet[0] >> 3] * (1, 2, 2, counted)[code]

"""Frames of MPEG audio (MP1, MP2, MP3) and of AAC in ADTS: what four to seven bytes tell."""

from dataclasses import dataclass

MPEG_HEADER_BYTES = 4
ADTS_HEADER_BYTES = 7

_KBPS = {  # by (is MPEG-1, layer bits): the bit rates 1 to 14
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MPEG_1, _LAYER_1, _LAYER_3 = 3, 3, 1  # as their bits in the header
_SYNC = 0xFFE0  # 11 bits
_FREE, _RESERVED_BIT_RATE = 0, 15
_MONO = 3
_CODECS = {1: "mp3", 2: "mp2", 3: "mp1"}

_ADTS_SYNC, _ADTS_SYNC_AND_LAYER = 0xFFF0, 0xFFF6  # 12 bits set, then a layer that is always 0
_ADTS_RATES = (
    *(96000, 88200, 64000, 48000, 44100, 32000),
    *(24000, 22050, 16000, 12000, 11025, 8000, 7350),
)
_ADTS_SAMPLES = 1024  # of a block, of which a frame has up to four
_ADTS_SEVEN, _ADTS_EIGHT = 7, 8  # a channel code, and the channels that it stands for


@dataclass(frozen=True)
class Frame:
    """What a frame's header tells."""

    codec: str
    length: int  # bytes with the header; 0: of free format, which tells none
    samples: int  # of one channel
    rate: int  # Hz
    channels: int  # 0: the AAC itself tells them
    side_bytes: int = 0  # of an MP3, between the header and its data


def mpeg_frame(header: bytes) -> Frame | None:
    """Read the header of an MPEG audio frame (ISO 11172-3, 13818-3); None where it is not one."""
    if len(header) < MPEG_HEADER_BYTES or int.from_bytes(header[:2], "big") < _SYNC:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    is_reserved = version not in _RATES or layer == 0 or bit_rate == _RESERVED_BIT_RATE
    if is_reserved or rate == len(_RATES[version]):
        return None
    is_mpeg_1, is_mono = version == _MPEG_1, header[3] >> 6 == _MONO
    hertz = _RATES[version][rate]
    is_short = layer == _LAYER_3 and not is_mpeg_1
    samples = 384 if layer == _LAYER_1 else 576 if is_short else 1152
    length = 0
    if bit_rate != _FREE:
        bits_a_second = _KBPS[is_mpeg_1, layer][bit_rate - 1] * 1000
        if layer == _LAYER_1:
            length = (12 * bits_a_second // hertz + padding) * 4
        else:
            length = samples // 8 * bits_a_second // hertz + padding
    side = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
    crc_bytes = 0 if header[1] & 1 else 2
    return Frame(
        codec=_CODECS[layer],
        length=length,
        samples=samples,
        rate=hertz,
        channels=1 if is_mono else 2,
        side_bytes=side[is_mpeg_1, is_mono] + crc_bytes,
    )


def mpeg_frame_bytes(header: bytes) -> int:
    """Length of an MPEG audio frame; 0 where the header is not one, or tells none."""
    frame = mpeg_frame(header)
    return frame.length if frame else 0


def adts_frame(header: bytes) -> Frame | None:
    """Read the header of an AAC frame in ADTS (ISO 13818-7); None where it is not one."""
    sync = int.from_bytes(header[:2], "big") & _ADTS_SYNC_AND_LAYER
    if len(header) < ADTS_HEADER_BYTES or sync != _ADTS_SYNC:
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    rate = header[2] >> 2 & 15
    if rate >= len(_ADTS_RATES) or length <= ADTS_HEADER_BYTES:
        return None
    channels = (header[2] & 1) << 2 | header[3] >> 6
    return Frame(
        codec="aac",
        length=length,
        samples=_ADTS_SAMPLES * ((header[6] & 3) + 1),
        rate=_ADTS_RATES[rate],
        channels=_ADTS_EIGHT if channels == _ADTS_SEVEN else channels,
    )


def adts_frame_bytes(header: bytes) -> int:
    """Length of an AAC frame in ADTS, 0 where the header is not one."""
    frame = adts_frame(header)
    return frame.length if frame else 0


_SAME_STREAM = bytes((0xFF, 0xFE, 0xFC, 0xC0))  # bits that do not change within one, but padding
_LEAST_FREE, _MOST_FREE = 24, 4608  # bytes of a frame of free format
_FREE_FRAMES = 3  # in a row, from the second on


def free_format_bytes(content: bytes) -> int:
    """Length of the frames of a free-format stream, without padding; 0 where this is not one.

    Their headers tell no bit rate, so the next header like the first shows where one ends.
    """
    frame = mpeg_frame(content)
    if frame is None or frame.length:
        return 0
    for length in range(_LEAST_FREE, min(_MOST_FREE, len(content))):
        if _are_alike(content, length) and _repeats(content, length - _padding(content, 0)):
            return length - _padding(content, 0)
    return 0


def _are_alike(content: bytes, at: int) -> bool:
    header = content[at : at + MPEG_HEADER_BYTES]
    return len(header) == MPEG_HEADER_BYTES and all(
        (here ^ there) & mask == 0
        for here, there, mask in zip(header, content, _SAME_STREAM, strict=False)
    )


def _padding(content: bytes, at: int) -> int:
    """Bytes by which a frame is longer than others; a slot of layer 1 has four."""
    slot = 4 if content[at + 1] >> 1 & 3 == _LAYER_1 else 1
    return (content[at + 2] >> 1 & 1) * slot


def _repeats(content: bytes, length: int) -> bool:
    at = 0
    for _ in range(_FREE_FRAMES):
        at += length + _padding(content, at)
        if not _are_alike(content, at):
            return False
    return True

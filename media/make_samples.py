#!/usr/bin/env python3
"""Writes audio_1.wav to audio_5.wav and audio_6.flac beside this script, the same bytes every time.

Each is a chord of its own that fades in and out. 1, 3 and 5 are what the bucket `ingest` takes
(WAV of 48,000 Hz, 24 bits); 2 has the wrong rate and width, 4 the wrong width, 6 is no WAV.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHANNELS = 2
FADE_SECONDS = 0.4
LEVEL = 0.25  # of full scale, per note


@dataclass(frozen=True)
class Sample:
    """What one file holds; `notes` are frequencies in Hz."""

    name: str
    notes: tuple[float, ...]
    seconds: float
    rate: int  # Hz
    bits: int
    is_extensible: bool = False
    before_data: bytes = b""
    after_data: bytes = b""


def chunk(ident: bytes, body: bytes) -> bytes:
    """Make a RIFF chunk with its pad byte."""
    return ident + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def info(**fields: str) -> bytes:
    """Make a LIST INFO chunk of fields named by their ids, `INAM="..."`."""
    texts = (chunk(ident.encode(), text.encode() + b"\0") for ident, text in fields.items())
    return chunk(b"LIST", b"INFO" + b"".join(texts))


def bext(description: str, originator: str, history: str) -> bytes:
    """Make a broadcast extension of version 1 (EBU Tech 3285)."""
    fields = struct.pack(
        "<256s32s32s10s8sQH64s190x",
        description.encode(),
        originator.encode(),
        b"SAMPLE0005",
        b"2026-01-01",
        b"00:00:00",
        0,
        1,
        b"",
    )
    return chunk(b"bext", fields + history.encode())


def fmt(sample: Sample) -> bytes:
    """Make the format chunk, of 16 bytes or WAVE_FORMAT_EXTENSIBLE."""
    frame_bytes = CHANNELS * sample.bits // 8
    rates = (CHANNELS, sample.rate, sample.rate * frame_bytes, frame_bytes, sample.bits)
    if not sample.is_extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", 1, *rates))
    pcm = bytes.fromhex("0100000000001000800000aa00389b71")
    front_left_and_right = 3
    extension = struct.pack("<HHI16s", 22, sample.bits, front_left_and_right, pcm)
    return chunk(b"fmt ", struct.pack("<HHIIHH", 0xFFFE, *rates) + extension)


def frames(sample: Sample) -> bytes:
    """Make the audio: the notes lean to the left and the right in turn."""
    count = round(sample.seconds * sample.rate)
    full_scale = 2 ** (sample.bits - 1) - 1
    width = sample.bits // 8
    audio = bytearray()
    for n in range(count):
        at = n / sample.rate
        fade = min(1.0, at / FADE_SECONDS, (count - n) / sample.rate / FADE_SECONDS)
        tones = [LEVEL * fade * math.sin(math.tau * note * at) for note in sample.notes]
        for side in range(CHANNELS):
            lean = (1.0 if i % CHANNELS == side else 0.6 for i in range(len(tones)))
            level = sum(tone * weight for tone, weight in zip(tones, lean, strict=True))
            audio += round(level * full_scale).to_bytes(width, "little", signed=True)
    return bytes(audio)


def wav(sample: Sample) -> bytes:
    """Make the whole file."""
    data = chunk(b"data", frames(sample))
    return chunk(b"RIFF", b"WAVE" + fmt(sample) + sample.before_data + data + sample.after_data)


BLOCK = 4096  # frames of a FLAC block
RESIDUAL_BITS = 11  # of the Rice code's remainder: the chords leave residuals of that size


class Bits:
    """Bits on their way into bytes."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def put(self, value: int, width: int) -> None:
        """Add a number, negative ones in two's complement."""
        self._pieces.append(f"{value & (1 << width) - 1:0{width}b}")

    def put_rice(self, value: int, width: int) -> None:
        """Add a number coded by Rice: its upper bits as so many zeros."""
        folded = value * 2 if value >= 0 else -value * 2 - 1
        self._pieces.append("0" * (folded >> width) + "1")
        self.put(folded, width)

    def bytes(self) -> bytes:
        """All of them, filled up with zeros."""
        text = "".join(self._pieces)
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def crc(content: bytes, polynomial: int, width: int) -> int:
    """Make FLAC's check sum of 8 or 16 bits."""
    value = 0
    for byte in content:
        value ^= byte << width - 8
        for _ in range(8):
            value <<= 1
            if value >> width:
                value ^= polynomial | 1 << width
    return value


def flac(sample: Sample) -> bytes:
    """Make a FLAC (RFC 9639) whose blocks are predicted from the two frames before each."""
    audio = frames(sample)
    width = sample.bits // 8
    values = [
        int.from_bytes(audio[at : at + width], "little", signed=True)
        for at in range(0, len(audio), width)
    ]
    count = len(values) // CHANNELS
    packed = sample.rate << 44 | CHANNELS - 1 << 41 | sample.bits - 1 << 36 | count
    info = struct.pack(">HH6xQ", BLOCK, BLOCK, packed) + hashlib.md5(audio).digest()  # noqa: S324 - FLAC's own
    comments = b"".join(
        struct.pack("<I", len(text)) + text
        for text in (b"TITLE=E minor", b"ARTIST=make_samples.py")
    )
    about = struct.pack("<I", 0) + struct.pack("<I", 2) + comments
    head = b"fLaC" + struct.pack(">I", len(info)) + info
    head += struct.pack(">I", 0x84 << 24 | len(about)) + about
    return head + b"".join(flac_frames(values, sample))


def flac_frames(values: list[int], sample: Sample) -> Iterator[bytes]:
    """Make the blocks; the last may be shorter."""
    for number, at in enumerate(range(0, len(values), BLOCK * CHANNELS)):
        block = values[at : at + BLOCK * CHANNELS]
        bits = Bits()
        bits.put(0xFFF8, 16)
        bits.put(0b0111_1010, 8)  # the size follows; 48,000 Hz
        bits.put(CHANNELS - 1 << 4 | 0b1100, 8)  # 24 bits
        bits.put(number, 8)
        bits.put(len(block) // CHANNELS - 1, 16)
        bits.put(crc(bits.bytes(), 0x07, 8), 8)
        for channel in range(CHANNELS):
            put_channel(bits, block[channel::CHANNELS], sample.bits)
        content = bits.bytes()
        yield content + crc(content, 0x8005, 16).to_bytes(2, "big")


def put_channel(bits: Bits, values: list[int], width: int) -> None:
    """Add one channel of a block: its first two frames, then how far each is from a line."""
    bits.put(0b0001_0100, 8)  # a fixed prediction of the second order
    for value in values[:2]:
        bits.put(value, width)
    bits.put(0b01_0000, 6)  # Rice codes with five bits for their width, in one partition
    bits.put(RESIDUAL_BITS, 5)
    for before, last, value in zip(values, values[1:], values[2:], strict=False):
        bits.put_rice(value - 2 * last + before, RESIDUAL_BITS)


SAMPLES = (
    Sample("audio_1.wav", notes=(220.00, 277.18, 329.63), seconds=2.5, rate=48_000, bits=24),
    Sample("audio_2.wav", notes=(196.00, 246.94, 293.66), seconds=3.0, rate=44_100, bits=16),
    Sample(
        "audio_3.wav",
        notes=(261.63, 329.63, 392.00),
        seconds=3.0,
        rate=48_000,
        bits=24,
        is_extensible=True,
        after_data=info(INAM="C major", IART="make_samples.py", ICRD="2026-01-01"),
    ),
    Sample("audio_4.wav", notes=(174.61, 220.00, 261.63), seconds=2.0, rate=48_000, bits=32),
    Sample(
        "audio_5.wav",
        notes=(146.83, 174.61, 220.00),
        seconds=2.0,
        rate=48_000,
        bits=24,
        before_data=bext("D minor", "make_samples.py", "A=PCM,F=48000,W=24,M=stereo\r\n"),
    ),
)


FLAC = Sample("audio_6.flac", notes=(164.81, 196.00, 246.94), seconds=1.5, rate=48_000, bits=24)


def main() -> None:
    """Write all of them."""
    for sample in SAMPLES:
        Path(__file__).with_name(sample.name).write_bytes(wav(sample))
    Path(__file__).with_name(FLAC.name).write_bytes(flac(FLAC))


if __name__ == "__main__":
    main()

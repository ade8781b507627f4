#!/usr/bin/env python3
"""Writes audio_1.wav to audio_5.wav beside this script, the same bytes every time.

Each is a chord of its own that fades in and out. 1, 3 and 5 are what the bucket `ingest` takes
(48,000 Hz, 24 bits); 2 has the wrong rate and width, 4 the wrong width.
"""

import math
import struct
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


def main() -> None:
    """Write all of them."""
    for sample in SAMPLES:
        Path(__file__).with_name(sample.name).write_bytes(wav(sample))


if __name__ == "__main__":
    main()

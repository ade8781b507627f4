"""Recordings for the tests: tones that ffmpeg encodes, and files that tell what is read of them."""

import io
import struct
from pathlib import Path

import av
import soundfile

from ingest_pipeline.media.audio.reading import BLOCK
from ingest_pipeline.media.model import Probe
from ingest_pipeline.media.probe import probe
from ingest_pipeline_tests.media.clips import run_plain_ffmpeg


def tone(path: Path, *output: str, seconds: float = 1, rate: int = 48_000) -> Path:
    """Make a stereo tone; `output` are ffmpeg's output options."""
    source = f"sine=duration={seconds}:sample_rate={rate}"
    run_plain_ffmpeg("-f", "lavfi", "-i", source, "-ac", "2", *output, path)
    return path


class CountedFile(io.BytesIO):
    """A file that remembers the blocks which were read of it, as a ranged object fetches them."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.blocks: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        content = super().read(size)
        if content:
            self.blocks |= set(range(start // BLOCK, (start + len(content) - 1) // BLOCK + 1))
        return content


def probed(content: bytes) -> Probe:
    return probe(io.BytesIO(content), len(content))


def blocks_read(content: bytes) -> int:
    file = CountedFile(content)
    probe(file, len(content))
    return len(file.blocks)


def decoded_frames(path: Path) -> int:
    """What libav decodes, to the last frame."""
    with av.open(path) as container:
        return sum(frame.samples for frame in container.decode(container.streams.audio[0]))


def libsndfile_frames(content: bytes) -> int:
    return int(soundfile.info(io.BytesIO(content)).frames)


def shape(found: Probe) -> tuple[int | None, int, int, int | None]:
    """Frames, rate, channels, bits."""
    audio = found.audio
    assert audio is not None
    return audio.frame_count, audio.sample_rate, audio.channel_count, audio.bits_per_sample


def rules(found: Probe) -> list[str]:
    return [fault.rule for fault in found.faults]


def id3v2(body_bytes: int, *frames: bytes) -> bytes:
    """An ID3v2.3 tag: text frames, then zeros."""
    body = b"".join(frames).ljust(body_bytes, b"\0")
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + body


def id3v2_text(name: bytes, text: str) -> bytes:
    body = b"\x03" + text.encode()
    return name + struct.pack(">I", len(body)) + bytes(2) + body

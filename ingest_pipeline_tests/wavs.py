"""Whole WAV files for tests that are about what becomes of them, not about their parts."""

from ingest_pipeline_tests.media.riff import data, fmt, riff


def valid(frames: int = 480) -> bytes:
    """What the contract takes: 48000 Hz, 24 bits, stereo."""
    return riff(fmt(), data(frames))


def wrong_rate(frames: int = 480) -> bytes:
    """44100 Hz and otherwise right."""
    return riff(fmt(rate=44_100), data(frames))


def truncated(frames: int = 480) -> bytes:
    """An upload that lost the second half of its audio."""
    whole = valid(frames)
    return whole[: len(whole) - frames * 3]


def long_header(bytes_before_data: int) -> bytes:
    """A valid file whose audio starts after so many bytes of padding."""
    junk = b"JUNK" + bytes_before_data.to_bytes(4, "little") + bytes(bytes_before_data)
    return riff(fmt(), junk, data())


PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d49484452000000010000000108060000001f15c489"
    "0000000a49444154789c6300010000050001"
    "0d0a2db40000000049454e44ae426082"
)
"""A picture of one pixel."""

JPEG_XL = b"\xff\x0a" + bytes(100)
"""A picture of a kind that is recognised and not looked into."""

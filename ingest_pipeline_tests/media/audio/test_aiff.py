import io
import struct

import numpy as np
import pytest
import soundfile

from ingest_pipeline_tests.media.riff import chunk as little_chunk
from ingest_pipeline_tests.media.sounds import libsndfile_frames, probed, rules, shape


def chunk(ident: bytes, body: bytes, pad: bytes = b"\0") -> bytes:
    return ident + struct.pack(">I", len(body)) + body + pad * (len(body) % 2)


RATE_48000 = bytes.fromhex("400ebb80000000000000")


def comm(frames: int, bits: int = 24, compression: bytes = b"", channels: int = 1) -> bytes:
    body = struct.pack(">hIh", channels, frames, bits) + RATE_48000
    return chunk(b"COMM", body + (compression + b"\0\0" if compression else b""))


def ssnd(audio: bytes, pad: bytes = b"\0") -> bytes:
    return chunk(b"SSND", bytes(8) + audio, pad)


def aiff(*chunks: bytes, form: bytes = b"AIFF") -> bytes:
    body = form + b"".join(chunks)
    return b"FORM" + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    ("compression", "bits", "codec", "told"),
    [
        (b"NONE", 24, "pcm", 24),
        (b"sowt", 16, "pcm", 16),
        (b"fl32", 32, "pcm_float", 32),
        (b"fl64", 64, "pcm_float", 64),
        (b"ulaw", 16, "ulaw", 8),
        (b"alaw", 16, "alaw", 8),
    ],
)
def test_codings_of_aifc(compression: bytes, bits: int, codec: str, told: int) -> None:
    audio = bytes(100 * told // 8)
    content = aiff(comm(100, bits, compression), ssnd(audio), form=b"AIFC")
    found = probed(content)
    assert (found.container, found.codec, found.faults) == ("aifc", codec, ())
    assert shape(found) == (libsndfile_frames(content), 48_000, 1, told) == (100, 48_000, 1, told)


def test_a_coding_that_nobody_knows_is_told_and_not_refused() -> None:
    found = probed(aiff(comm(100, 16, b"XyZ1"), ssnd(bytes(50)), form=b"AIFC"))
    assert (found.codec, found.faults) == ("unknown (XyZ1)", ())


@pytest.mark.parametrize("pad", [b"\0", b""])
def test_an_odd_chunk_with_or_without_its_pad_byte(pad: bytes) -> None:
    content = aiff(comm(5), ssnd(bytes(15), pad), chunk(b"NAME", b"odd one"))
    found = probed(content)
    assert shape(found) == (5, 48_000, 1, 24)
    assert found.metadata == {"tags": {"title": "odd one"}}
    assert found.faults == ()


def test_the_format_may_stand_behind_the_audio() -> None:
    assert shape(probed(aiff(ssnd(bytes(300)), comm(100)))) == (100, 48_000, 1, 24)


@pytest.mark.parametrize("size", [0, 0x7F000008])
def test_a_size_that_a_pipe_never_got_is_a_warning(size: int) -> None:
    head = aiff(comm(0))
    found = probed(head + b"SSND" + struct.pack(">I", size) + bytes(8 + 300))
    assert shape(found)[0] == 100
    assert found.faults == ()
    assert len(found.warnings) == 1


@pytest.mark.parametrize("cut", [1, 100, 250])
def test_one_that_is_cut_off_is_refused(cut: int) -> None:
    content = aiff(comm(100), ssnd(bytes(300)))
    assert rules(probed(content[:-cut])) == ["complete"]


def test_a_header_that_counts_other_frames_than_there_are() -> None:
    found = probed(aiff(comm(70), ssnd(bytes(300))))
    assert found.warnings == ("the header says 70 frames, the audio has 100",)
    assert shape(found)[0] == libsndfile_frames(aiff(comm(70), ssnd(bytes(300)))) == 100


def test_what_is_missing_is_a_fault() -> None:
    assert rules(probed(aiff(ssnd(bytes(300))))) == ["header"]
    assert rules(probed(aiff(comm(100, channels=0), ssnd(bytes(300))))) == ["channel_count"]
    assert rules(probed(aiff(little_chunk(b"COMM", b"")))) == ["header"]


@pytest.mark.parametrize("rate", [1, 8000, 44_100, 192_000, 384_000])
def test_rates_of_80_bits(rate: int) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(10), rate, format="AIFF", subtype="PCM_16")
    assert shape(probed(file.getvalue()))[1] == rate

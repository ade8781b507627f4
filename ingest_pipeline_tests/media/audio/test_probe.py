import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.media.audio.probe import CONTAINERS, probe_audio
from ingest_pipeline.media.audio.reading import read_block
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline_tests.media.sounds import (
    CountedFile,
    blocks_read,
    decoded_frames,
    probed,
    rules,
    shape,
    tone,
)

SAMPLES = Path(__file__).parents[3] / "media"

# Name, ffmpeg's options, container, codec, bits.
ENCODED = (
    ("a.flac", ("-c:a", "flac", "-sample_fmt", "s32"), "flac", "flac", 24),
    ("a.mp3", ("-c:a", "libmp3lame", "-b:a", "128k"), "mp3", "mp3", None),
    ("v.mp3", ("-c:a", "libmp3lame", "-q:a", "4"), "mp3", "mp3", None),
    ("a.mp2", ("-c:a", "mp2"), "mp2", "mp2", None),
    ("a.aac", ("-c:a", "aac"), "aac", "aac", None),
    ("a.ogg", ("-c:a", "libvorbis"), "ogg", "vorbis", None),
    ("a.opus", ("-c:a", "libopus"), "ogg", "opus", None),
    ("f.ogg", ("-c:a", "flac"), "ogg", "flac", 16),
    ("a.aiff", ("-c:a", "pcm_s24be"), "aiff", "pcm", 24),
    ("a.w64", ("-c:a", "pcm_s24le"), "w64", "pcm", 24),
    ("a.caf", ("-c:a", "pcm_s24le"), "caf", "pcm", 24),
    ("alac.caf", ("-c:a", "alac"), "caf", "alac", 16),
    ("a.au", ("-c:a", "pcm_s16be"), "au", "pcm", 16),
    ("alac.m4a", ("-c:a", "alac"), "m4a", "alac", 16),
    ("pcm.mov", ("-c:a", "pcm_s24le"), "mov", "pcm", 24),
)


@pytest.mark.parametrize("encoded", ENCODED, ids=[row[0] for row in ENCODED])
def test_what_ffmpeg_writes_is_told_as_libav_decodes_it(
    tmp_path: Path, encoded: tuple[str, tuple[str, ...], str, str, int | None]
) -> None:
    name, output, container, codec, bits = encoded
    path = tone(tmp_path / name, *output, seconds=3)
    found = probed(path.read_bytes())
    assert (found.kind, found.container, found.codec) == (Kind.AUDIO, container, codec)
    assert (found.probed, found.faults) == (True, ())
    frames = decoded_frames(path)
    assert shape(found) == (frames, 48_000, 2, bits)
    assert found.audio is not None
    assert found.audio.duration == str(frames / 48_000)
    assert (found.audio.bit_rate is None) == (codec == "pcm")


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        *[("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")],
        *[("AIFF", subtype) for subtype in ("PCM_24", "FLOAT", "DOUBLE", "ULAW", "ALAW")],
        *[("AU", subtype) for subtype in ("PCM_S8", "PCM_24", "FLOAT", "ULAW", "ALAW")],
        *[("CAF", subtype) for subtype in ("PCM_16", "PCM_32", "FLOAT", "ULAW")],
        *[("W64", subtype) for subtype in ("PCM_U8", "PCM_24", "DOUBLE", "ALAW")],
        *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "IMA_ADPCM")],
    ],
)
def test_what_libsndfile_writes_is_told_as_it_reads_it(format_: str, subtype: str) -> None:
    bits = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
    bits |= {"FLOAT": 32, "DOUBLE": 64, "ULAW": 8, "ALAW": 8}
    file = io.BytesIO()
    soundfile.write(file, np.zeros((4801, 1)), 48_000, format=format_, subtype=subtype)
    found = probed(file.getvalue())
    oracle = soundfile.info(io.BytesIO(file.getvalue()))
    assert shape(found) == (oracle.frames, 48_000, 1, bits.get(subtype))
    assert (found.faults, found.warnings) == ((), ())


def test_the_sample_is_what_its_note_says() -> None:
    content = (SAMPLES / "audio_6.flac").read_bytes()
    found = probed(content)
    assert shape(found) == (72_000, 48_000, 2, 24)
    assert found.metadata == {"tags": {"title": "E minor", "artist": "make_samples.py"}}
    assert (found.faults, found.warnings) == ((), ())
    assert soundfile.info(io.BytesIO(content)).frames == 72_000


@pytest.mark.parametrize(
    ("name", "output", "blocks"),
    [
        ("a.flac", ("-c:a", "flac", "-af", "aeval=random(0)"), 2),
        ("a.mp3", ("-c:a", "libmp3lame", "-b:a", "320k"), 2),
        ("a.aac", ("-c:a", "aac", "-b:a", "256k", "-af", "aeval=random(0)"), 2),
        ("a.ogg", ("-c:a", "libvorbis", "-q:a", "10", "-af", "aeval=random(0)"), 2),
        ("a.aiff", ("-c:a", "pcm_s24be"), 1),
        ("a.caf", ("-c:a", "pcm_s24le"), 1),
        ("a.w64", ("-c:a", "pcm_s24le"), 1),
        ("a.au", ("-c:a", "pcm_s16be"), 1),
        ("a.m4a", ("-c:a", "aac", "-b:a", "256k", "-af", "aeval=random(0)"), 2),
        ("a.webm", ("-c:a", "libopus", "-b:a", "256k", "-af", "aeval=random(0)"), 2),
    ],
)
def test_two_blocks_are_read_at_most(
    tmp_path: Path, name: str, output: tuple[str, ...], blocks: int
) -> None:
    content = tone(tmp_path / name, *output, seconds=9).read_bytes()
    assert len(content) > 3 * 64 * 1024
    assert blocks_read(content) <= blocks


def test_a_block_is_read_to_its_end_and_the_next_where_it_is_short() -> None:
    file = CountedFile(bytes(200_000))
    assert len(read_block(file, 0)) == 65_536
    assert len(read_block(file, 60_000)) == 5536
    assert len(read_block(file, 65_000)) == 536 + 65_536


def test_a_header_beyond_what_may_be_fetched_is_a_fault() -> None:
    class Spent(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ReadBudgetError(size or 0)

    found = probe_audio(Spent(), 1000, "aiff")
    assert (rules(found), found.audio) == (["header"], None)


MAGICS = (
    *(b"fLaC\0\0\0\x22", b"FORM\0\0\0\0AIFF", b"FORM\0\0\0\0AIFCCOMM", b".snd\0\0\0\x18"),
    *(
        b"caff\0\x01\0\0desc",
        b"OggS\0\x02",
        b"ID3\x03\0\0\0\0\0\0\xff\xfb\x90\x44",
        b"\xff\xfb\x00\x44",
    ),
    *(b"RIFX\0\0\0\0WAVEfmt ", b"\xff\xf1\x4c\x80\x0c\xff\xfc"),
    bytes.fromhex("726966662e91cf11a5d628db04c10000") + bytes(8),
)


@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_any_bytes_behind_a_magic_are_survived(magic: bytes, rest: bytes) -> None:
    found = probed(magic + rest)
    assert Probe.model_validate_json(found.model_dump_json()) == found


@given(st.sampled_from(CONTAINERS), st.binary(max_size=300))
def test_any_bytes_under_any_name_are_survived(container: str, content: bytes) -> None:
    found = probe_audio(io.BytesIO(content), len(content), container)
    assert found.kind is Kind.AUDIO
    assert all(str(fault) for fault in found.faults)

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ingest_pipeline_tests.media.sounds import id3v2, probed, rules, shape

RNG = np.random.default_rng(1)


def flac(frames: int = 48_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    noise = RNG.uniform(-0.5, 0.5, (frames, channels))
    soundfile.write(file, noise, 48_000, format="FLAC", subtype="PCM_24")
    return file.getvalue()


WHOLE = flac()
STREAMINFO = 8  # where its body begins


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_one_that_is_cut_off_is_refused(part: float) -> None:
    found = probed(WHOLE[: int(len(WHOLE) * part)])
    assert rules(found) == ["complete"]
    assert str(found.faults[0].found).startswith("the last frame in it ends at sample ")
    assert found.faults[0].wanted == "48000 samples"


@pytest.mark.parametrize("frames", [1, 15, 4096, 4097, 48_000, 131_072])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_whole_ones_are_valid_whatever_their_length(frames: int, channels: int) -> None:
    found = probed(flac(frames, channels))
    assert shape(found) == (frames, 48_000, channels, 24)
    assert found.faults == ()


def test_metadata_alone_is_refused() -> None:
    start = WHOLE.index(b"\xff\xf8")
    assert rules(probed(WHOLE[:start])) == ["complete"]
    assert rules(probed(WHOLE[:30])) == ["header"]


def test_an_unknown_length_is_a_warning() -> None:
    content = bytearray(WHOLE)
    content[STREAMINFO + 13] &= 0xF0
    content[STREAMINFO + 14 : STREAMINFO + 18] = bytes(4)
    found = probed(bytes(content))
    assert shape(found) == (None, 48_000, 1, 24)
    assert found.audio is not None
    assert found.audio.duration is None
    assert found.faults == ()
    assert found.warnings == ("the encoder did not write how many frames there are",)


@pytest.mark.parametrize("tag_bytes", [100, 300_000])
def test_an_id3_tag_may_stand_before_it(tag_bytes: int) -> None:
    found = probed(id3v2(tag_bytes) + WHOLE)
    assert (found.container, found.faults) == ("flac", ())
    assert shape(found) == (48_000, 48_000, 1, 24)


def test_the_sample_with_a_wrong_last_byte_is_still_whole() -> None:
    sample = (Path(__file__).parents[3] / "media" / "audio_6.flac").read_bytes()
    assert probed(sample[:-1] + b"\0").faults == ()

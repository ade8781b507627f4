import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ingest_pipeline_tests.media.sounds import libsndfile_frames, probed, rules, shape


def rifx(subtype: str = "PCM_24", frames: int = 1000, format_: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(
        file, np.zeros((frames, 2)), 48_000, format=format_, subtype=subtype, endian="BIG"
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("subtype", "codec", "bits"),
    [("PCM_16", "pcm", 16), ("PCM_24", "pcm", 24), ("FLOAT", "pcm_float", 32), ("ULAW", "ulaw", 8)],
)
def test_what_libsndfile_writes(subtype: str, codec: str, bits: int) -> None:
    content = rifx(subtype)
    found = probed(content)
    assert content.startswith(b"RIFX")
    assert (found.container, found.codec, found.faults) == ("rifx", codec, ())
    assert shape(found) == (1000, 48_000, 2, bits)


def test_the_real_ones_of_scipy() -> None:
    spec = importlib.util.find_spec("scipy")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0], "io", "tests", "data")
    paths = [path for path in folder.glob("*be*.wav") if path.read_bytes().startswith(b"RIFX")]
    assert len(paths) >= 3
    for path in paths:
        found = probed(path.read_bytes())
        assert found.faults == ()
        oracle = soundfile.info(path)
        assert shape(found)[:3] == (oracle.frames, oracle.samplerate, oracle.channels)


def test_one_that_is_cut_off_is_refused() -> None:
    assert rules(probed(rifx()[:-7])) == ["complete"]
    assert libsndfile_frames(rifx()) == 1000

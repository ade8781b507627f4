import io

import numpy as np
import pytest
import soundfile

from ingest_pipeline_tests.media.sounds import libsndfile_frames, probed, rules, shape


def w64(frames: int, subtype: str = "PCM_24") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(frames), 48_000, format="W64", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 7, 1001])
def test_sizes_that_are_no_multiple_of_eight(frames: int) -> None:
    content = w64(frames)
    assert shape(probed(content)) == (libsndfile_frames(content), 48_000, 1, 24)
    assert probed(content).faults == ()


def test_a_size_that_a_pipe_never_got() -> None:
    content = w64(1000)
    at = content.index(b"data") + 16
    open_ended = content[:at] + (2**63 - 1).to_bytes(8, "little") + content[at + 8 :]
    found = probed(open_ended)
    assert (shape(found)[0], found.faults) == (1000, ())
    assert len(found.warnings) == 1


def test_faults() -> None:
    content = w64(1000)
    assert rules(probed(content[:-100])) == ["complete"]
    assert rules(probed(content.replace(b"fmt ", b"fnt "))) == ["fmt"]
    assert rules(probed(content.replace(b"wave", b"wawe"))) == ["header"]

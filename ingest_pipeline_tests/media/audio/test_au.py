import struct

import pytest

from ingest_pipeline_tests.media.sounds import libsndfile_frames, probed, rules, shape


def au(audio: bytes, size: int | None = None, *, encoding: int = 4, note: bytes = b"") -> bytes:
    return au_of(audio, (size, encoding, 48_000, 2), note)


def au_of(audio: bytes, fields: tuple[int | None, int, int, int], note: bytes = b"") -> bytes:
    size, encoding, rate, channels = fields
    told = len(audio) if size is None else size
    return (
        struct.pack(">4s5I", b".snd", 24 + len(note), told, encoding, rate, channels) + note + audio
    )


@pytest.mark.parametrize(
    ("encoding", "codec", "bits"),
    [
        *[(1, "ulaw", 8), (2, "pcm", 8), (3, "pcm", 16), (4, "pcm", 24), (5, "pcm", 32)],
        *[(6, "pcm_float", 32), (7, "pcm_float", 64), (27, "alaw", 8)],
    ],
)
def test_encodings(encoding: int, codec: str, bits: int) -> None:
    content = au(bytes(100 * 2 * bits // 8), encoding=encoding)
    found = probed(content)
    assert (found.codec, found.faults, found.warnings) == (codec, (), ())
    assert shape(found) == (libsndfile_frames(content), 48_000, 2, bits)
    assert shape(found)[0] == 100


def test_a_size_that_was_never_written() -> None:
    found = probed(au(bytes(600), size=0xFFFFFFFF, note=b"a note\0\0"))
    assert shape(found)[0] == 100
    assert found.warnings == ("the audio's size was never written: it runs to the object's end",)
    assert found.metadata == {"tags": {"comment": "a note"}}
    assert found.faults == ()


def test_faults() -> None:
    assert rules(probed(au(bytes(600))[:-1])) == ["complete"]
    assert rules(probed(au(bytes(600))[:20])) == ["header"]
    assert rules(probed(au_of(bytes(600), (None, 4, 0, 2)))) == ["sample_rate"]
    assert rules(probed(au_of(bytes(600), (None, 4, 48_000, 0)))) == ["channel_count"]
    assert probed(au(bytes(600)) + b"junk").warnings == ("4 bytes behind the audio",)

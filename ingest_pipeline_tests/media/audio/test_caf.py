import struct

import pytest

from ingest_pipeline_tests.media.sounds import libsndfile_frames, probed, rules, shape


def chunk(ident: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">4sq", ident, len(body) if size is None else size) + body


def desc(
    codec: bytes = b"lpcm", flags: int = 2, packet: tuple[int, int] = (6, 1), bits: int = 24
) -> bytes:
    return chunk(b"desc", struct.pack(">d4s5I", 48_000.0, codec, flags, *packet, 2, bits))


def caf(*chunks: bytes) -> bytes:
    return b"caff\0\x01\0\0" + b"".join(chunks)


AUDIO = bytes(4 + 600)


def test_linear_pcm() -> None:
    found = probed(caf(desc(), chunk(b"data", AUDIO)))
    assert (found.codec, found.faults, found.warnings) == ("pcm", (), ())
    assert shape(found) == (100, 48_000, 2, 24)
    assert libsndfile_frames(caf(desc(), chunk(b"data", AUDIO))) == 100
    assert (
        probed(caf(desc(flags=1, packet=(8, 1), bits=32), chunk(b"data", AUDIO))).codec
        == "pcm_float"
    )


def test_a_size_of_minus_one_runs_to_the_end() -> None:
    found = probed(caf(desc(), chunk(b"data", AUDIO, size=-1)))
    assert shape(found)[0] == 100
    assert found.faults == ()
    assert len(found.warnings) == 1


def test_texts_stand_before_or_behind_the_audio() -> None:
    info = chunk(b"info", struct.pack(">I", 1) + b"title\0Song\0")
    assert probed(caf(desc(), info, chunk(b"data", AUDIO))).metadata == {"tags": {"title": "Song"}}
    assert probed(caf(desc(), chunk(b"data", AUDIO), info)).metadata == {"tags": {"title": "Song"}}


@pytest.mark.parametrize("atoms", [b"", struct.pack(">I8sI4sI", 12, b"frmaalac", 36, b"alac", 0)])
@pytest.mark.parametrize("flags", [0, 3])
def test_alac_tells_its_frames_in_the_packet_table_and_its_bits(atoms: bytes, flags: int) -> None:
    table = chunk(b"pakt", struct.pack(">qqii", 2, 5000, 0, 3192))
    cookie = chunk(b"kuki", atoms + struct.pack(">IBB", 4096, 0, 24) + bytes(18))
    content = caf(desc(b"alac", flags, (0, 4096), 0), cookie, table, chunk(b"data", AUDIO))
    found = probed(content)
    assert (found.codec, shape(found)) == ("alac", (5000, 48_000, 2, 24))


def test_faults() -> None:
    whole = caf(desc(), chunk(b"data", AUDIO))
    assert rules(probed(whole[:-1])) == ["complete"]
    assert rules(probed(caf(desc()))) == ["data"]
    assert rules(probed(caf(chunk(b"data", AUDIO)))) == ["header"]

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ingest_pipeline.media.model import Kind
from ingest_pipeline_tests.media.sounds import (
    decoded_frames,
    libsndfile_frames,
    probed,
    rules,
    shape,
    tone,
)


def ogg(subtype: str = "VORBIS", frames: int = 96_000, rate: int = 48_000) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, frames)
    soundfile.write(file, noise, rate, format="OGG", subtype=subtype)
    return file.getvalue()


VORBIS = ogg()


def pages(content: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(content):
        count = content[at + 26]
        end = at + 27 + count + sum(content[at + 27 : at + 27 + count])
        found.append(content[at:end])
        at = end
    return found


def test_opus_is_of_48_khz_and_leaves_its_pre_skip_out() -> None:
    content = ogg("OPUS", frames=24_000, rate=24_000)
    assert libsndfile_frames(content) == 24_000
    assert shape(probed(content)) == (48_000, 48_000, 1, None)


def test_one_that_is_cut_off_has_what_is_left_and_a_warning() -> None:
    content = VORBIS[: len(VORBIS) * 6 // 10]
    found = probed(content)
    assert shape(found)[0] == libsndfile_frames(content)
    assert (found.faults, found.warnings) == ((), ("the last page is cut off",))


def test_one_without_its_last_page_says_so() -> None:
    content = b"".join(pages(VORBIS)[:-1])
    found = probed(content)
    assert found.warnings == ("the last page is not marked as the end",)
    assert shape(found)[0] == libsndfile_frames(content)


def test_of_a_chain_the_frames_are_not_counted() -> None:
    found = probed(VORBIS + VORBIS)
    assert shape(found) == (None, 48_000, 1, None)
    assert found.faults == ()
    assert found.warnings[0].startswith("a chain of several streams")


def test_a_chain_whose_second_stream_begins_far_behind() -> None:
    other = b"".join(page[:14] + b"abcd" + page[18:] for page in pages(VORBIS))
    assert shape(probed(ogg(frames=2_000_000) + other))[0] is None


def test_opus_that_was_cut_out_of_a_longer_one(tmp_path: Path) -> None:
    whole = tone(tmp_path / "a.opus", "-c:a", "libopus", seconds=3)
    parts = pages(whole.read_bytes())
    moved = [
        page[:6] + struct.pack("<q", int.from_bytes(page[6:14], "little") + 9_600_000) + page[14:]
        for page in parts[2:]
    ]
    found = probed(b"".join(parts[:2] + moved))
    assert shape(found)[0] == pytest.approx(decoded_frames(whole), abs=960)
    assert found.warnings == ("the count of samples does not begin at 0",)


def test_what_cannot_be_read() -> None:
    assert rules(probed(VORBIS[:30])) == ["header"]
    unknown = probed(VORBIS.replace(b"\x01vorbis", b"\x01wobble"))
    assert (unknown.kind, unknown.probed, rules(unknown)) == (Kind.AUDIO, False, ["probe"])


def test_speex_by_its_header() -> None:
    head = b"Speex   ".ljust(36, b"\0") + struct.pack("<IIII", 16_000, 1, 4, 1)
    packet = head.ljust(80, b"\0")
    first = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 7, 0, 0, 1, len(packet)) + packet
    last = struct.pack("<4sBBqIIIBB", b"OggS", 0, 4, 32_000, 7, 1, 0, 1, 10) + bytes(10)
    found = probed(first + last)
    assert (found.codec, shape(found)) == ("speex", (32_000, 16_000, 1, None))


def test_a_skeleton_before_the_sound_is_passed_over() -> None:
    body = b"fishead\0".ljust(64, b"\0")
    skeleton = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 9, 0, 0, 1, len(body)) + body
    assert shape(probed(skeleton + VORBIS)) == (96_000, 48_000, 1, None)


def test_one_of_which_no_page_of_sound_is_whole_is_refused() -> None:
    first, headers, sound, *_ = pages(VORBIS)
    (fault,) = probed(first + headers + sound[: len(sound) // 2]).faults
    assert (fault.rule, fault.found) == ("complete", "the last page is cut off")

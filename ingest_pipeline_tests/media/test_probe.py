import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.media.audio.metadata import MetadataReader
from ingest_pipeline.media.image.reader import ImageReader
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.media.probe import HEAD_BYTES, MAX_WARNINGS, PROBED, probe
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.media.pictures import corner, encoded
from ingest_pipeline_tests.media.riff import chunk, data, fmt, id3, info, riff
from ingest_pipeline_tests.media.test_sniff import TGA, ftyp

JPEG_XL = wavs.JPEG_XL
SAMPLES = Path(__file__).parents[2] / "media"


def probed(content: bytes, reader: MetadataReader | None = None) -> Probe:
    return probe(io.BytesIO(content), len(content), reader)


@pytest.mark.parametrize(
    ("name", "format_", "seconds"),
    [
        ("audio_1.wav", (2, 48_000, 24), "2.5"),
        ("audio_2.wav", (2, 44_100, 16), "3.0"),
        ("audio_3.wav", (2, 48_000, 24), "3.0"),
        ("audio_4.wav", (2, 48_000, 32), "2.0"),
        ("audio_5.wav", (2, 48_000, 24), "2.0"),
    ],
)
def test_the_samples_are_what_their_note_says(
    name: str, format_: tuple[int, int, int], seconds: str
) -> None:
    found = probed((SAMPLES / name).read_bytes())
    assert (found.kind, found.container, found.codec) == (Kind.AUDIO, "wav", "pcm")
    assert (found.probed, found.faults, found.warnings) == (True, (), ())
    assert found.audio is not None
    audio = found.audio
    assert (audio.channel_count, audio.sample_rate, audio.bits_per_sample) == format_
    assert audio.duration == seconds


def test_metadata_of_the_samples_is_read() -> None:
    with MetadataReader() as reader:
        third = probed((SAMPLES / "audio_3.wav").read_bytes(), reader)
        fifth = probed((SAMPLES / "audio_5.wav").read_bytes(), reader)
    assert third.metadata["info"] == {
        "title": "C major",
        "artist": "make_samples.py",
        "created_date": "2026-01-01",
    }
    assert third.audio is not None
    assert third.audio.channel_layout == ("FL", "FR")
    bext = fifth.metadata["bext"]
    assert isinstance(bext, dict)
    assert (bext["description"], bext["originator"]) == ("D minor", "make_samples.py")


@pytest.mark.parametrize("tags", [id3(15), id3(70_000), id3(10) * 2])
def test_an_id3_tag_before_a_wav_is_a_warning(tags: bytes) -> None:
    wav = riff(fmt(), data(), info(INAM="title"))
    with MetadataReader() as reader:
        found = probed(tags + wav, reader)
        assert found.audio == probed(wav).audio
    assert (found.kind, found.container, found.probed) == (Kind.AUDIO, "wav", True)
    assert (found.faults, found.metadata) == ((), {"info": {"title": "title"}})
    assert found.warnings == (f"an ID3v2 tag of {len(tags)} bytes before the RIFF",)


def test_half_a_wav_behind_an_id3_tag_is_no_whole_one() -> None:
    found = probed(id3(1000) + riff(fmt(), data())[:-1])
    assert [fault.rule for fault in found.faults] == ["complete"]


def test_without_a_reader_no_metadata_is_read() -> None:
    assert probed(riff(fmt(), info(INAM="title"), data())).metadata == {}


def test_broken_metadata_is_a_warning_and_no_fault() -> None:
    with MetadataReader() as reader:
        found = probed(riff(fmt(), chunk(b"bext", b"short"), data()), reader)
    assert (found.faults, found.metadata) == ((), {})
    assert [text.split(":")[0] for text in found.warnings] == ["metadata bext not read"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (JPEG_XL, Probe(kind=Kind.IMAGE, container="jxl", probed=False)),
        (TGA, Probe(kind=Kind.IMAGE, container="tga", probed=False)),
        (ftyp(b"crx "), Probe(kind=Kind.IMAGE, container="cr3", probed=False)),
        (b"#!AMR\n", Probe(kind=Kind.AUDIO, container="amr", probed=False)),
        (b"hello", Probe(kind=Kind.OTHER, container="text")),
        (b"\x00\x01", Probe(kind=Kind.OTHER)),
        (b"", Probe(kind=Kind.EMPTY)),
    ],
)
def test_other_kinds_are_recognised_and_left_alone(content: bytes, wanted: Probe) -> None:
    assert probed(content) == wanted


@pytest.mark.parametrize(
    ("content", "kind", "container", "mode"),
    [
        (encoded(corner(), "PNG"), Kind.IMAGE, "png", "RGB"),
        (encoded(corner("CMYK"), "JPEG"), Kind.IMAGE, "jpeg", "CMYK"),
        (encoded(corner(), "DIB"), Kind.IMAGE, "dib", "RGB"),
        (encoded(corner(), "AVIF", speed=10), Kind.IMAGE, "avif", "RGB"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', Kind.OTHER, "text", None),
        (b"<!doctype html><title>404</title>", Kind.OTHER, "text", None),
    ],
)
def test_an_image_is_one_by_its_content(
    content: bytes, kind: Kind, container: str, mode: str | None
) -> None:
    with ImageReader() as images:
        found = probe(io.BytesIO(content), len(content), images=images)
    assert found == probed(content)
    assert (found.kind, found.container, found.probed) == (kind, container, True)
    assert (found.image.mode if found.image else None) == mode
    assert (found.faults, found.warnings) == ((), ())


def test_faults_are_those_of_the_walk() -> None:
    (fault,) = probed(riff(fmt(), data(size=1000))).faults
    assert fault.rule == "complete"


def test_warnings_do_not_flood_the_report() -> None:
    found = probed(riff(fmt(), *[data(1)] * 900))
    assert len(found.warnings) == MAX_WARNINGS


def test_the_probed_kinds_are_named() -> None:
    assert (
        *("audio/wav", "audio/rf64", "audio/bw64", "audio/flac"),
        *("audio/mp3", "audio/mp2", "audio/mp1", "audio/aac", "audio/ogg", "audio/aiff"),
        *("audio/aifc", "audio/w64", "audio/caf", "audio/au", "audio/rifx", "audio/m4a"),
        *("video/mp4", "video/mov", "video/3gp", "video/webm", "video/matroska", "video/avi"),
        *("video/mpeg-ts", "video/mpeg-ps", "video/ogg", "video/flv", "video/asf"),
        *("image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp"),
        *("image/dib", "image/avif", "image/heic"),
    ) == PROBED


def test_no_more_than_a_block_is_read_of_what_is_not_probed() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.taken += len(content)
            return content

    content = JPEG_XL + bytes(200_000)
    file = Counting(content)
    probe(file, len(content))
    assert file.taken == HEAD_BYTES


@given(st.binary(max_size=300))
def test_a_probe_survives_any_bytes_and_a_table_row(content: bytes) -> None:
    found = probed(content)
    assert Probe.model_validate_json(found.model_dump_json()) == found

import io
import random
import struct
import wave
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.sniff import Sniffed, sniff
from ingest_pipeline_tests.media.riff import data, fmt, riff


def of(head: bytes) -> str:
    sniffed = sniff(head, len(head))
    return f"{sniffed.kind}/{sniffed.container}"


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", brand + bytes(4) + b"".join(compatible)) + bytes(50)


MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # MPEG-1 layer III, 128 kbit/s, 44,100 Hz: 417 bytes
AAC_FRAME = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)  # ADTS of 16 bytes
TS_PACKET = b"\x47\x40\x00\x10" + bytes(184)
BMP = b"BM" + struct.pack("<IIIIiiHH", 58, 0, 54, 40, 1, 1, 1, 24) + bytes(28)
EBML = b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm"

EXAMPLES = [
    (riff(fmt(), data()), "audio/wav"),
    (riff(fmt(), data(), magic=b"RF64"), "audio/rf64"),
    (riff(fmt(), data(), magic=b"BW64"), "audio/bw64"),
    (riff(fmt(), data(), magic=b"RIFX"), "audio/rifx"),
    (riff(form=b"AVI "), "video/avi"),
    (riff(form=b"WEBP"), "image/webp"),
    (riff(form=b"ACON"), "other/riff (ACON)"),
    (riff(form=b"\x00\xffa\n"), "other/riff (??a?)"),
    (b"RIFF\x00\x00\x00\x00", "other/None"),
    (b"fLaC" + bytes(40), "audio/flac"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + MP3_FRAME, "audio/mp3"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x05hellofLaC", "audio/flac"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + AAC_FRAME, "audio/aac"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + riff(fmt(), data()), "audio/wav"),
    (b"ID3\x04\x00\x10\x00\x00\x00\x05hello" + bytes(10) + riff(magic=b"RF64"), "audio/rf64"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + riff(form=b"AVI "), "audio/mp3"),
    (b"ID3\x04\x00\x00\x80\x80\x80\x80nothing", "other/None"),
    (MP3_FRAME * 3, "audio/mp3"),
    (MP3_FRAME, "audio/mp3"),
    (MP3_FRAME + bytes(3000), "other/None"),
    (b"\xff\xfd\x84\x00" + bytes(477) + b"\xff\xfd\x84\x00" + bytes(476), "other/None"),
    (AAC_FRAME * 3, "audio/aac"),
    (AAC_FRAME + bytes(300), "other/None"),
    (b"OggS\x00\x02" + bytes(22) + b"\x01\x1e\x01vorbis", "audio/ogg"),
    (b"OggS\x00\x02" + bytes(22) + b"\x01\x2a\x80theora", "video/ogg"),
    (b"OggS\x00\x02" + bytes(22) + b"\x01\x1aOVP80", "video/ogg"),
    (b"FORM\x00\x00\x00\x10AIFF", "audio/aiff"),
    (b"FORM\x00\x00\x00\x10AIFC", "audio/aifc"),
    (b"FORM\x00\x00\x00\x10ILBM", "other/None"),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "audio/w64"),
    (b"caff\x00\x01\x00\x00", "audio/caf"),
    (b"#!AMR\n", "audio/amr"),
    (ftyp(b"isom", b"mp42"), "video/mp4"),
    (ftyp(b"qt  "), "video/mov"),
    (ftyp(b"3gp5"), "video/3gp"),
    (ftyp(b"M4A "), "audio/m4a"),
    (ftyp(b"heic", b"mif1"), "image/heic"),
    (ftyp(b"mif1", b"mif1", b"avif"), "image/avif"),
    (ftyp(b"mif1", b"heic"), "image/heic"),
    (ftyp(b"avif"), "image/avif"),
    (box(b"moov", bytes(20)), "video/mov"),
    (b"xxxxfree for all", "other/text"),
    (EBML + b"\x86\x85V_VP8\x86\x86A_OPUS", "video/webm"),
    (EBML + b"\x86\x86A_OPUS", "audio/webm"),
    (EBML.replace(b"webm", b"matr"), "video/matroska"),
    (TS_PACKET * 5, "video/mpeg-ts"),
    ((bytes(4) + TS_PACKET) * 5, "video/mpeg-ts"),
    (TS_PACKET * 3, "other/None"),
    (b"G" * 2000, "other/text"),
    (b"\x00\x00\x01\xba\x44", "video/mpeg-ps"),
    (b"FLV\x01\x05", "video/flv"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "video/asf"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (BMP, "image/bmp"),
    (b"BM is how many a text begins, and some are long enough", "other/text"),
    (b"%PDF-1.7", "other/pdf"),
    (b"PK\x03\x04", "other/zip"),
    (b"hello, w\xc3\xb6rld\n", "other/text"),
    ("hello".encode("utf-16"), "other/text"),
    (b"hello\x00world", "other/None"),
    (b"caf\xe9", "other/None"),
]


@pytest.mark.parametrize(("head", "wanted"), EXAMPLES)
def test_content_is_recognised(head: bytes, wanted: str) -> None:
    assert of(head) == wanted


def test_mp2_and_mp1_are_told_apart_from_mp3() -> None:
    layer_2 = b"\xff\xfd\x84\x00" + bytes(380)  # 128 kbit/s at 48,000 Hz: 384 bytes
    layer_1 = b"\xff\xff\x44\x00" + bytes(124)  # 128 kbit/s at 48,000 Hz: 128 bytes
    assert of(layer_2 * 3) == "audio/mp2"
    assert of(layer_1 * 3) == "audio/mp1"


def test_nothing_is_empty() -> None:
    assert sniff(b"", 0) == Sniffed(Kind.EMPTY)


def test_a_character_cut_by_the_end_of_the_head_is_still_text() -> None:
    text = "ä".encode() * 40_000
    assert sniff(text[:65_535], len(text)) == Sniffed(Kind.OTHER, "text")


@pytest.mark.parametrize("form", ["WAV", "RF64", "W64", "AIFF", "CAF", "FLAC", "OGG", "MP3", "AU"])
def test_what_libsndfile_writes_is_audio(form: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, [0.0, 0.1] * 4000, 44_100, format=form)
    content = file.getvalue()
    sniffed = sniff(content[:65_536], len(content))
    assert sniffed == Sniffed(Kind.AUDIO, form.lower())


def test_what_the_standard_library_writes_is_wav(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "photo.jpg"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    assert of((tmp_path / "photo.jpg").read_bytes()) == "audio/wav"


def test_random_bytes_are_hardly_ever_media() -> None:
    source = random.Random(1)  # noqa: S311 - the same bytes every time
    taken = [source.randbytes(4096) for _ in range(5_000)]
    assert {of(head) for head in taken} == {"other/None"}


@given(st.binary(max_size=600), st.integers(min_value=0, max_value=2**40))
def test_no_bytes_raise(head: bytes, size: int) -> None:
    assert sniff(head, size).kind in Kind


@given(st.sampled_from([head for head, _ in EXAMPLES]), st.data())
def test_no_beginning_of_anything_raises(head: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(min_value=0, max_value=len(head)))
    assert sniff(head[:cut], len(head)).kind in Kind

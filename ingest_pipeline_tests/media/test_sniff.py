import io
import random
import struct
import wave
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.sniff import Sniffed, sniff
from ingest_pipeline_tests.media.pictures import encoded
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

TGA = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 64, 48, 24, 0)  # 24 bits, no palette
GREY_TGA = struct.pack("<BBBHHBHHHHBB", 4, 0, 11, 0, 0, 0, 0, 0, 64, 48, 8, 0x20)
PALETTE_TGA = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 256, 24, 0, 0, 64, 48, 8, 0)

PICTURES = [
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + ftyp(b"jp2 "), "jp2"),
    (b"\xff\x4f\xff\x51\x00\x2f", "j2k"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + ftyp(b"jxl "), "jxl"),
    (b"\xff\x0a\xf8\x1f", "jxl"),
    (b"\xff\xd8\xff\xf7\x00\x0b", "jpeg-ls"),
    (b"II\xbc\x01\x20", "jxr"),
    (b"8BPS\x00\x01" + bytes(6) + b"\x00\x03", "psd"),
    (b"8BPS\x00\x02" + bytes(6) + b"\x00\x03", "psd"),
    (b"gimp xcf v011\x00", "xcf"),
    (b"P1\n# drawn by hand\n2 2\n1 0 0 1\n", "pbm"),
    (b"P4 8 1\n\xff", "pbm"),
    (b"P2\n2 2\n255\n0 1 2 3\n", "pgm"),
    (b"P5 2 2 255\n\x00\x01\x02\x03", "pgm"),
    (b"P3\t1\r\n1 # one\n255\n0 0 0\n", "ppm"),
    (b"P6\n64 48\n255\n\xff\x00\x00", "ppm"),
    (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nENDHDR\n", "pam"),
    (b"Pf\n2 2\n-1.0\n" + bytes(16), "pfm"),
    (b"#define dot_width 8\n#define dot_height 1\nstatic char dot_bits[] = {", "xbm"),
    (b"/* XPM */\nstatic char *dot[] = {", "xpm"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%Creator: nobody", "eps"),
    (TGA + bytes(20), "tga"),
    (GREY_TGA + bytes(20), "tga"),
    (PALETTE_TGA + bytes(20), "tga"),
    (b"v/1\x01\x02\x00\x00\x00", "exr"),
    (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "hdr"),
    (b"SIMPLE  =                    T / FITS", "fits"),
    (b"\x01\x00\x00\x00" + bytes(36) + b" EMF", "emf"),
    (b"\xd7\xcd\xc6\x9a\x00\x00", "wmf"),
    (b"\x00\x01\x00\x00\x11\xaf" + bytes(122), "fli"),
    # raw photos
    (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "cr2"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "crw"),
    (ftyp(b"crx ", b"crx ", b"isom"), "cr3"),
    (b"FUJIFILMCCD-RAW 0201FF129502X-T3", "raf"),
    (b"IIRO\x08\x00\x00\x00", "orf"),
    (b"IIU\x00\x18\x00\x00\x00", "rw2"),
    (b"FOVb\x03\x00", "x3f"),
    (b"\x00MRM\x00\x01", "mrw"),
    (b"II*\x00\x08\x00\x00\x00IIII", "iiq"),
]

# Of text and data that begin much as pictures do.
NO_PICTURES = [
    (b"P1 is the first of six prizes", "other/text"),
    (b"P6 640 by 480, as the others\n", "other/text"),
    (b"P1" + b" " * 60_000 + b"x", "other/text"),
    (b"Chapter IIII", "other/text"),
    (b"icns are the icons of macOS", "other/text"),
    (b"DanMark, LinSeed and FTEXt are no words", "other/text"),
    (b"#define the_width 8\n#define the_depth 8\n", "other/text"),
    (b"%!PS-Adobe-3.0\n%%Pages: 3", "other/text"),
    (b"qoif\x00\x00\x00\x40\x00\x00\x00\x30\x05\x00", "other/None"),
    (b"\x00\x00\x01\x00\x00\x00" + bytes(30), "other/None"),  # an icon of no pictures
    (TGA[:16] + b"\x07\x00", "other/None"),  # of 7 bits a pixel
    (bytes(100), "other/None"),
]

EXAMPLES = [
    *((head, f"image/{container}") for head, container in PICTURES),
    *NO_PICTURES,
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
    (b"wvpk" + bytes(60), "audio/wavpack"),
    (b"MAC \x96\x0f", "audio/ape"),
    (b"\x0b\x77" + bytes(60), "audio/ac3"),
    (b"Creative Voice File\x1a\x1a\x00", "audio/voc"),
    (b"NIST_1A\n   1024\n", "audio/nist"),
    (b"\x00\x02\xa3\x64" + bytes(60), "audio/ircam"),
    (b"FORM\x00\x00\x00\x708SVXVHDR", "audio/8svx"),
    (b"MThd\x00\x00\x00\x06\x00\x01", "audio/midi"),
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
    (BMP[:10] + bytes(4) + BMP[14:], "image/bmp"),  # the pixels follow
    (BMP[:26] + b"\x00\x00" + BMP[28:], "image/bmp"),  # no colour planes, or three
    (BMP[:26] + b"\x03\x00" + BMP[28:], "image/bmp"),
    (BMP[:26] + b"\x03\x00\x07\x00" + BMP[30:], "other/None"),
    (BMP[14:], "image/dib"),
    (BMP[14:26] + b"\x03\x00" + BMP[28:], "image/dib"),
    (struct.pack("<IHHHH", 12, 1, 1, 1, 24) + bytes(4), "image/dib"),
    (struct.pack("<IHHHH", 12, 1, 1, 3, 24) + bytes(4), "other/None"),
    (struct.pack("<IHHHH", 12, 0, 1, 1, 24) + bytes(4), "other/None"),
    (struct.pack("<IiiHHI", 40, 1, 1, 1, 24, 99) + bytes(40), "other/None"),
    (struct.pack("<IiiHHI", 40, 0, 1, 1, 24, 0) + bytes(40), "other/None"),
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


@pytest.mark.parametrize(
    ("form", "mode", "container"),
    [
        ("JPEG2000", "RGB", "jp2"),
        ("ICO", "RGBA", "ico"),
        ("ICNS", "RGBA", "icns"),
        ("QOI", "RGB", "qoi"),
        ("TGA", "RGB", "tga"),
        ("TGA", "RGBA", "tga"),
        ("TGA", "P", "tga"),
        ("TGA", "L", "tga"),
        ("TGA", "1", "tga"),
        ("PPM", "1", "pbm"),
        ("PPM", "L", "pgm"),
        ("PPM", "I;16", "pgm"),
        ("PPM", "RGB", "ppm"),
        ("PPM", "F", "pfm"),
        ("PCX", "RGB", "pcx"),
        ("PCX", "1", "pcx"),
        ("SGI", "RGB", "sgi"),
        ("DDS", "RGBA", "dds"),
        ("BLP", "P", "blp"),
        ("MSP", "1", "msp"),
        ("XBM", "1", "xbm"),
        ("EPS", "RGB", "eps"),
        ("AVIF", "RGB", "avif"),
        ("BMP", "P", "bmp"),
        ("DIB", "P", "dib"),
        ("DIB", "1", "dib"),
        ("DIB", "RGB", "dib"),
    ],
)
def test_what_pillow_writes_is_an_image(form: str, mode: str, container: str) -> None:
    image = Image.new("L", (64, 48)).convert(mode)
    content = encoded(image, form)
    assert sniff(content[:65_536], len(content)) == Sniffed(Kind.IMAGE, container)


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

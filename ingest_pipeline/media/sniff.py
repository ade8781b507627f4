"""What a file is, told from its first bytes alone; a name or a Content-Type plays no part."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

from ingest_pipeline.media.audio.mpeg_frame import (
    adts_frame_bytes,
    free_format_bytes,
    mpeg_frame,
    mpeg_frame_bytes,
)
from ingest_pipeline.media.image.magic import container_by_fields, container_by_magic
from ingest_pipeline.media.model import Kind


@dataclass(frozen=True)
class Sniffed:
    """The kind of a file and its container: `audio`/"wav", `image`/"jpeg", `other`/"text"."""

    kind: Kind
    container: str | None = None


def sniff(head: bytes, size: int) -> Sniffed:
    """Recognises a file by its content.

    `head` is the file's beginning (64 KiB is plenty, less is fine), `size` the whole file's length
    in bytes. Never raises; what is not recognised is `Kind.OTHER`.
    """
    if size == 0:
        return Sniffed(Kind.EMPTY)
    for recognise in _RECOGNISERS:
        if sniffed := recognise(head, size):
            return sniffed
    return Sniffed(Kind.OTHER, "text" if _is_text(head, size) else None)


def printable(raw: bytes) -> str:
    """Make a four-character code fit for people: bytes outside printable ASCII become `?`."""
    return "".join(chr(byte) if _SPACE <= byte <= _TILDE else "?" for byte in raw)


_SPACE, _TILDE = 0x20, 0x7E  # the first and last printable ASCII characters

_PREFIXES = (
    (b"fLaC", Sniffed(Kind.AUDIO, "flac")),
    (b"caff\x00\x01", Sniffed(Kind.AUDIO, "caf")),
    (b"#!AMR", Sniffed(Kind.AUDIO, "amr")),
    (b".snd\x00\x00", Sniffed(Kind.AUDIO, "au")),
    (b"ADIF", Sniffed(Kind.AUDIO, "aac")),
    # What libsndfile or ffmpeg opens and we do not probe: recognised, so that it is kept.
    (b"wvpk", Sniffed(Kind.AUDIO, "wavpack")),
    (b"TTA1", Sniffed(Kind.AUDIO, "tta")),
    (b"TTA2", Sniffed(Kind.AUDIO, "tta")),
    (b"MAC ", Sniffed(Kind.AUDIO, "ape")),
    (b"MPCK", Sniffed(Kind.AUDIO, "musepack")),
    (b"MP+", Sniffed(Kind.AUDIO, "musepack")),
    (b"OFR ", Sniffed(Kind.AUDIO, "optimfrog")),
    (b"ajkg", Sniffed(Kind.AUDIO, "shorten")),
    (b"DSD \x1c\x00\x00\x00", Sniffed(Kind.AUDIO, "dsf")),
    (b"FRM8\x00\x00", Sniffed(Kind.AUDIO, "dff")),
    (b"\x0b\x77", Sniffed(Kind.AUDIO, "ac3")),
    (b"\x7f\xfe\x80\x01", Sniffed(Kind.AUDIO, "dts")),
    (b"Creative Voice File\x1a", Sniffed(Kind.AUDIO, "voc")),
    (b"NIST_1A\n", Sniffed(Kind.AUDIO, "nist")),
    (b"\x64\xa3\x01\x00", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x64\xa3\x02\x00", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x64\xa3\x03\x00", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x64\xa3\x04\x00", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x00\x01\xa3\x64", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x00\x02\xa3\x64", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x00\x03\xa3\x64", Sniffed(Kind.AUDIO, "ircam")),
    (b"\x00\x04\xa3\x64", Sniffed(Kind.AUDIO, "ircam")),
    (b" paf", Sniffed(Kind.AUDIO, "paf")),
    (b"fap ", Sniffed(Kind.AUDIO, "paf")),
    (b"2BIT", Sniffed(Kind.AUDIO, "avr")),
    (b"PVF1\n", Sniffed(Kind.AUDIO, "pvf")),
    (b"Extended Instrument:", Sniffed(Kind.AUDIO, "xi")),
    (b"ALawSoundFile**", Sniffed(Kind.AUDIO, "wve")),
    (b"MThd\x00\x00\x00\x06", Sniffed(Kind.AUDIO, "midi")),
    # The GUID that Sony Wave64 has in the place of "RIFF".
    (bytes.fromhex("726966662e91cf11a5d628db04c10000"), Sniffed(Kind.AUDIO, "w64")),
    (b"FLV\x01", Sniffed(Kind.VIDEO, "flv")),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), Sniffed(Kind.VIDEO, "asf")),
    (b"\x00\x00\x01\xba", Sniffed(Kind.VIDEO, "mpeg-ps")),
    (b"\xff\xd8\xff", Sniffed(Kind.IMAGE, "jpeg")),
    (b"\x89PNG\r\n\x1a\n", Sniffed(Kind.IMAGE, "png")),
    (b"GIF87a", Sniffed(Kind.IMAGE, "gif")),
    (b"GIF89a", Sniffed(Kind.IMAGE, "gif")),
    (b"II*\x00", Sniffed(Kind.IMAGE, "tiff")),
    (b"MM\x00*", Sniffed(Kind.IMAGE, "tiff")),
    (b"II+\x00\x08\x00", Sniffed(Kind.IMAGE, "tiff")),  # BigTIFF
    (b"MM\x00+\x00\x08", Sniffed(Kind.IMAGE, "tiff")),
    (b"%PDF-", Sniffed(Kind.OTHER, "pdf")),
    (b"PK\x03\x04", Sniffed(Kind.OTHER, "zip")),
    (b"PK\x05\x06", Sniffed(Kind.OTHER, "zip")),  # an empty archive
)


def _picture_by_magic(head: bytes, _size: int) -> Sniffed | None:
    container = container_by_magic(head)
    return Sniffed(Kind.IMAGE, container) if container else None


def _picture_by_fields(head: bytes, size: int) -> Sniffed | None:
    container = container_by_fields(head, size)
    return Sniffed(Kind.IMAGE, container) if container else None


def _by_prefix(head: bytes, _size: int) -> Sniffed | None:
    return next((sniffed for prefix, sniffed in _PREFIXES if head.startswith(prefix)), None)


_RIFF_FORMS = {
    (b"RIFF", b"WAVE"): Sniffed(Kind.AUDIO, "wav"),
    (b"RF64", b"WAVE"): Sniffed(Kind.AUDIO, "rf64"),
    (b"BW64", b"WAVE"): Sniffed(Kind.AUDIO, "bw64"),
    (b"RIFX", b"WAVE"): Sniffed(Kind.AUDIO, "rifx"),  # big-endian
    (b"RIFF", b"AVI "): Sniffed(Kind.VIDEO, "avi"),
    (b"RIFF", b"WEBP"): Sniffed(Kind.IMAGE, "webp"),
}
_RIFF_MAGICS = frozenset(magic for magic, _ in _RIFF_FORMS)
_RIFF_HEADER_BYTES = 12


def _riff(head: bytes, _size: int) -> Sniffed | None:
    if head[:4] not in _RIFF_MAGICS or len(head) < _RIFF_HEADER_BYTES:
        return None
    magic, form = head[:4], head[8:12]
    foreign = Sniffed(Kind.OTHER, f"{printable(magic).lower()} ({printable(form)})")
    return _RIFF_FORMS.get((magic, form), foreign)


def _aiff(head: bytes, _size: int) -> Sniffed | None:
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return Sniffed(Kind.AUDIO, printable(head[8:12]).lower())
    return None


_OGG_VIDEO = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x01video")  # Theora, VP8, Dirac, OGM
_OGG_FIRST_PAGES_BYTES = 4096  # every stream's first page comes before any other page


def _ogg(head: bytes, _size: int) -> Sniffed | None:
    if not head.startswith(b"OggS\x00"):
        return None
    first_pages = head[:_OGG_FIRST_PAGES_BYTES]
    is_video = any(codec in first_pages for codec in _OGG_VIDEO)
    return Sniffed(Kind.VIDEO if is_video else Kind.AUDIO, "ogg")


_ISO_BRANDS = {
    b"M4A ": Sniffed(Kind.AUDIO, "m4a"),
    b"M4B ": Sniffed(Kind.AUDIO, "m4a"),
    b"M4P ": Sniffed(Kind.AUDIO, "m4a"),
    b"avif": Sniffed(Kind.IMAGE, "avif"),
    b"avis": Sniffed(Kind.IMAGE, "avif"),
    b"heic": Sniffed(Kind.IMAGE, "heic"),
    b"heix": Sniffed(Kind.IMAGE, "heic"),
    b"heim": Sniffed(Kind.IMAGE, "heic"),
    b"heis": Sniffed(Kind.IMAGE, "heic"),
    b"hevc": Sniffed(Kind.IMAGE, "heif"),  # sequences, which libheif does not open
    b"hevx": Sniffed(Kind.IMAGE, "heif"),
    b"avci": Sniffed(Kind.IMAGE, "heif"),
    b"avcs": Sniffed(Kind.IMAGE, "heif"),
    b"crx ": Sniffed(Kind.IMAGE, "cr3"),  # a raw photo of Canon's
    b"qt  ": Sniffed(Kind.VIDEO, "mov"),
}
_ISO_IMAGE_BRANDS = (b"mif1", b"msf1")  # "some image": the compatible brands say which
_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_BOX_HEADER_BYTES = 8


def _iso(head: bytes, size: int) -> Sniffed | None:
    """MP4, QuickTime, M4A, HEIC, AVIF: boxes of a 32-bit big-endian size and a name."""
    box_bytes = int.from_bytes(head[:4], "big")
    if head[4:8] == b"ftyp" and _BOX_HEADER_BYTES < box_bytes <= size:
        return _iso_brand(head[8:12], head[16:box_bytes])
    is_old_quicktime = head[4:8] in _QUICKTIME_BOXES  # from before there was an ftyp box
    if is_old_quicktime and (box_bytes == 1 or _BOX_HEADER_BYTES <= box_bytes <= size):
        return Sniffed(Kind.VIDEO, "mov")
    return None


def _iso_brand(major: bytes, compatible: bytes) -> Sniffed:
    if major in _ISO_IMAGE_BRANDS:
        return Sniffed(Kind.IMAGE, "avif" if b"avif" in compatible else "heic")
    if major[:3] in (b"3gp", b"3g2"):
        return Sniffed(Kind.VIDEO, "3gp")
    return _ISO_BRANDS.get(major, Sniffed(Kind.VIDEO, "mp4"))


# A CodecID element of Matroska: its id 0x86, a length of one byte, "V_VP8" or "A_OPUS".
_MATROSKA_CODEC = re.compile(rb"\x86[\x82-\xff]([AV])_[A-Z]")


def _matroska(head: bytes, _size: int) -> Sniffed | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    container = "webm" if b"webm" in head[:64] else "matroska"
    is_audio_only = set(_MATROSKA_CODEC.findall(head)) == {b"A"}
    return Sniffed(Kind.AUDIO if is_audio_only else Kind.VIDEO, container)


_TS_HEADER_BYTES = 4
_TS_PACKETS = 4  # random bytes pass with a chance of 1 in 10 billion
_TS_LAYOUTS = ((188, 0), (192, 4))  # packet and first sync byte; 192 is M2TS with time codes


def _mpeg_ts(head: bytes, _size: int) -> Sniffed | None:
    for stride, first in _TS_LAYOUTS:
        packets = [head[first + n * stride :][:_TS_HEADER_BYTES] for n in range(_TS_PACKETS)]
        if all(_is_ts_header(packet) for packet in packets):
            return Sniffed(Kind.VIDEO, "mpeg-ts")
    return None


def _is_ts_header(packet: bytes) -> bool:
    """Sync byte and a payload or adaptation field: a text of many "G" has neither."""
    return len(packet) == _TS_HEADER_BYTES and packet[:1] == b"\x47" and packet[3] & 0x30 != 0


_DIB_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)  # one for each version of the format
_DIB_SHORT_BYTES = 12
_DIB_DEPTHS = (1, 4, 8, 16, 24, 32)  # bits of a pixel
_DIB_COMPRESSIONS = range(6)
_BMP_FILE_HEADER_BYTES = 14


def _bmp(head: bytes, size: int) -> Sniffed | None:
    """Two letters are a weak magic, so its fields must fit too; who writes wrong planes is read."""
    offset = int.from_bytes(head[10:14], "little")  # of the pixels; 0: they follow
    dib = head[_BMP_FILE_HEADER_BYTES:]
    dib_bytes, planes, bits = _dib_fields(dib)
    fits = (
        head[:2] == b"BM"
        and dib_bytes in _DIB_HEADER_BYTES
        and (planes == 1 or bits in _DIB_DEPTHS)
        and (offset == 0 or _BMP_FILE_HEADER_BYTES + dib_bytes <= offset <= size)
    )
    return Sniffed(Kind.IMAGE, "bmp") if fits else None


def _dib(head: bytes, size: int) -> Sniffed | None:
    """A BMP without its file header, as a clipboard holds it: there is no magic at all."""
    dib_bytes, planes, bits = _dib_fields(head)
    if dib_bytes not in _DIB_HEADER_BYTES or bits not in _DIB_DEPTHS or size <= dib_bytes:
        return None
    if dib_bytes == _DIB_SHORT_BYTES:
        fits = planes == 1 and all(head[at : at + 2] > b"\x00\x00" for at in (4, 6))
    else:
        has_shape = all(head[at : at + 4] > bytes(4) for at in (4, 8))
        fits = has_shape and int.from_bytes(head[16:20], "little") in _DIB_COMPRESSIONS
    return Sniffed(Kind.IMAGE, "dib") if fits else None


def _dib_fields(head: bytes) -> tuple[int, int, int]:
    """Give a header's length, and the colour planes and bits a pixel that it tells."""
    dib_bytes = int.from_bytes(head[:4], "little")
    at = 8 if dib_bytes == _DIB_SHORT_BYTES else 12
    planes, bits = (int.from_bytes(head[n : n + 2], "little") for n in (at, at + 2))
    return dib_bytes, planes, bits


ID3_HEADER_BYTES = 10
_ID3_FOOTER = 0x10  # a flag: the header stands behind the tag once more
_ID3_LONGEST_SYNCHSAFE = 0x7F  # the four size bytes of an ID3 tag have their top bits clear


def _id3(head: bytes, _size: int) -> Sniffed | None:
    """Look behind an ID3 tag: it stands before MP3 mostly, before FLAC, AAC and WAV at times."""
    tag_bytes = id3_bytes(head)
    if not tag_bytes:
        return None
    after = head[tag_bytes:]
    if after.startswith(b"fLaC"):
        return Sniffed(Kind.AUDIO, "flac")
    inner = _riff(after, len(after))
    if inner and inner.kind is Kind.AUDIO:
        return inner
    return Sniffed(Kind.AUDIO, "aac" if adts_frame_bytes(after[:7]) else "mp3")


def id3_bytes(head: bytes) -> int:
    """Bytes of the ID3v2 tag that a file begins with; 0 without one."""
    sizes = head[6:ID3_HEADER_BYTES]
    if head[:3] != b"ID3" or len(sizes) < len(b"size") or max(sizes) > _ID3_LONGEST_SYNCHSAFE:
        return 0
    tag_bytes = sum(byte << shift for byte, shift in zip(sizes, (21, 14, 7, 0), strict=True))
    footer_bytes = ID3_HEADER_BYTES if head[5] & _ID3_FOOTER else 0
    return ID3_HEADER_BYTES + tag_bytes + footer_bytes


def _mpeg_audio(head: bytes, size: int) -> Sniffed | None:
    """MP1, MP2, MP3 and AAC (ADTS): frames one after another, without any magic."""
    if _are_frames(head, size, adts_frame_bytes):
        return Sniffed(Kind.AUDIO, "aac")
    frame = mpeg_frame(head)
    if frame and (_are_frames(head, size, mpeg_frame_bytes) or free_format_bytes(head)):
        return Sniffed(Kind.AUDIO, frame.codec)
    return None


_FRAMES = 3  # random bytes pass three headers of 11 sync bits with a chance of 1 in 10 billion


def _are_frames(head: bytes, size: int, frame_bytes: Callable[[bytes], int]) -> bool:
    """Whether the first frames follow each other, or fill the whole of a short file."""
    at = 0
    for _ in range(_FRAMES):
        header = head[at : at + 7]
        length = frame_bytes(header)
        if not length or header[1] != head[1]:
            return False
        at += length
        if at == size:
            return True
    return True


_RECOGNISERS: tuple[Callable[[bytes, int], Sniffed | None], ...] = (
    _picture_by_magic,  # some look like a TIFF or a JPEG to what follows
    _by_prefix,
    _riff,
    _aiff,
    _ogg,
    _iso,
    _matroska,
    _mpeg_ts,
    _bmp,
    _id3,
    _mpeg_audio,
    _dib,
    _picture_by_fields,
)

# Control characters that no text has; tab, line ends, form feed and escape do occur in texts.
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def _is_text(head: bytes, size: int) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decodes(head, size, "utf-16")
    return not _NOT_TEXT.search(head) and _decodes(head, size, "utf-8")


def _decodes(head: bytes, size: int, encoding: str) -> bool:
    try:  # a character may be cut where the head ends
        codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) >= size)
    except UnicodeDecodeError:
        return False
    return True

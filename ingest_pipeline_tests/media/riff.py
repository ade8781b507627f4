"""Builds WAV files byte by byte, so that each part can be wrong on purpose."""

import struct

PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def chunk(ident: bytes, body: bytes, size: int | None = None, *, is_padded: bool = True) -> bytes:
    """A chunk; `size` is what its header claims, the body's length if left out."""
    claimed = len(body) if size is None else size
    pad = b"\x00" * (len(body) % 2 if is_padded else 0)
    return ident + struct.pack("<I", claimed) + body + pad


def fmt(
    tag: int = 1,
    channels: int = 2,
    rate: int = 48000,
    bits: int = 24,
    block_align: int | None = None,
) -> bytes:
    """The fmt chunk of 16 bytes."""
    block = channels * (-(-bits // 8)) if block_align is None else block_align
    byte_rate = rate * block % 2**32
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, byte_rate, block, bits))


def extensible(
    guid: bytes = PCM_GUID, channels: int = 2, bits: int = 24, valid_bits: int = 24, mask: int = 3
) -> bytes:
    """The fmt chunk of 40 bytes, WAVE_FORMAT_EXTENSIBLE."""
    plain = fmt(0xFFFE, channels=channels, bits=bits)[8:]
    return chunk(b"fmt ", plain + struct.pack("<HHI16s", 22, valid_bits, mask, guid))


def riff(
    *chunks: bytes, magic: bytes = b"RIFF", form: bytes = b"WAVE", size: int | None = None
) -> bytes:
    """The whole file; `size` is what its header claims."""
    return chunk(magic, form + b"".join(chunks), size)


def id3(size: int) -> bytes:
    """An ID3v2 tag of `size` bytes, all of them padding."""
    body = size - 10
    return b"ID3\x03\x00\x00" + bytes(body >> n & 0x7F for n in (21, 14, 7, 0)) + bytes(body)


def ds64(riff_size: int, data_size: int) -> bytes:
    """The sizes of an RF64."""
    return chunk(b"ds64", struct.pack("<QQQI", riff_size, data_size, 0, 0))


def data(frames: int = 100, frame_bytes: int = 6, size: int | None = None) -> bytes:
    """A data chunk of silence."""
    return chunk(b"data", bytes(frames * frame_bytes), size)


def info(**fields: str) -> bytes:
    """A LIST INFO chunk, `INAM="..."`."""
    texts = (chunk(ident.encode(), text.encode() + b"\x00") for ident, text in fields.items())
    return chunk(b"LIST", b"INFO" + b"".join(texts))

"""AU, Sun's and NeXT's `.snd`: a header of 24 bytes, then the audio."""

import struct

from ingest_pipeline.media.audio.reading import (
    header_fault,
    incomplete,
    read_at,
    seconds,
    sound,
)
from ingest_pipeline.media.audio.tags import fit
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Probe, Reason

_HEADER = struct.Struct(
    ">4sIIIII"
)  # magic, where the audio begins, bytes, encoding, rate, channels
_ENCODINGS = {  # codec and bits of a sample
    1: ("ulaw", 8),
    2: ("pcm", 8),
    3: ("pcm", 16),
    4: ("pcm", 24),
    5: ("pcm", 32),
    6: ("pcm_float", 32),
    7: ("pcm_float", 64),
    23: ("g721_adpcm (23)", 4),
    25: ("g723_adpcm (25)", 3),
    26: ("g723_adpcm (26)", 5),
    27: ("alaw", 8),
}
_UNKNOWN_SIZE = 0xFFFFFFFF
_MOST_TEXT_BYTES = 2000


def probe_au(file: SeekableFile, size: int) -> Probe:
    """Probe an AU of `size` bytes."""
    header = read_at(file, 0, _HEADER.size)
    if len(header) < _HEADER.size:
        fault = header_fault(f"{len(header)} bytes", f"{_HEADER.size} bytes")
        return sound("au", None, None, faults=[fault])
    _, start, told, encoding, rate, channels = _HEADER.unpack(header)
    codec, bits = _ENCODINGS.get(encoding, (f"unknown ({encoding})", 0))
    faults = _faults(start, rate, channels)
    warnings = []
    data_bytes = told
    if told == _UNKNOWN_SIZE:
        warnings.append("the audio's size was never written: it runs to the object's end")
        data_bytes = max(0, size - start)
    elif start + told > size:
        faults.append(incomplete("the audio", start + told, size))
    elif start + told < size:
        warnings.append(f"{size - start - told} bytes behind the audio")
    frames = data_bytes * 8 // (bits * channels) if bits and channels else None
    is_whole = bits % 8 == 0 and bits > 0
    audio = AudioInfo(
        channel_count=channels,
        frame_count=frames,
        sample_rate=rate,
        bits_per_sample=bits or None,
        duration=seconds(frames, rate),
        block_align=channels * bits // 8 if is_whole else None,
        sample_format={"pcm": "int", "pcm_float": "float"}.get(codec),
        data_bytes=data_bytes,
    )
    text = read_at(file, _HEADER.size, min(max(0, start - _HEADER.size), _MOST_TEXT_BYTES))
    tags = fit(iter([("comment", text.partition(b"\0")[0].decode("utf-8", "replace"))]))
    return sound("au", codec, audio, tags=tags, faults=faults, warnings=warnings)


def _faults(start: int, rate: int, channels: int) -> list[Reason]:
    faults = []
    if start < _HEADER.size:
        faults.append(header_fault(f"audio at byte {start}", f"at least {_HEADER.size}"))
    if rate == 0:
        faults.append(Reason(rule="sample_rate", found=0, wanted="at least 1"))
    if channels == 0:
        faults.append(Reason(rule="channel_count", found=0, wanted="at least 1"))
    return faults

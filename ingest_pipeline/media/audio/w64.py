"""Sony Wave64: a WAV whose chunks have GUIDs for names and sizes of 64 bits."""

from ingest_pipeline.media.audio.reading import header_fault, read_at, sound
from ingest_pipeline.media.audio.wav import Chunk, Parts, described
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import Probe

_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the GUIDs of all but the first chunk
_HEADER_BYTES = 24  # the GUID and the size, which counts them in
_FORM_BYTES = 40  # the first chunk's header, and the GUID of "wave"
_ALIGNMENT = 8
_OPEN_SIZE = 2**63 - 1 - 2**32  # and more: what ffmpeg leaves where it cannot come back
_MOST_CHUNKS = 1000
_FMT_BYTES = 40
_FACT_BYTES = 8


def probe_w64(file: SeekableFile, size: int) -> Probe:
    """Probe a W64 of `size` bytes by its chunks."""
    parts = Parts(size)
    if read_at(file, 24, 16) != b"wave" + _TAIL:
        return sound("w64", None, None, faults=[header_fault("another form", "a form of wave")])
    at = _FORM_BYTES
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, at, _HEADER_BYTES)
        length = int.from_bytes(header[16:], "little")
        if len(header) < _HEADER_BYTES or length < _HEADER_BYTES:
            break
        body = at + _HEADER_BYTES
        chunk = Chunk(header[:4], body, length - _HEADER_BYTES)
        if chunk.id == b"fmt " and parts.fmt is None:
            parts.fmt = read_at(file, body, min(chunk.size, _FMT_BYTES))
        elif chunk.id == b"fact":
            parts.fact_frames = int.from_bytes(
                read_at(file, body, min(chunk.size, _FACT_BYTES)), "little"
            )
        elif chunk.id == b"data" and parts.data is None:
            parts.is_open_ended = length >= _OPEN_SIZE
            parts.data = chunk
        if parts.is_open_ended or chunk.end >= size:
            break
        at = -(-chunk.end // _ALIGNMENT) * _ALIGNMENT
    wav = described(parts)
    return sound("w64", wav.codec, wav.audio, faults=wav.faults, warnings=wav.warnings)

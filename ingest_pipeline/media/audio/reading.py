"""What the probes of all audio have in common: places read, lengths told, faults worded."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import AudioInfo, Kind, Probe, Reason

BLOCK = 64 * 1024  # bytes; what a ranged object fetches at a time


def read_at(file: SeekableFile, at: int, count: int) -> bytes:
    """Read `count` bytes at a place, fewer only at the end."""
    file.seek(at)
    return file.read(count)


def read_block(file: SeekableFile, at: int, least: int = 4096) -> bytes:
    """Read up to the end of the block that a byte lies in; of the next, too, for `least` bytes."""
    count = BLOCK - at % BLOCK
    return read_at(file, at, count if count >= least else count + BLOCK)


def seconds(frames: int | None, rate: int) -> str | None:
    """A length as `AudioInfo.duration` has it; None where the frames are unknown."""
    if frames is None:
        return None
    return str(frames / rate) if rate else "0.0"


def bits_a_second(data_bytes: int, frames: int | None, rate: int) -> int | None:
    """The mean bit rate of compressed audio; None where its length is unknown."""
    return round(data_bytes * 8 * rate / frames) if frames and rate else None


def incomplete(what: str, end: int, size: int) -> Reason:
    """The fault of a file of `size` bytes that ends before byte `end`, where `what` does."""
    found = f"{what} ends at byte {end}, the object at {size}"
    return Reason(rule="complete", found=found, wanted=f"an object of at least {end} bytes")


def header_fault(found: str, wanted: str) -> Reason:
    """The fault of a file whose beginning does not say what it must."""
    return Reason(rule="header", found=found, wanted=wanted)


def sound(
    container: str,
    codec: str | None,
    audio: AudioInfo | None,
    *,
    tags: Mapping[str, str] | None = None,
    faults: Iterable[Reason] = (),
    warnings: Iterable[str] = (),
) -> Probe:
    """Make the probe of an audio file."""
    metadata: dict[str, JsonValue] = {"tags": dict(tags)} if tags else {}
    return Probe(
        kind=Kind.AUDIO,
        container=container,
        codec=codec,
        audio=audio,
        metadata=metadata,
        faults=tuple(faults),
        warnings=tuple(warnings),
    )


def unprobed(container: str, found: str, wanted: str) -> Probe:
    """Make the probe of audio that is recognised and not understood: it is kept, and says why."""
    reason = Reason(rule="probe", found=found, wanted=wanted)
    return Probe(kind=Kind.AUDIO, container=container, probed=False, faults=(reason,))

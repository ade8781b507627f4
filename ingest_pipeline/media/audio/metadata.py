"""What a WAV tells about its audio (INFO, bext, iXML, cues, smpl), read by wavinfo in a child.

wavinfo trusts what it reads: a 12 kB file can hang it for minutes or fill the memory. So it runs
in a limited process that is killed when it takes too long, and it never sees the file itself but
small well-formed WAVs made of one section's chunks each.
"""

import json
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from ingest_pipeline.media.audio.wav import Chunk
from ingest_pipeline.media.files import (
    ReadBudgetError,
    SeekableFile,
)
from ingest_pipeline.media.sandbox.child import Closing, Limits
from ingest_pipeline.media.sandbox.worker import Worker, WorkerError, WorkerLostError
from ingest_pipeline.media.sniff import printable
from ingest_pipeline.values import Frozen

FILE_SECONDS = 3.0  # for all sections of a file; usual files take milliseconds
CHUNK_BYTES = 1024 * 1024  # larger chunks are pictures and the like
FILE_BYTES = 4 * CHUNK_BYTES  # of chunks, per file
CHILD_PROGRAM = "ingest_pipeline.media.audio.metadata_child"
SECTION_CPU_SECONDS = 10  # ends a hang whose parent died and so cannot kill it
ANSWER_BYTES = 64 * 1024  # of JSON, per file: it goes into a table row

# The interpreter with lxml takes some 60 MB.
LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=0, open_files=16)


@dataclass(frozen=True)
class Metadata:
    """Sections of metadata by name, absent ones left out, and what could not be read."""

    sections: dict[str, JsonValue]
    warnings: tuple[str, ...] = ()


class MetadataReader(Closing):
    """Reads the metadata of WAV files in one child process, started when first needed.

    Safe to share between threads; they take turns. A context manager: on leaving it the child
    and its directory are gone.
    """

    def __init__(
        self,
        seconds: float = FILE_SECONDS,
        program: str | Path = CHILD_PROGRAM,
    ) -> None:
        """`seconds` of wall time may be spent on one file; `program` is what the child runs."""
        self._seconds = seconds
        self._worker = Worker(program, LIMITS, name="wavinfo")

    def close(self) -> None:
        """End the child; a later `read` starts another."""
        self._worker.close()

    def read(self, file: SeekableFile, chunks: Sequence[Chunk]) -> Metadata:
        """Read the sections that the metadata chunks of a walked file hold.

        Never raises for what the file holds: a section that cannot be read is left out and named
        in the warnings. Errors of the file object pass through, except `ReadBudgetError`.
        """
        bodies, warnings = _read_chunks(file, chunks)
        requests = _requests(bodies)
        if not requests:
            return Metadata({}, tuple(warnings))
        with self._worker.turn():
            sections = self._ask_all(requests, warnings)
        return Metadata(_fitting(sections, warnings), tuple(warnings))

    def _ask_all(self, requests: Mapping[str, bytes], warnings: list[str]) -> dict[str, JsonValue]:
        """Ask for each section until the file's time is over, or the child is lost."""
        sections: dict[str, JsonValue] = {}
        deadline = time.monotonic() + self._seconds
        for name, wav in requests.items():
            try:
                answer, _ = self._worker.ask(
                    _Answer,
                    {"section": name},
                    wav,
                    seconds=deadline - time.monotonic(),
                    cpu_seconds=SECTION_CPU_SECONDS,
                )
            except WorkerError as error:
                warnings.append(f"metadata from {name} on not read: {_words(error)}")
                break
            if answer.error is not None:
                warnings.append(f"metadata {name} not read: {answer.error}")
            elif answer.value:
                sections[name] = answer.value
        return sections


# The chunks that each section is read from, a LIST by the form type it begins with.
_SECTION_CHUNKS = {
    "info": (b"INFO",),
    "bext": (b"bext",),
    "ixml": (b"iXML",),
    "cues": (b"cue ", b"adtl"),
    "smpl": (b"smpl",),
}


@dataclass(frozen=True)
class _Body:
    """A metadata chunk read whole."""

    id: bytes
    content: bytes

    @property
    def role(self) -> bytes:
        """The chunk's id, or the form type of a LIST."""
        return self.content[:4] if self.id == b"LIST" else self.id


def _read_chunks(file: SeekableFile, chunks: Sequence[Chunk]) -> tuple[list[_Body], list[str]]:
    bodies: list[_Body] = []
    warnings: list[str] = []
    budget = FILE_BYTES
    for chunk in chunks:
        if chunk.size > min(CHUNK_BYTES, budget):
            warnings.append(f"metadata {printable(chunk.id)} of {chunk.size} bytes is too large")
            continue
        budget -= chunk.size
        try:
            file.seek(chunk.offset)
            bodies.append(_Body(chunk.id, file.read(chunk.size)))
        except ReadBudgetError as error:
            warnings.append(f"metadata from {printable(chunk.id)} on not read: {error}")
            break
    return bodies, warnings


def _requests(bodies: Sequence[_Body]) -> dict[str, bytes]:
    """Make a WAV for each section that the chunks hold; cue labels alone make no cues."""
    wavs = {}
    for name, roles in _SECTION_CHUNKS.items():
        parts = [body for body in bodies if body.role in roles]
        if any(body.role == roles[0] for body in parts):
            wavs[name] = _minimal_wav(parts)
    return wavs


# 8 kHz mono of 8 bits: wavinfo wants a format, and a file's own may be broken (block_align 0).
_PLAIN_FMT = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
_SILENCE = b"\x80\x80"  # wavinfo overlooks a last chunk that is empty


def _minimal_wav(parts: Sequence[_Body]) -> bytes:
    chunks = [_Body(b"fmt ", _PLAIN_FMT), *parts, _Body(b"data", _SILENCE)]
    content = b"WAVE" + b"".join(_chunk_bytes(chunk.id, chunk.content) for chunk in chunks)
    return _chunk_bytes(b"RIFF", content)


def _chunk_bytes(ident: bytes, content: bytes) -> bytes:
    return ident + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)


def _fitting(sections: Mapping[str, JsonValue], warnings: list[str]) -> dict[str, JsonValue]:
    """Leave out the sections that do not fit in `ANSWER_BYTES` together."""
    kept: dict[str, JsonValue] = {}
    for name, value in sections.items():
        if len(json.dumps({**kept, name: value})) > ANSWER_BYTES:
            warnings.append(f"metadata {name} left out: more than {ANSWER_BYTES} bytes in all")
        else:
            kept[name] = value
    return kept


class _Answer(Frozen):
    """What the child says of one section: its value, or what wavinfo raised."""

    value: JsonValue = None
    error: str | None = None


def _words(error: WorkerError) -> str:
    if isinstance(error, WorkerLostError):
        return "out of time" if error.is_late else f"the reader died ({error})"
    return str(error)

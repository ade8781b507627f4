"""Real voices, and sounds that are none."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ingest_pipeline.settings import PROJECT_ROOT

VOICES = PROJECT_ROOT / "media" / "voices"
CENTER = VOICES / "front_center.wav"  # "Front center."
SIDE = VOICES / "side_left.wav"  # "Side left."
RATE = 48_000

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """A recording that lies on the disk."""

    path: Path
    seconds: float | None = None

    uri: str = "s3://ingest/recording"
    version: str = "v-1"
    container: str | None = "wav"

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def fetch(self, folder: Path) -> Path:
        copy = folder / "recording"
        copy.write_bytes(self.path.read_bytes())
        return copy


def words(text: str) -> list[str]:
    """The words of a text, however they are written."""
    return "".join(c if c.isalpha() else " " for c in text.casefold()).split()


def tone(seconds: float) -> Samples:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE)


def noise(seconds: float) -> Samples:
    return 0.2 * np.random.default_rng(1).standard_normal(int(seconds * RATE)).clip(-4, 4)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE))


def voice(path: Path = CENTER) -> Samples:
    samples, _rate = soundfile.read(path)
    return np.asarray(samples, np.float64)


def wav(*parts: Samples, channels: int = 1) -> bytes:
    """The parts after each other, 24 bits."""
    lane = np.concatenate(parts)
    content = io.BytesIO()
    soundfile.write(content, np.stack([lane] * channels, axis=1), RATE, "PCM_24", format="WAV")
    return content.getvalue()

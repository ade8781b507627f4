"""Looks at every sample of audio files, in a process of its own with narrow limits.

Never imported by the service. A request is the bits of a sample and the frames that there are, both
where samples are whole numbers, and a file that the parent serves; the answer says how many samples
are clipped, how far the mean is from 0, and how many frames are silent at both ends, or
`{"error": "..."}`.
"""

import os
from io import BufferedReader

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of numpy's threads would take memory

import numpy as np
import soundfile

from ingest_pipeline.media.audio.samples_child import Decoded, Samples, blocks, no_sound, read
from ingest_pipeline.media.sandbox.wire import MOST_READ_BYTES
from ingest_pipeline.media.sandbox.worker_child import Answer, Request, ServedFile, in_words, serve

ERROR_CHARS = 200
SILENT = 10 ** (-60 / 20)  # at most -60 dBFS
_FLOATS = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER")  # what libsndfile gives beyond 1, too
_LARGEST = {"ULAW": 32124 / 32768, "ALAW": 32256 / 32768}


def main() -> None:
    """Answer requests until the input ends."""
    serve(answer)


def answer(request: Request) -> Answer:
    """Measure a file; what can be read by nothing is an answer too."""
    bits, frames = request.facts.get("bits"), request.facts.get("frames")
    source = BufferedReader(request.open(ServedFile), MOST_READ_BYTES)
    try:
        return Answer(
            read(
                source,
                lambda file: _measured(file, bits),
                lambda sound: _decoded(sound, bits, frames),
            )
        )
    except (soundfile.SoundFileError, EOFError, MemoryError) as error:
        words = in_words(error).replace(repr(source), "'the file'")
        return Answer({"error": words[:ERROR_CHARS]})


def _measured(file: soundfile.SoundFile, bits: int | None) -> dict[str, float]:
    tally = Tally(min(_full_scale(bits), _full_scale_of(file.subtype)))
    for block in blocks(file, file.frames, np.float64):
        tally.add(np.ascontiguousarray(block.T))
    return tally.told(file.samplerate)


def _decoded(sound: Decoded, bits: int | None, frames: int | None) -> dict[str, float]:
    width = {"u8": 8, "s16": 16, "s32": 32}.get(sound.sample_format.removesuffix("p"))
    tally = Tally(min(_full_scale(bits), _full_scale(width)))
    for block in sound.blocks("dblp"):
        tally.add(block)
    if not tally.frames:
        raise no_sound()
    if frames and tally.frames < frames:  # libav goes on behind what is broken
        raise EOFError(f"{tally.frames} of {frames} frames can be decoded")
    return tally.told(sound.rate)


def _full_scale_of(subtype: str) -> float:
    """The largest sample of libsndfile's subtype; ADPCM and its like are decoded to 16 bits."""
    if subtype.startswith(_FLOATS):
        return 1.0
    digits = "".join(filter(str.isdigit, subtype)) if subtype.startswith(("PCM", "ALAC")) else ""
    if subtype in {"PCM_S8", "PCM_U8"}:
        digits = "8"
    return _LARGEST.get(subtype, _full_scale(int(digits or 16)))


def _full_scale(bits: int | None) -> float:
    """The largest sample of whole numbers of so many bits, as a share of the lowest."""
    return 1.0 if bits is None else 1 - 2.0 ** (1 - bits)


class Tally:
    """What was seen of a file's samples so far."""

    def __init__(self, full_scale: float) -> None:
        """Samples of this and beyond are clipped."""
        self.frames = 0
        self._full_scale = full_scale
        self._clipped = 0
        self._sums: Samples = np.zeros(1)
        self._first_loud: int | None = None
        self._last_loud = -1

    def add(self, samples: Samples) -> None:
        """Look at the next samples, a row a channel."""
        levels = np.abs(samples)
        self._clipped += int(np.count_nonzero(levels >= self._full_scale))
        self._sums = self._sums + np.nan_to_num(samples, nan=0, posinf=1, neginf=-1).sum(axis=1)
        loud = np.flatnonzero((levels > SILENT).any(axis=0))
        if len(loud):
            if self._first_loud is None:
                self._first_loud = self.frames + int(loud[0])
            self._last_loud = self.frames + int(loud[-1])
        self.frames += samples.shape[1]

    def told(self, rate: int) -> dict[str, float]:
        """What goes back to the parent."""
        return {
            "clipped": self._clipped,
            "dc": float(np.abs(self._sums).max()) / max(1, self.frames),
            "leading_frames": self.frames if self._first_loud is None else self._first_loud,
            "trailing_frames": self.frames - 1 - self._last_loud,
            "rate": rate,
        }


if __name__ == "__main__":
    main()

"""Draws the waveforms of audio files, in a process of its own with narrow limits.

Never imported by the service: it knows soundfile, PyAV, numpy, Pillow and the child's side of the
sandbox alone. What libsndfile does not read (AAC, M4A, WebM) is decoded by libav.
A request is the picture's width and height and a file that the parent serves; the answer
is a WebP, or `{"error": "..."}` where something is wrong with the file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of numpy's threads would take memory

import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image, ImageDraw

from ingest_pipeline.media.audio.samples_child import Decoded, blocks, no_sound, read
from ingest_pipeline.media.sandbox.wire import MOST_READ_BYTES
from ingest_pipeline.media.sandbox.worker_child import Answer, Request, ServedFile, in_words, serve

ERROR_CHARS = 200
LANES = 2  # of more channels the first are drawn, and a note says so
FULL_SCALE = 0.9999  # the largest sample of 16 bits is 0.99997
CLIP_PIXELS = 4  # of the mark at the edge of a lane

# The colours are seen on white and on black pages: 3 to 1 or more against both.
_CLEAR, _PEAK, _RMS, _CLIPPED, _NOTE = range(5)
_PALETTE = np.array(
    [
        (0, 0, 0, 0),
        (86, 151, 214, 255),
        (37, 108, 184, 255),
        (220, 70, 60, 255),
        (128,) * 3 + (255,),
    ],
    dtype=np.uint8,
)

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Answer requests until the input ends."""
    serve(answer)


def answer(request: Request) -> Answer:
    """Draw a file; what libsndfile cannot read is an answer too."""
    width, height = request.facts["width"], request.facts["height"]
    source = BufferedReader(request.open(ServedFile), MOST_READ_BYTES)
    try:
        lanes, channels = read(
            source,
            lambda file: (measure(file, width), file.channels),
            lambda sound: decoded(sound, width),
        )
    except (soundfile.SoundFileError, EOFError, MemoryError) as error:
        words = in_words(error).replace(repr(source), "'the file'")
        return Answer({"error": words[:ERROR_CHARS]})
    note = f"channels 1 and 2 of {channels}" if channels > LANES else ""
    return Answer({}, webp(draw(lanes, width, height), note))


@dataclass(frozen=True)
class Lane:
    """A channel's lowest, highest and RMS sample in each column of the picture."""

    low: Floats
    high: Floats
    rms: Floats


def measure(file: soundfile.SoundFile, width: int) -> list[Lane]:
    """Look at every sample of the channels shown; a very short file has fewer columns.

    Raises:
        EOFError: the file holds less than its header says.
    """
    columns = min(width, file.frames)
    shown = min(file.channels, LANES)
    low, high, squares = (np.zeros((shown, columns), np.float32) for _ in range(3))
    for column in range(columns):
        start, end = (edge * file.frames // columns for edge in (column, column + 1))
        for samples in _lanes(file, end - start):
            low[:, column] = np.minimum(low[:, column], samples.min(axis=1))
            high[:, column] = np.maximum(high[:, column], samples.max(axis=1))
            squares[:, column] += np.einsum("ij,ij->i", samples, samples) / (end - start)
    return [Lane(*each) for each in zip(low, high, np.sqrt(squares), strict=True)]


def _lanes(file: soundfile.SoundFile, frames: int) -> Iterator[Floats]:
    """So many frames in blocks, a row a channel shown, samples of -1 to 1."""
    for block in blocks(file, frames, np.float32):
        samples = np.ascontiguousarray(block[:, :LANES].T)  # five times as fast to reduce
        if file.subtype in {"FLOAT", "DOUBLE"}:  # which hold anything
            np.nan_to_num(samples, copy=False)
            np.clip(samples, -1, 1, out=samples)
        yield samples


_PIECE_SAMPLES = 1024  # measured together: four hours are 700,000 pieces, 17 MB


def decoded(sound: Decoded, width: int) -> tuple[list[Lane], int]:
    """Measure what libav decodes, and tell the channels.

    Raises:
        av.error.FFmpegError: no sound is in it.
    """
    shown = min(sound.channels, LANES)
    pieces: list[Floats] = []  # (low, high, sum of squares, samples) of each lane
    for block in sound.blocks("fltp"):
        samples = block[:LANES].astype(np.float32)
        np.nan_to_num(samples, copy=False)
        np.clip(samples, -1, 1, out=samples)
        starts = np.arange(0, samples.shape[1], _PIECE_SAMPLES)
        low = np.minimum.reduceat(samples, starts, axis=1)
        high = np.maximum.reduceat(samples, starts, axis=1)
        squares = np.add.reduceat(samples * samples, starts, axis=1)
        counts = np.diff(starts, append=samples.shape[1])
        pieces.append(np.stack([low, high, squares, np.tile(counts, (shown, 1))]))
    if not pieces:
        raise no_sound()
    return _columns(np.concatenate(pieces, axis=2), width), sound.channels


def _columns(pieces: Floats, width: int) -> list[Lane]:
    """Put the pieces together into as many columns as fit."""
    count = pieces.shape[2]
    columns = min(width, count)
    starts = np.arange(columns) * count // columns
    low = np.minimum.reduceat(pieces[0], starts, axis=1)
    high = np.maximum.reduceat(pieces[1], starts, axis=1)
    squares, samples = (np.add.reduceat(pieces[n], starts, axis=1) for n in (2, 3))
    return [Lane(*each) for each in zip(low, high, np.sqrt(squares / samples), strict=True)]


def draw(lanes: list[Lane], width: int, height: int) -> Pixels:
    """Draw the lanes below each other: numbers of colours, (height, width)."""
    return np.concatenate([_lane(lane, width, height // len(lanes)) for lane in lanes])


def _lane(lane: Lane, width: int, height: int) -> Pixels:
    """Draw the peaks, over them the RMS, and marks where a sample is at full scale."""
    pixels = np.full((height, width), _CLEAR, np.uint8)
    low, high, rms = (_stretched(values, width) for values in (lane.low, lane.high, lane.rms))
    half = height / 2 - 1  # a row of space to the neighbours
    rows = (height / 2 - np.arange(height) - 0.5)[:, np.newaxis] / half  # +-1 at full scale
    reach = 0.51 / half  # of a row to both sides of its middle
    pixels[(rows - reach <= high) & (rows + reach >= low)] = _PEAK
    pixels[np.abs(rows) - reach <= rms] = _RMS
    pixels[:CLIP_PIXELS, high >= FULL_SCALE] = _CLIPPED
    pixels[-CLIP_PIXELS:, low <= -FULL_SCALE] = _CLIPPED
    return pixels


def _stretched(values: Floats, width: int) -> Floats:
    """Repeat the columns of a very short file; one without any sample is silent."""
    if not len(values):
        return np.zeros(width, np.float32)
    return values[np.arange(width) * len(values) // width]


def webp(pixels: Pixels, note: str) -> bytes:
    """Encode without loss: few colours make a few kB."""
    image = Image.fromarray(_PALETTE[pixels])
    ImageDraw.Draw(image).text((4, 2), note, fill=tuple(_PALETTE[_NOTE].tolist()))
    content = BytesIO()
    image.save(content, "WEBP", lossless=True, exact=False)
    return content.getvalue()


if __name__ == "__main__":
    main()

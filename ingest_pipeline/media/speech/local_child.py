"""Transcribes recordings with Whisper, in a process of its own with narrow limits.

Never imported by the service: it knows faster-whisper, PyAV, numpy and the child's side of the
sandbox alone. The model is loaded with the first request and kept. A request is the model's folder,
its threads, the language (none: the model finds it out), the most seconds that are listened to, and
a file that the parent serves. The answer is the facts that `local.py` declares; `error` says what
is wrong with the file, `rule` why there is no text.
"""

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import IO, Any, cast

os.environ["HF_HUB_OFFLINE"] = "1"  # a model is a folder, and there is no network here
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of numpy's threads would take memory

import av
import av.error
import av.logging
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

from ingest_pipeline.media.sandbox.wire import MOST_READ_BYTES
from ingest_pipeline.media.sandbox.worker_child import Answer, Request, ServedFile, in_words, serve

RATE = 16_000  # Hz, what Whisper hears
SILENT = 0.001  # -60 dB of full scale: the noise of a microphone is louder
WORDS = 200  # characters of a complaint
BEAM = 5
REPETITIVE = 2.4  # how well a text compresses that goes round in circles, after Whisper's authors
OPTIONS = {"protocol_whitelist": "none"}  # there is no protocol of that name: nothing is opened

Samples = npt.NDArray[np.float32]


class TooLongError(Exception):
    """There is more to listen to than is wanted."""


def main() -> None:
    """Answer requests until the input ends."""
    av.logging.set_level(None)
    serve(answer)


def answer(request: Request) -> Answer:
    """Listen to a file; what cannot be read is an answer, too."""
    facts = request.facts
    source = io.BufferedReader(request.open(ServedFile), MOST_READ_BYTES)
    try:
        samples = heard(source, facts["longest_seconds"])
    except TooLongError:
        return Answer({"rule": "length", "found": f"more than {facts['longest_seconds']} s"})
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        return Answer({"error": in_words(error).replace(repr(source), "the file")[:WORDS]})
    except MemoryError:
        return Answer({"out_of_memory": "more memory than a recording may take"})
    try:
        return Answer({"audio_seconds": round(len(samples) / RATE, 3), **said(samples, facts)})
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).casefold():
            raise
        return Answer({"out_of_memory": in_words(error)[:WORDS]})


def heard(source: IO[bytes], longest_seconds: float) -> Samples:
    """Decode the first audio track: mono, 16 kHz, -1 to 1.

    Raises:
        TooLongError: it is longer than that.
        ValueError: there is no audio track.
    """
    blocks: list[npt.NDArray[np.int16]] = []
    left = math.ceil(longest_seconds * RATE)
    for block in _decoded(source):
        left -= len(block)
        if left < 0:
            raise TooLongError
        blocks.append(block)
    whole = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return whole.astype(np.float32) * np.float32(1 / 32768)


def _decoded(source: IO[bytes]) -> Iterator[npt.NDArray[np.int16]]:
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(source, mode="r", metadata_errors="ignore", options=OPTIONS) as container:
        if not container.streams.audio:
            raise ValueError("there is no audio track")
        for frame in container.decode(container.streams.audio[0]):
            yield from _samples(resampler.resample(frame))
        yield from _samples(resampler.resample(None))


def _samples(frames: Sequence[AudioFrame]) -> Iterator[npt.NDArray[np.int16]]:
    for frame in frames:
        yield cast("npt.NDArray[np.int16]", frame.to_ndarray().reshape(-1))


def said(samples: Samples, facts: Mapping[str, Any]) -> dict[str, object]:
    """What is said, in segments, or the rule by which nothing is."""
    if not len(samples) or float(np.abs(samples).max()) < SILENT:
        return {"rule": "silence", "found": "silence"}
    model = _model(facts["model"], facts["threads"])
    segments, info = model.transcribe(
        samples,
        language=facts["language"],
        beam_size=BEAM,
        temperature=0.0,
        condition_on_previous_text=False,  # what was misheard once would be so to the end
        vad_filter=True,
    )
    if not info.duration_after_vad:
        return {"rule": "speech", "found": "no voice"}
    seconds = len(samples) / RATE
    told = [_segment(each, seconds) for each in segments if _is_sound(each)]
    if not told:
        return {"rule": "speech", "found": "no words", "language": info.language}
    return {"segments": told, "language": info.language}


def _is_sound(segment: Segment) -> bool:
    has_words = any(character.isalnum() for character in segment.text)
    return has_words and segment.compression_ratio <= REPETITIVE


def _segment(segment: Segment, seconds: float) -> dict[str, object]:
    """Whisper hears 30 s at a time, filled up with silence: an end may lie behind the file's."""
    return {
        "start": round(min(segment.start, seconds), 2),
        "end": round(min(segment.end, seconds), 2),
        "text": segment.text.strip(),
        "confidence": round(100 * math.exp(min(0.0, segment.avg_logprob)), 1),
    }


@cache
def _model(folder: str, threads: int) -> WhisperModel:
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)


if __name__ == "__main__":
    main()

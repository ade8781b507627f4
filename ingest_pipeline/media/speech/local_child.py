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
import re
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
from faster_whisper.vad import VadOptions, get_speech_timestamps

from ingest_pipeline.media.sandbox.wire import MOST_READ_BYTES
from ingest_pipeline.media.sandbox.worker_child import Answer, Request, ServedFile, in_words, serve

RATE = 16_000  # Hz, what Whisper hears
SILENT = 33  # of 32,768, -60 dB: the noise of a microphone is louder
SPAN = 30 * RATE  # samples that Whisper hears at a time
PIECE = 300 * RATE  # of which the search for voices takes 350 MB
CUT_WITHIN = 15 * RATE  # of a piece's end
QUIET = RATE // 20  # the samples over which a cut is quietest
WORDS = 200  # characters of a complaint
BEAM = 5
TOO_MUCH = "it takes more memory than a recording may"
NO_MEMORY = re.compile("bad_alloc|memory|allocat", re.IGNORECASE)
REPETITIVE = 2.4  # how well a text compresses that goes round in circles, after Whisper's authors
OPTIONS = {"protocol_whitelist": "none"}  # there is no protocol of that name: nothing is opened

Whole = npt.NDArray[np.int16]


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
        whole = heard(source, facts["longest_seconds"])
    except TooLongError:
        return Answer({"rule": "length", "found": f"more than {facts['longest_seconds']} s"})
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        return Answer({"error": in_words(error).replace(repr(source), "the file")[:WORDS]})
    except MemoryError:
        return Answer({"out_of_memory": TOO_MUCH})
    try:
        return Answer({"audio_seconds": round(len(whole) / RATE, 3), **said(whole, facts)})
    except Exception as error:  # CTranslate2 and onnxruntime have errors of their own for it
        if not isinstance(error, MemoryError) and not NO_MEMORY.search(str(error)):
            raise
        return Answer({"out_of_memory": TOO_MUCH})


def heard(source: IO[bytes], longest_seconds: float) -> Whole:
    """Decode the first audio track: mono, 16 kHz, 16 bits.

    Raises:
        TooLongError: it is longer than that.
        ValueError: there is no audio track.
    """
    blocks: list[Whole] = []
    left = math.ceil(longest_seconds * RATE)
    for block in _decoded(source):
        left -= len(block)
        if left < 0:
            raise TooLongError
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def _decoded(source: IO[bytes]) -> Iterator[Whole]:
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(source, mode="r", metadata_errors="ignore", options=OPTIONS) as container:
        if not container.streams.audio:
            raise ValueError("there is no audio track")
        for frame in container.decode(container.streams.audio[0]):
            yield from _samples(resampler.resample(frame))
        yield from _samples(resampler.resample(None))


def _samples(frames: Sequence[AudioFrame]) -> Iterator[Whole]:
    for frame in frames:
        yield cast(Whole, frame.to_ndarray().reshape(-1))


def said(whole: Whole, facts: Mapping[str, Any]) -> dict[str, object]:
    """What is said, in segments, or the rule by which nothing is."""
    if not len(whole) or int(np.abs(whole.astype(np.int32)).max()) < SILENT:
        return {"rule": "silence", "found": "silence"}
    language = facts["language"]
    told: list[dict[str, object]] = []
    has_voice = False
    for start, end in pieces(whole):
        samples = whole[start:end].astype(np.float32) * np.float32(1 / 32768)
        clips = spans(get_speech_timestamps(samples, VadOptions()), len(samples))
        if not clips:
            continue
        has_voice = True
        segments, info = _model(facts["model"], facts["threads"]).transcribe(
            samples,
            language=language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,  # what was misheard once would be so to the end
            clip_timestamps=[edge / RATE for clip in clips for edge in clip],
        )
        sound = [_segment(each, start / RATE, end / RATE) for each in segments if _is_sound(each)]
        language = info.language if sound else language
        told += sound
    if not told:
        return {"rule": "speech", "found": "no words" if has_voice else "no voice"}
    return {"segments": told, "language": language}


def pieces(whole: Whole) -> Iterator[tuple[int, int]]:
    """Pieces of a few minutes, whose spectra fit into memory, each cut where it is quietest."""
    start = 0
    while len(whole) - start > PIECE:
        near = np.abs(whole[start + PIECE - CUT_WITHIN : start + PIECE].astype(np.int32))
        loudness = near.reshape(-1, QUIET).sum(axis=1)
        end = start + PIECE - CUT_WITHIN + int(loudness.argmin()) * QUIET + QUIET // 2
        yield start, end
        start = end
    yield start, len(whole)


def spans(voices: Sequence[Mapping[str, int]], end: int) -> list[tuple[int, int]]:
    """The stretches to listen to: neighbouring voices together, as far as Whisper hears at a time.

    Fewer are faster; and the silence between two is left in, so that the model's times hold.
    """
    found: list[tuple[int, int]] = []
    for voice in voices:
        start, stop = voice["start"], min(voice["end"], end)
        if found and stop - found[-1][0] <= SPAN:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def _is_sound(segment: Segment) -> bool:
    has_words = any(character.isalnum() for character in segment.text)
    return has_words and segment.compression_ratio <= REPETITIVE


def _segment(segment: Segment, offset: float, end: float) -> dict[str, object]:
    """Whisper hears 30 s at a time, filled up with silence: an end may lie behind the file's."""
    return {
        "start": round(min(offset + segment.start, end), 3),
        "end": round(min(offset + segment.end, end), 3),
        "text": segment.text.strip(),
        "confidence": round(100 * math.exp(min(0.0, segment.avg_logprob)), 1),
    }


@cache
def _model(folder: str, threads: int) -> WhisperModel:
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)


if __name__ == "__main__":
    main()

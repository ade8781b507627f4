"""The quality of audio: loudness and true peak by ffmpeg, the rest by looking at every sample."""

import re
import threading
from pathlib import Path

from ingest_pipeline.errors import RefusedError, TransientError
from ingest_pipeline.media.audio.wav import riff_start
from ingest_pipeline.media.files import FilePart
from ingest_pipeline.media.model import AudioInfo, Quality
from ingest_pipeline.media.sandbox.child import Limits
from ingest_pipeline.media.sandbox.worker import Served, Worker, WorkerLostError, WorkerStartError
from ingest_pipeline.media.video.ffmpeg import TranscodeError, run_ffmpeg
from ingest_pipeline.media.video.program import find_ffmpeg
from ingest_pipeline.values import Frozen

CHILD_PROGRAM = "ingest_pipeline.media.audio.quality_child"
BASE_SECONDS = 30  # of wall time, for any file
SECONDS_PER_SECOND = 0.2  # and for each second of one or two channels
LEAST_BYTES_PER_SECOND = 4000  # of a file that does not tell its length
FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,avi,flv"
SILENCE_LUFS = -70.0  # what ffmpeg tells where no moment is louder than R128's absolute gate

# The interpreter with numpy takes 140 MB.
LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=0, open_files=16)

# From 16-bit samples ffmpeg would hand rounded ones to the filter: doubles are asked for first.
_FILTERS = "aformat=sample_fmts=dbl,ebur128=peak=true:framelog=verbose"
_SUMMARY = re.compile(r"(I|Peak): +(-?[0-9.]+|-?inf|-?nan) (?:LUFS|dBFS)")


class QualityError(RefusedError):
    """A file's sound cannot be measured; the message says why."""


class QualityMeasurerError(TransientError):
    """Measuring failed for reasons that are not the file's: try again later."""


def measure(path: Path, audio: AudioInfo, folder: Path, ffmpeg: Path | None = None) -> Quality:
    """Measure all of a file, which was probed as `audio`; nothing is left in the folder.

    Raises:
        QualityError, TranscodeError: its sound cannot be decoded.
        QualityMeasurerError, TranscodeResourceError: the surroundings failed, or time ran out.
    """
    seconds = _deadline(path, audio)
    samples = _look_at_samples(path, audio, seconds)
    if samples.error is not None:
        raise QualityError(samples.error)
    loudness = _loudness(path.absolute(), folder, seconds, find_ffmpeg(ffmpeg))
    return Quality(
        integrated_loudness=loudness.integrated,
        true_peak=loudness.peak,
        clipped_samples=samples.clipped,
        leading_silence_seconds=round(samples.leading_frames / samples.rate, 3),
        trailing_silence_seconds=round(samples.trailing_frames / samples.rate, 3),
        dc_offset=round(samples.dc, 6),
    )


def _deadline(path: Path, audio: AudioInfo) -> float:
    """Seconds that each of the two measurements may take."""
    length = (
        path.stat().st_size / LEAST_BYTES_PER_SECOND
        if audio.duration is None
        else float(audio.duration)
    )
    return BASE_SECONDS + length * SECONDS_PER_SECOND * max(1, audio.channel_count / 2)


class _Samples(Frozen):
    """What the child says."""

    error: str | None = None
    clipped: int = 0
    dc: float = 0
    leading_frames: int = 0
    trailing_frames: int = 0
    rate: int = 1  # Hz


def _look_at_samples(path: Path, audio: AudioInfo, seconds: float) -> _Samples:
    bits = audio.valid_bits or audio.bits_per_sample
    is_exact = audio.sample_format == "int"
    facts = {"bits": bits, "frames": audio.frame_count} if is_exact else {}
    size = path.stat().st_size
    with (
        path.open("rb", buffering=0) as file,
        Worker(CHILD_PROGRAM, LIMITS, name="quality", dies_with_thread=True) as worker,
    ):
        start = riff_start(file)  # libsndfile fails on a tag before it in a file of a pipe
        served = Served(FilePart(file, start), size - start)
        try:
            found, _ = worker.ask(
                _Samples, facts, seconds=seconds, cpu_seconds=round(seconds), served=served
            )
        except WorkerStartError as error:
            raise QualityMeasurerError(f"the measurer could not start: {error}") from error
        except WorkerLostError as error:
            raise _meaning(error, seconds) from error
    return found


def _meaning(lost: WorkerLostError, seconds: float) -> Exception:
    """Say whose doing it was that the child gave no answer."""
    if lost.is_late or lost.is_out_of_cpu:
        return QualityMeasurerError(f"not measured in {seconds:.0f} s")
    if lost.crash:
        return QualityError(f"the reader crashed ({lost.crash})")
    return QualityMeasurerError(f"the measurer ended with {lost.exit_code}")


class _Loudness(Frozen):
    integrated: float | None = None  # LUFS
    peak: float | None = None  # dBTP


def _loudness(path: Path, folder: Path, seconds: float, ffmpeg: str) -> _Loudness:
    told: dict[str, float] = {}

    def take(line: str) -> None:
        if match := _SUMMARY.fullmatch(line):  # the last counts: a file may name its own before
            told[match[1]] = float(match[2])

    run_ffmpeg(
        ffmpeg,
        [
            *("-hide_banner", "-nostdin", "-nostats"),
            *("-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-max_streams", "32"),
            *("-i", f"file:{path}", "-map", "0:a:0", "-af", _FILTERS, "-f", "null", "-"),
        ],
        folder,
        source=path,
        seconds=seconds,
        most_bytes=0,
        on_line=lambda _: None,
        stop=threading.Event(),
        on_complaint=take,
    )
    if told.keys() != {"I", "Peak"}:
        raise TranscodeError("ffmpeg told no loudness")
    integrated, peak = told["I"], told["Peak"]
    return _Loudness(
        integrated=integrated if integrated > SILENCE_LUFS else None,
        peak=peak if peak > -float("inf") else None,
    )

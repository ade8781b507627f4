"""What a video is: its tracks, sizes, rates and length, and whether a frame can be decoded.

PyAV looks at it in a limited child that reads the file through us, by byte ranges over a pipe, so
that it needs no file on disk and can open none.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import (
    AudioInfo,
    Kind,
    Probe,
    Reason,
    VideoInfo,
)
from ingest_pipeline.media.sandbox.child import Limits
from ingest_pipeline.media.sandbox.worker import (
    Served,
    Worker,
    WorkerLostError,
    WorkerNonsenseError,
    WorkerStartError,
)
from ingest_pipeline.values import Frozen

CHILD_PROGRAM: str | Path = "ingest_pipeline.media.video.probe_child"
WALL_SECONDS = 120.0  # with the fetching; usual files take half a second
MOST_PIXELS = 35_389_440  # 8192 x 4320; larger frames are not decoded

# One 8K frame of 10 bits takes 106 MB, the interpreter with PyAV 130 MB of address space.
LIMITS = Limits(memory_bytes=1536 * 1024 * 1024, file_bytes=0, open_files=16, cpu_seconds=30)

# The demuxers whose formats name no other files; ffconcat, HLS or SDP texts would have them read.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf"

# libav's demuxer for each container that the sniffing tells.
DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "3gp": "mov",
    "webm": "matroska",
    "matroska": "matroska",
    "avi": "avi",
    "mpeg-ts": "mpegts",
    "mpeg-ps": "mpeg",
    "ogg": "ogg",
    "flv": "flv",
    "asf": "asf",
}


AUDIO_ONLY = ("m4a",)  # those that hold no video


class VideoProbeError(TransientError):
    """The look at a video failed for reasons that are not the file's: try again later."""


def probe_video(file: SeekableFile, size: int, container: str) -> Probe:
    """Probe a video of `size` bytes in one of the containers of `DEMUXERS`.

    What is wrong with the file is told as faults: `header` (it cannot be opened), `streams` (there
    are none), `complete` (an MP4 or a Matroska that is cut off), `encrypted` (a track can be read
    with a key alone), `decodable` (no frame can be decoded, with the decoder's words). A file of
    sound alone is audio, whatever its container is made for; a cover is no picture. Where the file
    object refuses to fetch more (`ReadBudgetError`) that is a warning as long as the size and the
    codec are known, else a `header` fault.

    Raises:
        VideoProbeError: the child was killed from outside, took too long or could not start.
        Any other error of the file object passes through.
    """
    try:
        answer = _ask(file, size, container)
    except _FileKilledItError as error:
        fault = Reason(rule="decodable", found=str(error), wanted="video that can be decoded")
        return Probe(kind=_unread(container), container=container, faults=(fault,))
    if answer.info and answer.sound and answer.info.audio_rate:
        return _sound_alone(answer, answer.info, answer.sound, container, size)
    return Probe(
        kind=Kind.VIDEO if answer.info else _unread(container),
        container=container,
        codec=answer.info.video_codec if answer.info else None,
        video=answer.info,
        faults=tuple(_faults(answer, size)),
        warnings=tuple(_warnings(answer)),
    )


def _unread(container: str) -> Kind:
    """Say what a file is that cannot be opened, by the use of its container."""
    return Kind.AUDIO if container in AUDIO_ONLY else Kind.VIDEO


_RENAMED = {"pcm_alaw": "alaw", "pcm_mulaw": "ulaw"}  # as a WAV's codecs are called


def _sound_alone(
    answer: "_Answer", info: VideoInfo, track: "_Sound", container: str, size: int
) -> Probe:
    rate, name = info.audio_rate or 0, info.audio_codec or "unknown"
    is_float = name.startswith("pcm_f")
    is_int = name.startswith(("pcm_s", "pcm_u"))
    length = info.duration_seconds
    codec = "pcm_float" if is_float else "pcm" if is_int else _RENAMED.get(name, name)
    is_lossless = is_int or name in ("alac", "flac")
    audio = AudioInfo(
        channel_count=info.audio_channels or 0,
        frame_count=track.frames,
        sample_rate=rate,
        bits_per_sample=track.bits,
        duration=str(length if track.frames is None else track.frames / rate)
        if length is not None
        else None,
        sample_format="float" if is_float else "int" if is_lossless else None,
        bit_rate=None if is_float or is_int else track.bit_rate or info.bit_rate,
    )
    warnings = _warnings(answer)
    if length is None:
        warnings.append("nothing in it tells how long it is")
    return Probe(
        kind=Kind.AUDIO,
        container=container,
        codec=codec,
        audio=audio,
        metadata={"tags": dict(track.tags)} if track.tags else {},
        faults=tuple(_faults(answer, size)),
        warnings=tuple(warnings),
    )


class _Sound(Frozen):
    """A track without a picture beside it."""

    frames: int | None = None
    bits: int | None = None
    bit_rate: int | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class _Answer(Frozen):
    """What the child found; `look_at` of its program says what the fields mean."""

    info: VideoInfo | None = None
    sound: _Sound | None = None
    open_error: str | None = None
    decode_error: str | None = None
    undecoded: str | None = None
    declared_end: int | None = None
    encryption: str | None = None
    is_spent: bool = False
    failure: str | None = None  # of the program itself


_BUDGET = "more of the file than may be fetched"


def _faults(answer: _Answer, size: int) -> list[Reason]:
    faults = []
    if answer.declared_end is not None and answer.declared_end > size:
        faults.append(
            Reason(rule="complete", found=f"{size} bytes", wanted=f"{answer.declared_end} bytes")
        )
    if answer.encryption is not None:
        wanted = "media that can be read without a key"
        faults.append(Reason(rule="encrypted", found=answer.encryption, wanted=wanted))
    if answer.info is None:
        found = f"needs {_BUDGET}" if answer.is_spent else answer.open_error or "nothing"
        faults.append(Reason(rule="header", found=found, wanted="a header that can be read"))
        return faults
    if not answer.info.video_streams and not answer.info.audio_streams:
        faults.append(Reason(rule="streams", found=0, wanted="a video or audio stream"))
    if answer.info.has_video and answer.is_spent and answer.info.pixels is None:
        found = f"needs {_BUDGET}"
        faults.append(Reason(rule="header", found=found, wanted="a header that tells the size"))
    elif answer.decode_error is not None:
        found = answer.decode_error
        faults.append(Reason(rule="decodable", found=found, wanted="video that can be decoded"))
    return faults


def _warnings(answer: _Answer) -> list[str]:
    warnings = []
    if answer.is_spent and answer.info is not None:
        warnings.append(f"a full look needs {_BUDGET}")
    if answer.undecoded is not None:
        warnings.append(f"no frame was decoded: {answer.undecoded}")
    return warnings


_LONGEST_ANSWER_BYTES = 64 * 1024


class _FileKilledItError(Exception):
    """The child died of what it read."""


def _ask(file: SeekableFile, size: int, container: str) -> _Answer:
    """Ask a child of this file's own: what one file has done to it harms no other."""
    request = {"demuxer": DEMUXERS[container], "formats": FORMATS, "most_pixels": MOST_PIXELS}
    worker = Worker(
        CHILD_PROGRAM,
        LIMITS,
        name="video-probe",
        dies_with_thread=True,
        longest_answer=_LONGEST_ANSWER_BYTES,
    )
    with worker:
        try:
            answer, _ = worker.ask(
                _Answer, request, seconds=WALL_SECONDS, served=Served(file, size)
            )
        except WorkerStartError as error:
            raise VideoProbeError(f"the prober could not start: {error}") from error
        except WorkerLostError as error:
            raise _meaning(error) from error
    if answer.failure is not None:
        raise VideoProbeError(f"the prober failed: {answer.failure}")
    return answer


def _meaning(lost: WorkerLostError) -> Exception:
    """Say whose doing it was that the child gave no answer."""
    if lost.is_late:
        return VideoProbeError(f"no answer in {WALL_SECONDS:.0f} s")
    if isinstance(lost, WorkerNonsenseError):
        return VideoProbeError(f"the prober {lost}")
    if lost.is_out_of_cpu:
        return _FileKilledItError(f"no frame after {LIMITS.cpu_seconds} s of computing")
    if lost.crash:
        return _FileKilledItError(f"the decoder crashed ({lost.crash})")
    return VideoProbeError(f"the prober ended with {lost.exit_code}: {lost}")

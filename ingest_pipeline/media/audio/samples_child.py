"""Reads the samples of audio files by libsndfile or, where it cannot (AAC, M4A, WebM), by libav.

For the children that look at every sample; never imported by the service.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, TypeVar

import av
import av.error
import numpy as np
import numpy.typing as npt
import soundfile
from av.audio.stream import AudioStream
from av.container import InputContainer

from ingest_pipeline.media.sandbox.worker_child import ServedFile

BLOCK_SAMPLES = 256 * 1024  # of all channels, read at a time: 1 MB of float32
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,caf,asf,avi,flv,mpegts,mpeg"
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": FORMATS, "max_streams": "32"}
_UNKNOWN_FRAMES = 2**62  # libsndfile's frames of a FLAC whose header does not tell them

Found = TypeVar("Found")
Samples = npt.NDArray[Any]  # of a floating type


@dataclass(frozen=True)
class Decoded:
    """A file that libav has opened."""

    container: InputContainer
    stream: AudioStream

    @property
    def channels(self) -> int:
        """How many there are."""
        return self.stream.codec_context.channels

    @property
    def rate(self) -> int:
        """Hz."""
        return self.stream.codec_context.sample_rate

    @property
    def sample_format(self) -> str:
        """The name in libav of what the decoder gives: "fltp", "s16", ..."""
        return self.stream.codec_context.format.name

    def blocks(self, sample_format: str) -> Iterator[Samples]:
        """The sound in libav's planar format, a row a channel; it goes on behind a broken packet.

        None is empty; floats may hold anything.
        """
        resampler = av.AudioResampler(format=sample_format)
        for packet in self.container.demux(self.stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()
                    if samples.shape[1]:
                        yield samples


def read(
    source: "BufferedReader[ServedFile]",
    by_libsndfile: Callable[[soundfile.SoundFile], Found],
    by_libav: Callable[[Decoded], Found],
) -> Found:
    """Open a file with whichever can, and give it to the function for that.

    Raises:
        soundfile.SoundFileError: neither can read it; the words are libsndfile's.
        What the functions raise passes through.
    """
    try:
        with soundfile.SoundFile(source) as file:
            if file.frames < _UNKNOWN_FRAMES:
                return by_libsndfile(file)
            refusal = soundfile.SoundFileError("the length is unknown")
    except soundfile.SoundFileError as error:
        refusal = error
    source.seek(0)
    try:
        with av.open(source, "r", options=_OPTIONS, metadata_errors="replace") as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context is None:
                raise no_sound()
            return by_libav(Decoded(container, stream))
    except av.error.FFmpegError:
        raise refusal from None


def no_sound() -> av.error.FFmpegError:
    """What says that a file has none."""
    return av.error.InvalidDataError(0, "no sound that can be decoded")


def blocks(
    file: soundfile.SoundFile, frames: int, dtype: type[np.float32] | type[np.float64]
) -> Iterator[Samples]:
    """So many frames in blocks, a column a channel.

    Raises:
        EOFError: the file holds less than its header says.
    """
    most = max(1, BLOCK_SAMPLES // file.channels)
    while frames:
        block = file.read(min(frames, most), dtype=np.dtype(dtype).name, always_2d=True)
        if not len(block):
            raise EOFError(f"{file.tell()} of {file.frames} frames can be read")
        frames -= len(block)
        yield block

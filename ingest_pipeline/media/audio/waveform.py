"""Waveforms of audio files: small pictures, drawn by libsndfile and Pillow in a limited child."""

from pathlib import Path

from ingest_pipeline.errors import RefusedError, TransientError
from ingest_pipeline.media.audio.wav import riff_start
from ingest_pipeline.media.files import FilePart
from ingest_pipeline.media.image.reader import Picture
from ingest_pipeline.media.sandbox.child import Closing, Limits
from ingest_pipeline.media.sandbox.worker import Served, Worker, WorkerLostError, WorkerStartError
from ingest_pipeline.values import Frozen

WIDTH = 960  # pixels
HEIGHT = 160
BASE_CPU_SECONDS = 10  # for any file: 60 s in stereo take 0.05
BYTES_A_CPU_SECOND = 20_000_000  # and for more of them one more: 24 bits are read at 200 MB/s
WALL_FACTOR = 6  # of wall time to that CPU time: other processes work, too
CHILD_PROGRAM = "ingest_pipeline.media.audio.waveform_child"

# The interpreter with numpy takes 140 MB.
LIMITS = Limits(memory_bytes=512 * 1024 * 1024, file_bytes=0, open_files=16)


class WaveformError(RefusedError):
    """A file has no waveform that can be drawn; the message says why."""


class WaveformDrawerError(TransientError):
    """Drawing failed for reasons that are not the file's: try again later."""


class WaveformDrawer(Closing):
    """Draws waveforms in one child process, started when first needed.

    Safe to share between threads; they take turns. A context manager: on leaving it the child
    and its directory are gone.
    """

    def __init__(self, program: str | Path = CHILD_PROGRAM) -> None:
        """`program` is what the child runs."""
        self._worker = Worker(program, LIMITS, name="waveform")

    def close(self) -> None:
        """End the child; a later `draw` starts another."""
        self._worker.close()

    def draw(self, path: Path, width: int = WIDTH, height: int = HEIGHT) -> Picture:
        """Draw the peaks of a file and over them the RMS, a lane for the left and the right.

        The background is transparent, the colours are seen on white and on black; red marks at
        the edge of a lane stand where a sample is at full scale. Every sample is looked at.

        Raises:
            WaveformError: libsndfile cannot read the file, or not within its CPU seconds.
            WaveformDrawerError: the child could not start, was killed, or got too little CPU.
        """
        size = path.stat().st_size
        cpu_seconds = BASE_CPU_SECONDS + size // BYTES_A_CPU_SECOND
        with path.open("rb", buffering=0) as file:
            start = riff_start(file)  # libsndfile fails on a tag before it in a file of a pipe
            try:
                answer, picture = self._worker.ask(
                    _Answer,
                    {"width": width, "height": height},
                    seconds=cpu_seconds * WALL_FACTOR,
                    cpu_seconds=cpu_seconds,
                    served=Served(FilePart(file, start), size - start),
                )
            except WorkerStartError as error:
                raise WaveformDrawerError(f"the drawer could not start: {error}") from error
            except WorkerLostError as error:
                raise _meaning(error, cpu_seconds) from error
        if answer.error is not None:
            raise WaveformError(answer.error)
        return Picture(data=picture, width=width, height=height, content_type="image/webp")


class _Answer(Frozen):
    """What the child says besides the picture."""

    error: str | None = None


def _meaning(lost: WorkerLostError, cpu_seconds: int) -> Exception:
    """Say whose doing it was that the child gave no answer."""
    if lost.is_late:
        return WaveformDrawerError(f"no answer in {cpu_seconds * WALL_FACTOR} s")
    if lost.is_out_of_cpu:
        return WaveformError(f"not drawn after {cpu_seconds} s of computing")
    if lost.crash:
        return WaveformError(f"the reader crashed ({lost.crash})")
    return WaveformDrawerError(f"the drawer ended with {lost.exit_code}")

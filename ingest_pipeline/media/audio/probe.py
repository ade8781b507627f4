"""Probes audio by its own headers; what only a decoder understands is the video prober's."""

from collections.abc import Callable

from ingest_pipeline.media.audio import aiff, mpeg
from ingest_pipeline.media.audio.au import probe_au
from ingest_pipeline.media.audio.caf import probe_caf
from ingest_pipeline.media.audio.flac import probe_flac
from ingest_pipeline.media.audio.ogg import probe_ogg
from ingest_pipeline.media.audio.reading import header_fault, sound
from ingest_pipeline.media.audio.rifx import probe_rifx
from ingest_pipeline.media.audio.w64 import probe_w64
from ingest_pipeline.media.audio.wav import CODECS as WAV_CODECS
from ingest_pipeline.media.files import ReadBudgetError, SeekableFile
from ingest_pipeline.media.model import Probe

_Prober = Callable[[SeekableFile, int], Probe]

_PROBERS: dict[str, _Prober] = {
    "flac": lambda file, size: probe_flac(file, size, mpeg.skip_tags(file)[0]),
    "mp3": lambda file, size: mpeg.probe_mpeg(file, size, "mp3"),
    "mp2": lambda file, size: mpeg.probe_mpeg(file, size, "mp2"),
    "mp1": lambda file, size: mpeg.probe_mpeg(file, size, "mp1"),
    "aac": lambda file, size: mpeg.probe_mpeg(file, size, "aac"),
    "ogg": probe_ogg,
    "aiff": lambda file, size: aiff.probe_aiff(file, size, "aiff"),
    "aifc": lambda file, size: aiff.probe_aiff(file, size, "aifc"),
    "w64": probe_w64,
    "caf": probe_caf,
    "au": probe_au,
    "rifx": probe_rifx,
}
CONTAINERS = tuple(_PROBERS)

# What audio may be coded as: in a WAV, by headers of our own reading, or as libav names it.
CODECS = tuple(
    dict.fromkeys(
        (
            *WAV_CODECS.values(),
            *("flac", "alac", "mp3", "mp2", "mp1", "aac", "vorbis", "opus", "speex"),
            *("ac3", "eac3", "dts", "truehd", "wmav1", "wmav2", "wmapro", "wmalossless"),
            *("amr_nb", "amr_wb", "g721_adpcm (23)", "g723_adpcm (25)", "g723_adpcm (26)"),
        )
    )
)


def probe_audio(file: SeekableFile, size: int, container: str) -> Probe:
    """Probe audio of `size` bytes in one of `CONTAINERS`.

    Raises nothing for what the file holds; errors of the file object pass through, except
    `ReadBudgetError`, which is a fault of the header.
    """
    try:
        return _PROBERS[container](file, size)
    except ReadBudgetError as error:
        fault = header_fault(str(error), "a header within reach")
        return sound(container, None, None, faults=[fault])

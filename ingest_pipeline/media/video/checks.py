"""What a rendition must be like to be accepted."""

from collections.abc import Iterator

from ingest_pipeline.media.files import SeekableFile
from ingest_pipeline.media.model import (
    Probe,
    VideoInfo,
)
from ingest_pipeline.media.video.ffmpeg import (
    TranscodeError,
    TranscodeResourceError,
)
from ingest_pipeline.media.video.presets import (
    Preset,
)
from ingest_pipeline.media.video.probe import (
    VideoProbeError,
    probe_video,
)
from ingest_pipeline.values import Frozen

DURATION_TOLERANCE_SECONDS = 1.0
SIZE_TOLERANCE_PIXELS = 2  # sizes are even


class Check(Frozen):
    """Something that was found true of a rendition."""

    name: str
    found: int | float | str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} {self.found}, wanted {self.wanted}"


def accept(
    file: SeekableFile,
    size: int,
    preset: Preset,
    source: VideoInfo,
    *,
    container: str | None = None,
) -> tuple[Probe, tuple[Check, ...]]:
    """Probe a rendition, whoever made it: what it is, and the checks that it passed.

    `container` is one of `DEMUXERS` where it is not the preset's.

    Raises:
        TranscodeError: it is broken, or not what the preset makes of `source`.
        TranscodeResourceError: it could not be looked at; try again later.
        Any other error of the file object passes through.
    """
    try:
        probe = probe_video(file, size, container or preset.container)
    except VideoProbeError as error:
        raise TranscodeResourceError(f"the rendition could not be probed: {error}") from error
    if probe.faults:
        raise TranscodeError(f"the rendition is broken: {probe.faults[0]}")
    return probe, tuple(_checked(probe.video, preset, source))


def _checked(found: VideoInfo | None, preset: Preset, source: VideoInfo) -> Iterator[Check]:
    """Compare a rendition with what it should be; raises `TranscodeError` at what it is not."""
    if found is None:
        raise TranscodeError("the rendition cannot be opened")
    audio = preset.audio.codec if source.audio_streams else None
    yield _equal("video_codec", found.video_codec, preset.video.codec)
    yield _equal("audio_codec", found.audio_codec, audio)
    yield _equal("rotation", found.rotation, 0)
    yield _equal("display_width", found.display_width, found.width)  # square pixels
    yield _within("width", found.width, 2, preset.max_width)
    yield _within("height", found.height, 2, preset.max_height)
    if source.display_width and source.display_height:
        width, height = source.display_width, source.display_height
        factor = min(1.0, preset.max_width / width, preset.max_height / height)
        yield _near("width", found.width, width * factor, SIZE_TOLERANCE_PIXELS)
        yield _near("height", found.height, height * factor, SIZE_TOLERANCE_PIXELS)
    yield _within("frame_rate", found.frame_rate, 0, preset.max_frame_rate * 1.01)
    if source.duration_seconds:
        length = found.duration_seconds
        yield _near("duration", length, source.duration_seconds, DURATION_TOLERANCE_SECONDS)


def _equal(name: str, found: int | str | None, wanted: int | str | None) -> Check:
    return _passed(found == wanted, name, found, str(wanted).lower())


def _within(name: str, found: float | None, least: float, most: float) -> Check:
    is_within = found is not None and least <= found <= most
    return _passed(is_within, name, found, f"{least:g} to {most:g}")


def _near(name: str, found: float | None, wanted: float, tolerance: float) -> Check:
    is_near = found is not None and abs(found - wanted) <= tolerance
    return _passed(is_near, name, found, f"{wanted:g} within {tolerance:g}")


def _passed(is_right: bool, name: str, found: float | str | None, wanted: str) -> Check:  # noqa: FBT001
    check = Check(name=name, found="none" if found is None else found, wanted=wanted)
    if not is_right:
        raise TranscodeError(f"the rendition is not as wanted: {check}")
    return check

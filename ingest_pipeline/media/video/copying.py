"""Which films need no encoding: those whose tracks are what a preset promises as they stand."""

from collections.abc import Mapping

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.presets import Preset

# What a decoder of each profile of H.264 plays. Not the full Baseline, which others lack.
_PLAYED: Mapping[str, tuple[str, ...]] = {
    "baseline": ("Constrained Baseline",),
    "main": ("Constrained Baseline", "Main"),
    "high": ("Constrained Baseline", "Main", "High"),
}
_HIGHEST_HERTZ = 48_000  # whatever plays AAC of 44.1 kHz plays this, too


def may_copy(preset: Preset, video: VideoInfo) -> bool:
    """Whether a rendition may hold the tracks of this film as they are, where the preset says so.

    What is not known of a film, such as how far apart its whole pictures are in a container without
    a table of them, speaks against it.
    """
    return preset.remux and _picture_conforms(preset, video) and _sound_conforms(preset, video)


def _picture_conforms(preset: Preset, video: VideoInfo) -> bool:
    wanted = preset.video
    return (
        video.video_streams == 1
        and video.video_codec == wanted.codec == "h264"
        and video.video_profile in _PLAYED.get(wanted.profile or "high", ())
        and _within(video.video_level, _level(wanted.level))
        and video.pixel_format == "yuv420p"
        and video.color_range != "pc"
        and not video.is_hdr
        and not video.interlaced
        and video.rotation == 0
        and (video.display_width, video.display_height) == (video.width, video.height)
        and _within(video.width, preset.max_width)
        and _within(video.height, preset.max_height)
        and _within(video.frame_rate, preset.max_frame_rate)
        and _within(video.bit_rate, wanted.bit_rate + preset.audio.bit_rate)
        and _within(video.longest_gop, _gop(preset, video.frame_rate or 0))
    )


def _sound_conforms(preset: Preset, video: VideoInfo) -> bool:
    wanted = preset.audio
    return video.audio_streams == 0 or (
        video.audio_codec == wanted.codec == "aac"
        and video.audio_profile == "LC"
        and _within(video.audio_channels, wanted.channels)
        and _within(video.audio_rate, max(wanted.sample_rate, _HIGHEST_HERTZ))
    )


def _within(found: float | None, most: float) -> bool:
    return found is not None and 0 < found <= most


def _level(name: str | None) -> int:
    """A level as streams have it: "3.1" is 31."""
    try:
        return round(float(name or "6.2") * 10)
    except ValueError:
        return 0  # such as "1b": nothing is known to be below it


def _gop(preset: Preset, frame_rate: float) -> float:
    """Thumbnails are taken from whole pictures, of which each needs one."""
    return min(preset.video.gop, preset.thumbnails.every_seconds * frame_rate)

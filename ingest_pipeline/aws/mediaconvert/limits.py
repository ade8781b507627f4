"""What MediaConvert takes of a preset, and what it calls profiles and levels."""

from collections.abc import Iterator, Mapping

from ingest_pipeline.media.toml_file import quoted
from ingest_pipeline.media.video.presets import Preset, VideoEncoding

LEAST_SIDE = 32  # pixels, of any picture
MOST_SIDE = 8192
MOST_REFS = 6
BIT_RATES = (1000, 1_152_000_000)  # bits a second of H.264
MOST_SEGMENT_SECONDS = 2**31 - 1

# The service's names for x264's and x265's; of HEVC's it tells the tier, too.
PROFILES: Mapping[str, Mapping[str, str]] = {
    "h264": {
        "baseline": "BASELINE",
        "main": "MAIN",
        "high": "HIGH",
        "high10": "HIGH_10BIT",
        "high422": "HIGH_422",
    },
    "hevc": {
        "main": "MAIN_MAIN",
        "main10": "MAIN10_MAIN",
        "main422-10": "MAIN_422_10BIT_MAIN",
    },
}
LEVELS: Mapping[str, tuple[str, ...]] = {
    "h264": (
        *("1", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2"),
        *("4", "4.1", "4.2", "5", "5.1", "5.2"),
    ),
    "hevc": ("1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2"),
}


def profile_name(video: VideoEncoding) -> str | None:
    """The service's name for a profile; None where there is none or it does not know it."""
    return PROFILES[video.codec].get(video.profile or "")


def level_name(video: VideoEncoding) -> str | None:
    """The service's name for a level; None where there is none or it does not know it."""
    level = _level(video)
    return f"LEVEL_{level.replace('.', '_')}" if level in LEVELS[video.codec] else None


def _level(video: VideoEncoding) -> str:
    return (video.level or "").removesuffix(".0")


def beyond_limits(preset: Preset) -> Iterator[str]:
    """What the service would refuse of a preset, or make something else of: each one why."""
    small = preset.thumbnails
    for name, side in (
        ("max_width", preset.max_width),
        ("max_height", preset.max_height),
        ("[thumbnails] width", small.width),
        ("[thumbnails] height", small.height),
    ):
        yield from _outside(name, side, LEAST_SIDE, MOST_SIDE)
    if preset.video.codec in PROFILES:
        yield from _encoding_mistakes(preset.video)
    if preset.is_ladder:
        yield from _ladder_mistakes(preset)


def _ladder_mistakes(preset: Preset) -> Iterator[str]:
    """Look at the rungs, whose boxes it takes with even sides alone."""
    yield from _outside("segment_seconds", preset.segment_seconds, 1, MOST_SEGMENT_SECONDS)
    yield from _odd("max_width", preset.max_width)
    yield from _odd("max_height", preset.max_height)
    for number, rung in enumerate(preset.rungs, 1):
        yield from _outside(f"rung {number}: side", rung.side, LEAST_SIDE, MOST_SIDE)
        yield from _odd(f"rung {number}: side", rung.side)
        yield from _outside(f"rung {number}: bit_rate", rung.bit_rate, *BIT_RATES)


def _encoding_mistakes(video: VideoEncoding) -> Iterator[str]:
    """Look at what it is told of H.264 and HEVC alone."""
    if video.refs:
        yield from _outside("[video] refs", video.refs, 1, MOST_REFS)
    if video.profile and not profile_name(video):
        yield _unknown("[video] profile", video.profile, PROFILES[video.codec])
    if video.level and not level_name(video):
        yield _unknown("[video] level", video.level, LEVELS[video.codec])


def _outside(name: str, found: int, least: int, most: int) -> Iterator[str]:
    if not least <= found <= most:
        yield f"{name}: {found} is not within MediaConvert's {least} to {most}"


def _odd(name: str, found: int) -> Iterator[str]:
    if found % 2:
        yield f"{name}: {found} is odd, and MediaConvert's pictures have even sides"


def _unknown(name: str, found: str, known: Mapping[str, str] | tuple[str, ...]) -> str:
    return f"{name}: {quoted(found)} is not one of MediaConvert's {', '.join(known)}"

"""Brings film of a high dynamic range to what every screen shows: BT.709."""

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.program import FfmpegChoice

TONE_FILTERS = ("zscale", "tonemap")
WITHOUT = "PQ or HLG as it was, for ffmpeg lacks the filters zscale and tonemap: colours look pale"

_PRIMARIES = ("bt709", "bt2020", "smpte431", "smpte432")
_MATRICES = ("gbr", "bt709", "bt2020nc", "bt2020c", "ictcp")
_MASTERING = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")  # true of the source alone
_WHITE_NITS = 100  # of a usual screen


def can_tone_map(ffmpeg: FfmpegChoice) -> bool:
    """Whether this ffmpeg has what `tone_map` uses."""
    return not any(f"filter {name}" in ffmpeg.missing for name in TONE_FILTERS)


def tone_map(video: VideoInfo) -> str:
    """The filters that make BT.709 of limited range of a film that `is_hdr`, and tag it so.

    What the film does not tell of its colours, or tells as nonsense, is BT.2020.
    """
    primaries = video.color_primaries if video.color_primaries in _PRIMARIES else "bt2020"
    matrix = video.color_matrix if video.color_matrix in _MATRICES else "bt2020nc"
    told = f"color_primaries={primaries}:color_trc={video.color_transfer}:colorspace={matrix}"
    return ",".join(
        (
            f"setparams={told}",
            f"zscale=t=linear:npl={_WHITE_NITS}",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=tv",
            *(f"sidedata=mode=delete:type={name}" for name in _MASTERING),
        )
    )

"""Jobs that the tests ask for."""

from datetime import UTC, datetime
from typing import Any

from ingest_pipeline.aws.mediaconvert.job_request import job_request
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.presets import Preset, load_presets
from ingest_pipeline.records.model import TranscodeJob
from ingest_pipeline_tests.mediaconvert import EXCHANGE

TOKEN = EXCHANGE["request"]["clientRequestToken"]
ROLE = EXCHANGE["request"]["role"]
JOB_ID = EXCHANGE["answers"]["submitted"]["body"]["job"]["id"]
JOB = TranscodeJob(
    bucket="films",
    key="a film/café.webm",
    version="3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH",
    preset="Web",
    arrived=datetime(2026, 3, 1, tzinfo=UTC),
    token=TOKEN,
    submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
)
WEB = load_presets().named("Web")
STREAM = load_presets().named("Stream")


def preset(name: str, **changes: Any) -> Preset:
    return Preset.model_validate(WEB.model_dump() | {"name": name} | changes)


def encoding(codec: str, **changes: Any) -> dict[str, Any]:
    return WEB.video.model_dump() | {"codec": codec, "profile": None, "level": None} | changes


PRESETS = {
    "Web": WEB,
    "Stream": STREAM,
    "hevc": preset("hevc", video=encoding("hevc", profile="main", level="3.1")),
    "average": preset("average", video=encoding("h264", quality=None)),
    "webm": preset(
        "webm",
        container="webm",
        video=encoding("vp9"),
        audio=WEB.audio.model_dump() | {"codec": "opus", "bit_rate": 100_000},
    ),
    "old-webm": preset(
        "old-webm",
        container="webm",
        video=encoding("vp8"),
        audio=WEB.audio.model_dump() | {"codec": "vorbis", "bit_rate": 130_000},
    ),
}


def video(**changes: Any) -> VideoInfo:
    """1920x1080 at 60 frames a second, in stereo."""
    fields = {
        "duration_seconds": 2.0,
        "width": 1920,
        "height": 1080,
        "display_width": 1920,
        "display_height": 1080,
        "frame_rate": 60.0,
        "video_codec": "vp9",
        "audio_codec": "opus",
        "audio_channels": 2,
        "audio_rate": 48_000,
        "video_streams": 1,
        "audio_streams": 1,
    }
    return VideoInfo.model_validate(fields | changes)


SOURCES = {
    "1080p60": video(),
    "portrait": video(rotation=90, display_width=1080, display_height=1920, frame_rate=29.97),
    "anamorphic": video(
        width=720, height=576, display_width=1024, display_height=576, frame_rate=25.0
    ),
    "interlaced": video(interlaced=True, frame_rate=25.0),
    "silent": video(audio_streams=0, audio_codec=None, audio_channels=None, audio_rate=None),
    "mono": video(audio_channels=1),
    "unknown": VideoInfo(video_streams=1),
}


def request(source: str = "1080p60", by: str = "Web") -> dict[str, Any]:
    return job_request(JOB, PRESETS[by], SOURCES[source], "ingest-renditions", "transcoding/1/")

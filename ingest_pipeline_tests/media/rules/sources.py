"""Sources of a bucket, and what is judged by them."""

from pathlib import Path

from pydantic import JsonValue

from ingest_pipeline.media.model import AudioInfo, ImageInfo, Kind, Probe, VideoInfo
from ingest_pipeline.media.rules.sources import Source, Sources, load_sources

SOURCE = '[[source]]\nbucket = "b"\nkinds = ["audio"]\n'


def load(tmp_path: Path, text: str) -> Sources:
    path = tmp_path / "sources.toml"
    path.write_text(text)
    return load_sources(path)


def source_with(tmp_path: Path, rules: str) -> Source:
    return load(tmp_path, f"{SOURCE}[source.audio]\n{rules}\n").source[0]


def audio(**changes: JsonValue) -> Probe:
    info = {
        "channel_count": 2,
        "frame_count": 96_000,
        "sample_rate": 48_000,
        "bits_per_sample": 24,
        "duration": "2.0",
        "block_align": 6,
        "sample_format": "int",
        "data_bytes": 576_000,
    }
    found = AudioInfo.model_validate(info | changes)
    return Probe(kind=Kind.AUDIO, container="wav", codec="pcm", audio=found)


def sounding(**changes: JsonValue) -> Probe:
    """Audio whose quality was measured."""
    quality: dict[str, JsonValue] = {
        "integrated_loudness": -23.1,
        "true_peak": -1.5,
        "clipped_samples": 3,
        "leading_silence_seconds": 1.5,
        "trailing_silence_seconds": 0.7,
        "dc_offset": 0.01,
    }
    return audio(quality=quality | changes)


THREE_KINDS = SOURCE.replace('["audio"]', '["audio", "video", "image"]')


def video(**changes: JsonValue) -> Probe:
    info = {
        "duration_seconds": 12.5,
        "width": 1920,
        "height": 1080,
        "display_width": 1920,
        "display_height": 1080,
        "frame_rate": 29.97,
        "video_codec": "h264",
        "audio_codec": "aac",
        "video_streams": 1,
        "audio_streams": 1,
    }
    found = VideoInfo.model_validate(info | changes)
    return Probe(kind=Kind.VIDEO, container="mp4", codec=found.video_codec, video=found)


SOUND_ONLY = video(
    video_streams=0,
    video_codec=None,
    width=None,
    height=None,
    display_width=None,
    display_height=None,
    frame_rate=None,
)


def video_source(tmp_path: Path, rules: str) -> Source:
    text = f'[[source]]\nbucket = "b"\nkinds = ["video"]\n[source.video]\n{rules}\n'
    return load(tmp_path, text).source[0]


def image(**changes: JsonValue) -> Probe:
    info = {"width": 4000, "height": 3000, "mode": "RGB"}
    found = ImageInfo.model_validate(info | changes)
    return Probe(kind=Kind.IMAGE, container="jpeg", image=found)


def image_source(tmp_path: Path, rules: str) -> Source:
    text = f'[[source]]\nbucket = "b"\nkinds = ["image"]\n[source.image]\n{rules}\n'
    return load(tmp_path, text).source[0]

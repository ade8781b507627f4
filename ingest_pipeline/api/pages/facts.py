"""What is known of one object, as lines of a table."""

from collections.abc import Iterator

from ingest_pipeline.api.pages import words
from ingest_pipeline.catalogue.history import (
    History,
)
from ingest_pipeline.catalogue.pages import (
    WholeObject,
)
from ingest_pipeline.media.model import (
    AudioInfo,
    ImageInfo,
    Probe,
    Quality,
    VideoInfo,
)
from ingest_pipeline.records.model import (
    Report,
)
from ingest_pipeline.values import Frozen


class Fact(Frozen):
    """A line of an object's facts."""

    name: str
    value: str


def facts_of(story: History, report: Report | None) -> Iterator[Fact]:
    """What is known of an object's newest version."""
    yield Fact(name="Bucket", value=story.bucket)
    if story.report.size is not None:
        yield Fact(
            name="Size", value=f"{words.size(story.report.size)} ({story.report.size:,} bytes)"
        )
    if story.report.last_modified:
        yield Fact(name="Arrived", value=f"{words.moment(story.report.last_modified)} UTC")
    probe = report.probe if report else None
    if probe is None:
        return
    if probe.container:
        yield Fact(name="Format", value=probe.container)
    if probe.codec:
        yield Fact(name="Coding", value=probe.codec)
    yield from _content_facts(probe)
    for warning in probe.warnings:
        yield Fact(name="Note", value=words.visible(warning))


def _content_facts(probe: Probe) -> Iterator[Fact]:
    if probe.audio:
        yield from _audio_facts(probe.audio)
    if probe.video:
        yield from _video_facts(probe.video)
    if probe.image:
        yield from _image_facts(probe.image)


def _audio_facts(audio: AudioInfo) -> Iterator[Fact]:
    if audio.duration is not None:
        yield Fact(name="Length", value=words.duration(float(audio.duration)))
    yield Fact(name="Sample rate", value=f"{audio.sample_rate / 1000:g} kHz")
    if audio.bits_per_sample is not None:
        yield Fact(name="Bits per sample", value=str(audio.bits_per_sample))
    if audio.bit_rate is not None:
        yield Fact(name="Bit rate", value=f"{audio.bit_rate / 1000:.0f} kbit/s")
    yield Fact(name="Channels", value=_channels(audio.channel_count, audio.channel_layout))
    if audio.frame_count is not None:
        yield Fact(name="Frames", value=f"{audio.frame_count:,}")
    if audio.quality is not None:
        yield from _quality_facts(audio.quality)


def _quality_facts(quality: Quality) -> Iterator[Fact]:
    if quality.integrated_loudness is not None:
        yield Fact(name="Loudness", value=f"{quality.integrated_loudness:.1f} LUFS")
    if quality.true_peak is not None:
        yield Fact(name="True peak", value=f"{quality.true_peak:.1f} dBTP")
    yield Fact(name="Clipped samples", value=f"{quality.clipped_samples:,}")
    start, end = quality.leading_silence_seconds, quality.trailing_silence_seconds
    yield Fact(name="Silence", value=f"{start:.2f} s at the start, {end:.2f} s at the end")
    yield Fact(name="DC offset", value=f"{quality.dc_offset * 100:.3g} % of full scale")


def _video_facts(video: VideoInfo) -> Iterator[Fact]:
    if video.duration_seconds is not None:
        yield Fact(name="Length", value=words.duration(video.duration_seconds))
    if video.width and video.height:
        yield Fact(name="Picture", value=f"{video.width} x {video.height} pixels")
    if video.frame_rate:
        yield Fact(name="Frame rate", value=f"{video.frame_rate:g} a second")
    if video.audio_codec:
        yield Fact(name="Sound", value=video.audio_codec)


def _image_facts(image: ImageInfo) -> Iterator[Fact]:
    yield Fact(name="Picture", value=f"{image.width} x {image.height} pixels")
    yield Fact(name="Colours", value=image.mode)
    if image.frames > 1:
        yield Fact(name="Frames", value=f"{image.frames:,}, {image.decoded_frames} of them decoded")
    if image.captured_at:
        yield Fact(name="Taken", value=words.visible(image.captured_at))
    if image.camera:
        yield Fact(name="Camera", value=words.visible(image.camera))


def _channels(count: int, layout: tuple[str, ...] | None) -> str:
    return f"{count} ({', '.join(layout)})" if layout else str(count)


def metadata_facts(report: Report) -> Iterator[Fact]:
    """What the file says of itself, nested values as their path."""
    if report.probe:
        yield from _flat(report.probe.metadata, ())


def _flat(value: object, path: tuple[str, ...]) -> Iterator[Fact]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, (*path, str(name)))
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _flat(each, (*path, str(number)))
    elif value not in {None, ""}:
        yield Fact(name=words.visible(" / ".join(path)), value=words.visible(str(value)))


def rendition_facts(whole: WholeObject) -> Iterator[Fact]:
    """What was made of a video."""
    for each in whole.renditions:
        value = f"{each.width} x {each.height} pixels, {words.size(each.size)}"
        yield Fact(name=f"Rendition {each.preset}", value=value)

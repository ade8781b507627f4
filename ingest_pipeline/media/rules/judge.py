"""The judgement of a probed object by its source's rules."""

from collections.abc import Iterator, Mapping

from ingest_pipeline.media.model import (
    Kind,
    Probe,
    Reason,
    Verdict,
)
from ingest_pipeline.media.probe import PROBED
from ingest_pipeline.media.rules.rule import (
    AudioRules,
    ImageRules,
    Rule,
    Scalar,
    VideoRules,
    _any_of,
    _word_for,
)
from ingest_pipeline.media.rules.sources import Source
from ingest_pipeline.values import Frozen


class Judgement(Frozen):
    """The verdict on an object, and every reason for it."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


def judge(probe: Probe, source: Source) -> Judgement:
    """Judge a probed object by its source's rules; all that is wrong is told, not the first."""
    if probe.kind is Kind.EMPTY:
        return _rejected(Reason(rule="size", found=0, wanted="at least 1 byte"))
    if probe.kind not in source.kinds:
        return _rejected(Reason(rule="kind", found=_kind(probe), wanted=_any_of(source.kinds)))
    if not probe.probed:
        return Judgement(verdict=Verdict.UNJUDGED, reasons=probe.faults or (_not_probed(probe),))
    reasons = (*probe.faults, *_broken(source, probe))
    return _rejected(*reasons) if reasons else Judgement(verdict=Verdict.VALID)


def _rejected(*reasons: Reason) -> Judgement:
    return Judgement(verdict=Verdict.REJECTED, reasons=reasons)


def _not_probed(probe: Probe) -> Reason:
    wanted = f"a kind that is probed: {', '.join(PROBED)}"
    return Reason(rule="probe", found=f"{probe.kind}/{probe.container}", wanted=wanted)


def _kind(probe: Probe) -> str:
    return f"{probe.kind} ({probe.container})" if probe.container else str(probe.kind)


def _broken(source: Source, probe: Probe) -> Iterator[Reason]:
    match probe.kind:
        case Kind.AUDIO:
            yield from _unmet(source.audio, _audio_values(probe))
        case Kind.VIDEO:
            yield from _unmet(source.video, _video_values(probe))
        case Kind.IMAGE:
            yield from _unmet(source.image, _image_values(probe))


def _unmet(
    rules: AudioRules | VideoRules | ImageRules, values: Mapping[str, Scalar]
) -> Iterator[Reason]:
    for name, found in values.items():
        rule: Rule | None = getattr(rules, name)
        if rule is not None and not rule.allows(found):
            shown = str(found) if isinstance(found, float) else found
            yield Reason(rule=name, found=shown, wanted=rule.wanted)


def _audio_values(probe: Probe) -> Mapping[str, Scalar]:
    """Collect what the rules of audio speak of; empty without a fmt chunk, itself a fault."""
    audio = probe.audio
    if audio is None:
        return {}
    length = audio.duration
    found = {
        "container": probe.container,
        "codec": probe.codec,
        "sample_format": audio.sample_format,
        "channel_count": audio.channel_count,
        "sample_rate": audio.sample_rate,
        "bits_per_sample": audio.bits_per_sample,
        "valid_bits": audio.bits_per_sample if audio.valid_bits is None else audio.valid_bits,
        "frame_count": audio.frame_count,
        "duration_seconds": None if length is None else float(length),
        **(audio.quality.model_dump() if audio.quality else {}),
    }
    return _told(found)


def _video_values(probe: Probe) -> Mapping[str, Scalar]:
    """Collect what the rules of video speak of; empty where it cannot be opened, itself a fault."""
    video = probe.video
    if video is None:
        return {}
    found = {
        "container": probe.container,
        "has_video": _word_for(video.has_video),
        "video_codec": video.video_codec,
        "audio_codec": video.audio_codec,
        "duration_seconds": video.duration_seconds,
        "width": video.width,
        "height": video.height,
        "pixels": video.pixels,
        "pixel_seconds": video.pixel_seconds,
        "frame_rate": video.frame_rate,
    }
    return _told(found)


def _told(found: Mapping[str, Scalar | None]) -> Mapping[str, Scalar]:
    return {name: "none" if value is None else value for name, value in found.items()}


def _image_values(probe: Probe) -> Mapping[str, Scalar]:
    """Collect what the rules of images speak of; the one without all but the format is faulty."""
    values: dict[str, Scalar] = {"format": probe.container or "none"}
    image = probe.image
    if image is None:
        return values
    return values | {
        "width": image.width,
        "height": image.height,
        "shortest_side": min(image.width, image.height),
        "longest_side": max(image.width, image.height),
        "pixels": image.pixels,
        "frames": image.frames,
    }

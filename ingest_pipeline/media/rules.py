"""What each bucket takes and what is valid there: sources.toml, and the judgement by it."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ingest_pipeline.media.image import FORMATS
from ingest_pipeline.media.model import Frozen, Kind, Probe, Reason, Verdict
from ingest_pipeline.media.probe import PROBED
from ingest_pipeline.media.toml_file import (
    TomlFileError,
    name_of,
    number,
    quoted,
    read_toml,
    what_is_wrong,
    whole_number,
)
from ingest_pipeline.media.video import DEMUXERS
from ingest_pipeline.media.wav import CODECS, CONTAINERS

Scalar = int | float | str


class RulesError(TomlFileError):
    """sources.toml cannot be used; the message names the file, the place and what is wrong."""


class OnReject(StrEnum):
    """What becomes of an object that the rules reject."""

    DELETE = "delete"  # recoverable for as long as the bucket keeps old versions
    QUARANTINE = "quarantine"
    KEEP = "keep"


class Rule(Frozen):
    """What a value must be: one of `choices`, or within a range whose ends may be open."""

    choices: tuple[Scalar, ...] = ()
    least: int | float | None = None
    most: int | float | None = None

    def allows(self, found: Scalar) -> bool:
        """Whether the value found is a wanted one."""
        if self.choices:
            return found in self.choices
        if isinstance(found, str):
            return False
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return least <= found <= most

    @property
    def wanted(self) -> int | str:
        """The rule for people: `48000`, "44100 or 48000", "1 to 8", "at least 1"."""
        if self.choices:
            return _any_of(self.choices)
        if self.most is None:
            return f"at least {self.least}"
        if self.least is None:
            return f"at most {self.most}"
        return f"{self.least} to {self.most}"


def _any_of(choices: Sequence[Scalar]) -> int | str:
    if len(choices) == 1:
        return choices[0] if isinstance(choices[0], int) else str(choices[0])
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}"


# --- the form of a rule in the file ---------------------------------------------------------------


def _choices(value: object, check: Callable[[object], Scalar]) -> Rule:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("an empty list allows nothing")
    return Rule(choices=tuple(check(item) for item in items))


def _range(value: dict[str, object], check: Callable[[object], Scalar]) -> Rule:
    if not value or value.keys() - {"min", "max"}:
        raise ValueError(f"a range has min, max or both, not {', '.join(value) or 'nothing'}")
    ends = {name: check(end) for name, end in value.items()}
    rule = Rule.model_validate({"least": ends.get("min"), "most": ends.get("max")})
    if rule.least is not None and rule.most is not None and rule.least > rule.most:
        raise ValueError(f"min {rule.least} is greater than max {rule.most}")
    return rule


def _words(names: Iterable[str]) -> BeforeValidator:
    check = name_of(names)
    return BeforeValidator(lambda value: _choices(value, check))


def _numbers(check: Callable[[object], Scalar]) -> BeforeValidator:
    def parse(value: object) -> Rule:
        return _range(value, check) if isinstance(value, dict) else _choices(value, check)

    return BeforeValidator(parse)


def _lower_case_name(value: object) -> str:
    """Check the name of a video's codec, which is one of ffmpeg's hundreds."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9_]+", value):
        raise ValueError(f"{quoted(value)} is not a name in lower case")
    return value


def _yes_or_no(value: object) -> Rule:
    if not isinstance(value, bool):
        raise ValueError(f"{quoted(value)} is not true or false")  # noqa: TRY004 - pydantic's way
    return Rule(choices=(_word_for(value),))


def _word_for(value: bool) -> str:  # noqa: FBT001 - the value is what it is about
    return "true" if value else "false"


_WholeNumbers = Annotated[Rule, _numbers(whole_number)]
_Numbers = Annotated[Rule, _numbers(number)]
_LowerCaseNames = Annotated[Rule, BeforeValidator(lambda value: _choices(value, _lower_case_name))]


class AudioRules(Frozen):
    """The rules that audio of a source must meet; absent ones allow anything."""

    container: Annotated[Rule, _words(CONTAINERS.values())] | None = None
    codec: Annotated[Rule, _words(CODECS.values())] | None = None
    sample_format: Annotated[Rule, _words(("int", "float"))] | None = None
    channel_count: _WholeNumbers | None = None
    sample_rate: _WholeNumbers | None = None  # Hz
    bits_per_sample: _WholeNumbers | None = None
    valid_bits: _WholeNumbers | None = None  # bits_per_sample where the header has none
    frame_count: _WholeNumbers | None = None
    duration_seconds: _Numbers | None = None


class VideoRules(Frozen):
    """The rules that video of a source must meet; absent ones allow anything."""

    container: Annotated[Rule, _words(DEMUXERS)] | None = None
    has_video: Annotated[Rule, BeforeValidator(_yes_or_no)] | None = None  # a file may be all audio
    video_codec: _LowerCaseNames | None = None
    audio_codec: _LowerCaseNames | None = None  # "none" where there is no audio
    duration_seconds: _Numbers | None = None
    width: _WholeNumbers | None = None  # as coded, before any rotation
    height: _WholeNumbers | None = None
    pixels: _WholeNumbers | None = None  # width x height
    frame_rate: _Numbers | None = None


class ImageRules(Frozen):
    """The rules that images of a source must meet; absent ones allow anything."""

    format: Annotated[Rule, _words(FORMATS)] | None = None
    width: _WholeNumbers | None = None  # upright
    height: _WholeNumbers | None = None
    shortest_side: _WholeNumbers | None = None
    longest_side: _WholeNumbers | None = None
    pixels: _WholeNumbers | None = None  # width x height
    frames: _WholeNumbers | None = None  # of an animation, or pages


def _not_empty(value: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """Refuse an empty list; `min_length` would complain beside every other mistake, too."""
    if not value:
        raise ValueError("must not be empty")
    return value


_TAKEABLE = tuple(kind for kind in Kind if kind is not Kind.EMPTY)  # which is never valid
_TakeableKind = Annotated[Kind, BeforeValidator(name_of(_TAKEABLE))]


class Source(Frozen):
    """A bucket, or the keys of a prefix in it, with what may lie there."""

    bucket: Annotated[str, Field(min_length=1)]
    prefix: str = ""
    kinds: Annotated[tuple[_TakeableKind, ...], AfterValidator(_not_empty)]
    on_reject: Annotated[OnReject, BeforeValidator(name_of(OnReject))] = OnReject.DELETE
    watched: bool = True  # False: nothing is taken in by listing the bucket
    audio: AudioRules = AudioRules()
    video: VideoRules = VideoRules()
    image: ImageRules = ImageRules()


_RULES: Mapping[str, type[Frozen]] = {  # of a source
    "audio": AudioRules,
    "video": VideoRules,
    "image": ImageRules,
}


class Sources(Frozen):
    """All sources of sources.toml, in its order."""

    source: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _some_and_no_two_alike(self) -> Self:
        if not self.source:
            raise ValueError("no [[source]] in it")
        seen: dict[tuple[str, str], int] = {}
        for place, source in enumerate(self.source, start=1):
            first = seen.setdefault((source.bucket, source.prefix), place)
            if first != place:
                raise ValueError(
                    f'source {place} (bucket "{source.bucket}"): '
                    f'the same bucket and prefix "{source.prefix}" as source {first}'
                )
        return self

    @property
    def buckets(self) -> list[str]:
        """The buckets whose every object has an outcome, each once."""
        return list(dict.fromkeys(source.bucket for source in self.source if source.watched))

    def for_object(self, bucket: str, key: str) -> Source | None:
        """Find the source of an object: the longest matching prefix wins, None: not ours."""
        fitting = (s for s in self.source if s.bucket == bucket and key.startswith(s.prefix))
        return max(fitting, key=lambda source: len(source.prefix), default=None)


# --- loading --------------------------------------------------------------------------------------


def load_sources(path: Path) -> Sources:
    """Load sources.toml; raises `RulesError` with every mistake in it, one a line."""
    document = read_toml(path, RulesError)
    try:
        return Sources.model_validate(document)
    except ValidationError as error:
        mistakes = [_mistake(details, document) for details in error.errors()]
        raise RulesError("\n".join(f"{path}: {mistake}" for mistake in mistakes)) from error


def _mistake(details: ErrorDetails, document: dict[str, Any]) -> str:
    """Say where and what: `source 2 (bucket "x"): [audio] unknown rule "rate"; known: ...`."""
    match details["loc"]:
        case ("source", int(index), str(kind), *rest) if kind in _RULES:
            known = _RULES[kind].model_fields
            what = what_is_wrong(details, rest[:1], noun="rule", known=known)
            return f"{_place(index, document)}: [{kind}] {what}"
        case ("source", int(index), *rest):
            what = what_is_wrong(details, rest[:1], noun="key", known=Source.model_fields)
            return f"{_place(index, document)}: {what}"
        case ("source",):
            return "write each source under [[source]]"
        case rest:
            return what_is_wrong(details, rest[:1], noun="key", known=Sources.model_fields)


def _place(index: int, document: dict[str, Any]) -> str:
    source = document["source"][index]
    bucket = source.get("bucket") if isinstance(source, dict) else None
    return f'source {index + 1} (bucket "{bucket}")' if bucket else f"source {index + 1}"


# --- judging --------------------------------------------------------------------------------------


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
    return {
        "container": probe.container or "none",
        "codec": probe.codec or "none",
        "sample_format": audio.sample_format or "none",
        "channel_count": audio.channel_count,
        "sample_rate": audio.sample_rate,
        "bits_per_sample": audio.bits_per_sample,
        "valid_bits": audio.bits_per_sample if audio.valid_bits is None else audio.valid_bits,
        "frame_count": audio.frame_count,
        "duration_seconds": float(audio.duration),
    }


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
        "frame_rate": video.frame_rate,
    }
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

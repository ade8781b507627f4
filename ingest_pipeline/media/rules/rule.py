"""One rule, and the rules of each kind of media."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

from pydantic import BeforeValidator

from ingest_pipeline.media.audio.probe import CODECS
from ingest_pipeline.media.audio.probe import CONTAINERS as AUDIO_CONTAINERS
from ingest_pipeline.media.audio.wav import CONTAINERS
from ingest_pipeline.media.image.reader import FORMATS
from ingest_pipeline.media.model import Quality
from ingest_pipeline.media.toml_file import (
    name_of,
    number,
    quoted,
    whole_number,
)
from ingest_pipeline.media.video.probe import AUDIO_ONLY, DEMUXERS
from ingest_pipeline.values import Frozen

Scalar = int | float | str


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


_FILM_CONTAINERS = tuple(name for name in DEMUXERS if name not in AUDIO_ONLY)
# Sound may be alone in a container of videos.
_SOUND_CONTAINERS = (*CONTAINERS.values(), *AUDIO_CONTAINERS, *DEMUXERS)


class AudioRules(Frozen):
    """The rules that audio of a source must meet; absent ones allow anything."""

    container: Annotated[Rule, _words(_SOUND_CONTAINERS)] | None = None
    codec: Annotated[Rule, _words(CODECS)] | None = None
    sample_format: Annotated[Rule, _words(("int", "float"))] | None = None
    channel_count: _WholeNumbers | None = None
    sample_rate: _WholeNumbers | None = None  # Hz
    bits_per_sample: _WholeNumbers | None = None
    valid_bits: _WholeNumbers | None = None  # bits_per_sample where the header has none
    frame_count: _WholeNumbers | None = None
    duration_seconds: _Numbers | None = None
    integrated_loudness: _Numbers | None = None  # LUFS
    true_peak: _Numbers | None = None  # dBTP
    clipped_samples: _WholeNumbers | None = None
    leading_silence_seconds: _Numbers | None = None
    trailing_silence_seconds: _Numbers | None = None
    dc_offset: _Numbers | None = None  # share of full scale

    @property
    def need_quality(self) -> bool:
        """Whether one speaks of what is only known once all of the audio was measured."""
        return any(getattr(self, name) is not None for name in Quality.model_fields)


class VideoRules(Frozen):
    """The rules that video of a source must meet; absent ones allow anything."""

    container: Annotated[Rule, _words(_FILM_CONTAINERS)] | None = None
    has_video: Annotated[Rule, BeforeValidator(_yes_or_no)] | None = None  # a file may be all audio
    video_codec: _LowerCaseNames | None = None
    audio_codec: _LowerCaseNames | None = None  # "none" where there is no audio
    duration_seconds: _Numbers | None = None
    width: _WholeNumbers | None = None  # as coded, before any rotation
    height: _WholeNumbers | None = None
    pixels: _WholeNumbers | None = None  # width x height
    pixel_seconds: _WholeNumbers | None = None  # pixels x duration_seconds
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

"""What renditions of a video there are: presets.toml."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ingest_pipeline.media.toml_file import (
    TomlFileError,
    name_of,
    number,
    quoted,
    read_toml,
    what_is_wrong,
    whole_number,
)
from ingest_pipeline.values import Frozen

PRESETS_FILE = Path(__file__).with_name("presets.toml")

# The codecs that each container takes, as browsers play them.
VIDEO_CODECS: Mapping[str, tuple[str, ...]] = {"mp4": ("h264", "hevc"), "webm": ("vp8", "vp9")}
AUDIO_CODECS: Mapping[str, tuple[str, ...]] = {"mp4": ("aac",), "webm": ("opus", "vorbis")}


class PresetsError(TomlFileError):
    """presets.toml cannot be used; the message names the file, the place and what is wrong."""


def _at_least(least: int, check: Callable[[object], int | float]) -> BeforeValidator:
    def parse(value: object) -> int | float:
        found = check(value)
        if found < least:
            raise ValueError(f"{found} is less than {least}")
        return found

    return BeforeValidator(parse)


_Count = Annotated[int, _at_least(1, whole_number)]
_Size = Annotated[int, _at_least(2, whole_number)]  # pixels; half as many hold the colours
_Amount = Annotated[float, _at_least(1, number)]
_Text = Annotated[str, Field(min_length=1)]


def _options(value: dict[str, str | int]) -> dict[str, str | int]:
    """Check that options are names: what else stands there could name another file to ffmpeg."""
    for name in value:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            raise ValueError(f"{quoted(name)} is not the name of an option")
    return value


class VideoEncoding(Frozen):
    """How the picture is encoded."""

    codec: Annotated[str, BeforeValidator(name_of(sum(VIDEO_CODECS.values(), ())))]
    bit_rate: _Count  # bits a second: the most, and without a quality the average
    quality: Annotated[int, _at_least(0, whole_number)] | None = None  # ffmpeg's CRF
    gop: _Count  # frames from a whole picture to the next, at most
    profile: _Text | None = None
    level: _Text | None = None
    refs: _Count | None = None
    options: Annotated[dict[str, str | int], AfterValidator(_options)] = Field(
        default_factory=dict  # the encoder's own
    )


class AudioEncoding(Frozen):
    """How the sound is encoded."""

    codec: Annotated[str, BeforeValidator(name_of(sum(AUDIO_CODECS.values(), ())))]
    bit_rate: _Count  # bits a second
    sample_rate: _Count  # Hz
    channels: _Count


class Thumbnails(Frozen):
    """Small pictures, each shrunk into a box of `width` x `height`."""

    width: _Size
    height: _Size
    every_seconds: _Count


class Rung(Frozen):
    """One size of a ladder: a picture whose shorter side has so many pixels."""

    side: _Size
    bit_rate: _Count  # bits a second of the picture, at the most


class Preset(Frozen):
    """A rendition: the box for the picture, the limits, the codecs.

    A file, or a ladder: the same film in several sizes, cut at the same moments, of which a player
    takes what its line carries. A ladder is made where a source asks for it.
    """

    name: _Text
    kind: Literal["file", "ladder"] = "file"
    container: Annotated[str, BeforeValidator(name_of(VIDEO_CODECS))]
    max_width: _Size
    max_height: _Size
    max_frame_rate: _Amount
    max_seconds: _Count  # longer sources are refused
    max_bytes: _Count
    remux: bool = False  # a film that is as wanted already keeps its tracks: see `copying`
    video: VideoEncoding
    audio: AudioEncoding
    thumbnails: Thumbnails  # of a ladder, the pictures of its storyboard
    rungs: tuple[Rung, ...] = ()  # of a ladder, the largest first
    segment_seconds: _Count = 4  # of a ladder: where a player may change from rung to rung

    @property
    def is_ladder(self) -> bool:
        """Whether it makes several files, of which a playlist tells."""
        return self.kind == "ladder"

    @model_validator(mode="after")
    def _ladder_stands(self) -> Self:
        if not self.is_ladder:
            if self.rungs:
                raise ValueError('rungs belong to a preset of kind "ladder"')
            return self
        sides = [rung.side for rung in self.rungs]
        if not sides:
            raise ValueError('a preset of kind "ladder" has rungs')
        if sides != sorted(set(sides), reverse=True):
            raise ValueError("rungs: write the largest first, each side once")
        if (self.video.codec, self.audio.codec) != ("h264", "aac"):
            raise ValueError("a ladder takes h264 and aac, which every player of HLS knows")
        return self

    @model_validator(mode="after")
    def _codecs_fit(self) -> Self:
        for codec, codecs in (
            (self.video.codec, VIDEO_CODECS[self.container]),
            (self.audio.codec, AUDIO_CODECS[self.container]),
        ):
            if codec not in codecs:
                raise ValueError(f"{self.container} takes {' or '.join(codecs)}, not {codec}")
        return self


class Presets(Frozen):
    """All presets of presets.toml, in its order."""

    default: str
    preset: tuple[Preset, ...] = ()

    @model_validator(mode="after")
    def _names_are_sound(self) -> Self:
        names = [preset.name for preset in self.preset]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two presets named {quoted(min(twice))}")
        if self.default not in names:
            raise ValueError(f"default: {quoted(self.default)} is not one of {', '.join(names)}")
        return self

    def named(self, name: str | None = None) -> Preset:
        """Give the preset of that name, without one the default; raises `PresetsError`."""
        wanted = name or self.default
        for preset in self.preset:
            if preset.name == wanted:
                return preset
        known = ", ".join(preset.name for preset in self.preset)
        raise PresetsError(f"{quoted(wanted)} is not one of {known}")

    def wanted(self, names: Iterable[str] | None) -> tuple[Preset, ...]:
        """Give the presets of these names; None: all but the ladders. Raises `PresetsError`."""
        if names is None:
            return tuple(preset for preset in self.preset if not preset.is_ladder)
        return tuple(map(self.named, names))


def load_presets(
    path: Path = PRESETS_FILE, beyond_limits: Callable[[Preset], Iterable[str]] = lambda _: ()
) -> Presets:
    """Load presets.toml; raises `PresetsError` with every mistake in it, one a line.

    `beyond_limits` tells what of a preset is more than its engine can do.
    """
    document = read_toml(path, PresetsError)
    try:
        presets = Presets.model_validate(document)
    except ValidationError as error:
        mistakes = [_mistake(details, document) for details in error.errors()]
        raise _error(path, mistakes) from error
    mistakes = [
        f"{_place(index, document)}: {mistake}"
        for index, preset in enumerate(presets.preset)
        for mistake in beyond_limits(preset)
    ]
    if mistakes:
        raise _error(path, mistakes)
    return presets


def _error(path: Path, mistakes: Iterable[str]) -> PresetsError:
    return PresetsError("\n".join(f"{path}: {mistake}" for mistake in mistakes))


_PARTS: Mapping[str, type[Frozen]] = {
    "video": VideoEncoding,
    "audio": AudioEncoding,
    "thumbnails": Thumbnails,
}


def _mistake(details: ErrorDetails, document: dict[str, Any]) -> str:
    """Say where and what: `preset 1 ("Web"): [video] unknown key "bitrate"; known: ...`."""
    match details["loc"]:
        case ("preset", int(index), str(part), str(name), *rest) if part in _PARTS:
            known = _PARTS[part].model_fields
            inner = [name, *rest[:1]] if rest else [name]
            what = what_is_wrong(details, inner, noun="key", known=known)
            return f"{_place(index, document)}: [{part}] {what}"
        case ("preset", int(index), "rungs", int(rung), *rest):
            what = what_is_wrong(details, rest[:1], noun="key", known=Rung.model_fields)
            return f"{_place(index, document)}: rung {rung + 1}: {what}"
        case ("preset", int(index), *rest):
            what = what_is_wrong(details, rest[:1], noun="key", known=Preset.model_fields)
            return f"{_place(index, document)}: {what}"
        case ("preset",):
            return "write each preset under [[preset]]"
        case rest:
            return what_is_wrong(details, rest[:1], noun="key", known=Presets.model_fields)


def _place(index: int, document: dict[str, Any]) -> str:
    preset = document["preset"][index]
    name = preset.get("name") if isinstance(preset, dict) else None
    return f"preset {index + 1} ({quoted(name)})" if name else f"preset {index + 1}"

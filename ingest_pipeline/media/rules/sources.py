"""What each bucket takes and what is valid there: sources.toml."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ingest_pipeline.media.model import (
    Kind,
)
from ingest_pipeline.media.rules.rule import AudioRules, ImageRules, VideoRules
from ingest_pipeline.media.toml_file import (
    TomlFileError,
    name_of,
    read_toml,
    what_is_wrong,
)
from ingest_pipeline.values import Frozen


class RulesError(TomlFileError):
    """sources.toml cannot be used; the message names the file, the place and what is wrong."""


class OnReject(StrEnum):
    """What becomes of an object that the rules reject."""

    DELETE = "delete"  # recoverable for as long as the bucket keeps old versions
    QUARANTINE = "quarantine"
    KEEP = "keep"


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
    transcripts: bool = False  # whether what is said in recordings and videos is written down
    presets: tuple[str, ...] | None = None  # of its videos; None: every one that is no ladder
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

    @property
    def all_buckets(self) -> list[str]:
        """Every bucket of a source, each once."""
        return list(dict.fromkeys(source.bucket for source in self.source))

    def for_object(self, bucket: str, key: str) -> Source | None:
        """Find the source of an object: the longest matching prefix wins, None: not ours."""
        fitting = (s for s in self.source if s.bucket == bucket and key.startswith(s.prefix))
        return max(fitting, key=lambda source: len(source.prefix), default=None)


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

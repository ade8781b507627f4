"""What the TOML files that people edit share: the checks of their values, and clear mistakes."""

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from ingest_pipeline.errors import MistakeError


class TomlFileError(MistakeError):
    """A file cannot be used; the message names the file, the place and what is wrong."""


def read_toml(path: Path, error_type: type[TomlFileError]) -> dict[str, Any]:
    """Read a TOML file; raises `error_type` with the file's name where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise error_type(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise error_type(f"{path}: {error}") from error


def whole_number(value: object) -> int:
    """Give a whole number back; raises `ValueError` for anything else."""
    if type(value) is not int:  # bool is an int to isinstance
        raise ValueError(f"{quoted(value)} is not a whole number")
    return value


def number(value: object) -> int | float:
    """Give a finite number back; raises `ValueError` for anything else."""
    if type(value) is int or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{quoted(value)} is not a number")


def name_of(names: Iterable[str]) -> Callable[[object], str]:
    """Make the check of a word: a misspelt one would match nothing."""
    known = sorted(set(names))

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{quoted(value)} is not one of {', '.join(known)}")
        return value

    return check


def quoted(value: object) -> str:
    """Show a value as it might stand in the file."""
    return json.dumps(value, default=str)


def what_is_wrong(
    details: ErrorDetails, loc: Sequence[int | str], *, noun: str, known: Iterable[str]
) -> str:
    """Say what pydantic found wrong at `loc`, in words of the file: `unknown rule "rate"; ...`."""
    name = ".".join(map(str, loc))
    match details["type"]:
        case "extra_forbidden":
            return f'unknown {noun} "{name}"; known: {", ".join(known)}'
        case "missing":
            return f"{name} is missing"
        case "string_too_short":
            text = "must not be empty"
        case "string_type":
            text = f"{quoted(details['input'])} is not a text"
        case "tuple_type":
            text = f"{quoted(details['input'])} is not a list"
        case "model_type" | "dict_type":
            text = f"{quoted(details['input'])} is not a table"
        case "bool_type":
            text = f"{quoted(details['input'])} is not true or false"
        case _:
            text = details["msg"].removeprefix("Value error, ")
    return f"{name}: {text}" if name else text

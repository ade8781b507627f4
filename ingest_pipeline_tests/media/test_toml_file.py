import math
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from ingest_pipeline.errors import MistakeError
from ingest_pipeline.media.toml_file import (
    TomlFileError,
    name_of,
    number,
    quoted,
    read_toml,
    what_is_wrong,
    whole_number,
)


class OwnError(TomlFileError):
    """Of a file of this test."""


def test_a_file_is_read_as_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[[source]]\nbucket = "ü"\n', encoding="utf-8")
    assert read_toml(path, OwnError) == {"source": [{"bucket": "ü"}]}


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"[[source]\n", "line 1"), (b"a = \xff\n", "can't decode"), (None, "No such file")],
)
def test_what_is_no_toml_is_refused_with_the_files_name(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OwnError) as caught:
        read_toml(path, OwnError)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert isinstance(caught.value, MistakeError), "a person has something to mend"


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1]])
def test_only_whole_numbers_are_whole_numbers(value: object) -> None:
    assert whole_number(-7) == -7
    with pytest.raises(ValueError, match="is not a whole number"):
        whole_number(value)


@pytest.mark.parametrize("value", [True, math.inf, math.nan, "1", None])
def test_only_finite_numbers_are_numbers(value: object) -> None:
    assert (number(2), number(2.5)) == (2, 2.5)
    with pytest.raises(ValueError, match="is not a number"):
        number(value)


@pytest.mark.parametrize("value", ["auido", 1, None, ""])
def test_a_misspelt_word_is_told_the_known_ones(value: object) -> None:
    check = name_of(["video", "audio"])
    assert check("audio") == "audio"
    with pytest.raises(ValueError, match=r"is not one of audio, video$"):
        check(value)


def test_a_value_is_shown_as_it_might_stand_in_the_file() -> None:
    assert [quoted(each) for each in ("a", 1, True, ["b"])] == ['"a"', "1", "true", '["b"]']


class Document(BaseModel):
    """A file of this test."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    kinds: tuple[str, ...] = ()
    is_watched: bool = True


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"name": "a", "rate": 1}, 'unknown rule "rate"; known: bits, rate'),
        ({}, "name is missing"),
        ({"name": 1}, "name: 1 is not a text"),
        ({"name": "a", "kinds": "b"}, 'kinds: "b" is not a list'),
        ({"name": "a", "is_watched": 1}, "is_watched: 1 is not true or false"),
    ],
)
def test_a_mistake_is_told_in_words_of_the_file(document: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(document)
    (details,) = caught.value.errors()
    assert what_is_wrong(details, details["loc"], noun="rule", known=["bits", "rate"]) == told

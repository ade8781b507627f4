import click
import pytest

from ingest_pipeline.cli.terms import parsed_uri, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b+c/\u00e4.wav", "a b+c/\u00e4.wav"),
        ("clear\x1b[2J", r"clear\x1b[2J"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\u202egpj.exe", r"\u202egpj.exe"),  # right to left: it looks like "exe.jpg"
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\x9b31m", r"\x9b31m"),  # an escape of one character
        (None, "None"),
    ],
)
def test_a_terminal_is_given_what_can_be_seen(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_the_key_is_taken_as_it_is() -> None:
    assert parsed_uri("s3://b/a%20b//c?d#e/") == ("b", "a%20b//c?d#e/")


@pytest.mark.parametrize("uri", ["", "b/k", "s3://b", "s3://b/", "s3:///k", "s3://b/" + "x" * 1025])
def test_what_is_no_object_is_told(uri: str) -> None:
    with pytest.raises(click.UsageError, match=r"wanted s3://BUCKET/KEY|at most 1024 bytes"):
        parsed_uri(uri)

"""What the commands' arguments and answers have in common."""

import click

_MOST_BYTES = 1024  # of a key
_JOINER = "\u200d"  # of emoji: no picture of a family without it
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


def parsed_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; the key is taken as it is.

    Raises:
        click.UsageError: it is none.
    """
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not slash or not key:
        raise click.UsageError(f"{uri!r} is no object: wanted s3://BUCKET/KEY")
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise click.UsageError(f"{uri!r} is no UTF-8, which keys are in") from error
    if size > _MOST_BYTES:
        raise click.UsageError(f"a key has at most {_MOST_BYTES} bytes in UTF-8, found {size}")
    return bucket, key


def visible(text: object) -> str:
    r"""A text as a terminal may be given it: escapes, newlines and such are spelt, `\x1b`.

    A key may hold anything: one with an escape sequence in it once cleared a terminal.
    """
    return "".join(
        each if each.isprintable() or each == _JOINER else _spelt(each) for each in str(text)
    )


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

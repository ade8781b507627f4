"""The users that have a password, by a file of `user:hash` lines; without one, nobody.

`python -m ingest_pipeline.api.auth USER` asks for a password and prints a line of the file.
"""

import base64
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import scrypt
from pathlib import Path

import click

from ingest_pipeline.errors import MistakeError

_COST, _BLOCK, _LANES = 2**14, 8, 1  # scrypt's n, r, p: 16 MiB and about 0.1 s for a request
_SALT_BYTES, _DIGEST_BYTES = 16, 32
# The form of the Password Hashing Competition, its base64 without padding.
_SCHEME = f"$scrypt$ln={_COST.bit_length() - 1},r={_BLOCK},p={_LANES}"
_HASH = re.compile(re.escape(_SCHEME) + r"\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")


class UsersError(MistakeError):
    """The file of users cannot be used; the message names the file, the line and what is wrong."""


@dataclass(frozen=True)
class _Hash:
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        return hmac.compare_digest(_digest(password, self.salt), self.digest)


# Stands in for users that do not exist, so that their answer takes as long as anybody's.
_NOBODY = _Hash(salt=bytes(_SALT_BYTES), digest=bytes(_DIGEST_BYTES))


@dataclass(frozen=True)
class Users:
    """The users and their passwords' hashes."""

    hashes: Mapping[str, _Hash]
    _key: bytes = field(default_factory=lambda: os.urandom(_DIGEST_BYTES), repr=False)
    _passed: set[bytes] = field(default_factory=set, repr=False)

    def knows(self, user: str, password: str) -> bool:
        """Whether there is this user with this password.

        A password that has fitted is not stretched again: a page asks for 48 pictures at once,
        0.1 s of computing each. What is remembered is keyed, and goes with the process.
        """
        if self.remembers(user, password):
            return True
        fits = self.hashes.get(user, _NOBODY).fits(password) and user in self.hashes
        if fits:
            self._passed.add(self._print(user, password))
        return fits

    def remembers(self, user: str, password: str) -> bool:
        """Whether this password of this user has fitted before."""
        return self._print(user, password) in self._passed

    def _print(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{user}:{password}".encode(), "sha256")


def hash_password(password: str) -> str:
    """The hash of a password as the file of users has it, with a salt of its own."""
    salt = os.urandom(_SALT_BYTES)
    return f"{_SCHEME}${_text(salt)}${_text(_digest(password, salt))}"


def load_users(path: Path | None) -> Users:
    """The users of a file of `user:hash` lines; None and an empty file have none.

    Raises:
        UsersError: the file cannot be read, or a line of it is wrong.
    """
    if path is None:
        return Users({})
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsersError(f"INGEST_BASIC_USERS {path} cannot be read: {error}") from error
    hashes: dict[str, _Hash] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        user, _, hashed = line.strip().partition(":")
        match = _HASH.fullmatch(hashed)
        if not user or not match or user in hashes:
            problem = "has a user for the second time" if user in hashes else "is no `user:hash`"
            raise UsersError(f"INGEST_BASIC_USERS {path}: line {number} {problem}")
        hashes[user] = _Hash(_bytes(match[1]), _bytes(match[2]))
    return Users(hashes)


def _digest(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=_DIGEST_BYTES)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


@click.command()
@click.argument("user")
@click.password_option()
def main(user: str, password: str) -> None:
    """Print the line of the file of users for USER, after asking for the password."""
    if ":" in user or not user.strip() or not user.isprintable():
        raise click.UsageError("a user has a name without colons")
    click.echo(f"{user.strip()}:{hash_password(password)}")


if __name__ == "__main__":
    main()

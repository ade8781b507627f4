"""HTTP Basic: who may ask, by a file of `user:hash` lines; without one, nobody.

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
from typing import Annotated

import click
from fastapi import Depends, HTTPException, Request
from fastapi.security.http import HTTPAuthorizationCredentials, HTTPBase

from ingest_pipeline.errors import MistakeError

_COST, _BLOCK, _LANES = 2**14, 8, 1  # scrypt's n, r, p: 16 MiB and about 0.1 s for a request
_SALT_BYTES, _DIGEST_BYTES = 16, 32
# The form of the Password Hashing Competition, its base64 without padding.
_SCHEME = f"$scrypt$ln={_COST.bit_length() - 1},r={_BLOCK},p={_LANES}"
_HASH = re.compile(re.escape(_SCHEME) + r"\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")
_HOW_TO = (
    "nobody is let in yet: put a line `user:hash` for each user into a file, name the file in "
    "INGEST_BASIC_USERS and start the API anew; "
    "`python -m ingest_pipeline.api.auth USER` makes a line"
)


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
        passed = hmac.digest(self._key, f"{user}:{password}".encode(), "sha256")
        if passed in self._passed:
            return True
        fits = self.hashes.get(user, _NOBODY).fits(password) and user in self.hashes
        if fits:
            self._passed.add(passed)
        return fits


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


# FastAPI's HTTPBasic takes ASCII only; this leaves the credentials as they are.
HTTP_BASIC = HTTPBase(scheme="basic", scheme_name="HTTPBasic", auto_error=False)
BasicCredentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTP_BASIC)]


def basic_user(request: Request, credentials: BasicCredentials) -> str:
    """Who asks, by name and password.

    Raises:
        HTTPException: 401, for whatever reason: the answer tells only whether there are users.
    """
    users: Users = request.app.state.users
    if not users.hashes:
        raise _unauthorized(_HOW_TO)
    user, password = _parsed(credentials)
    if not users.knows(user, password):
        raise _unauthorized("wrong user or password")
    return user


def _parsed(credentials: HTTPAuthorizationCredentials | None) -> tuple[str, str]:
    if credentials is None or credentials.scheme.lower() != "basic":
        raise _unauthorized("a user and a password are wanted")
    try:
        text = base64.b64decode(credentials.credentials, validate=True).decode()
    except ValueError as error:
        raise _unauthorized("the Authorization header is malformed") from error
    user, colon, password = text.partition(":")
    if not colon:
        raise _unauthorized("the Authorization header is malformed")
    return user, password


def _unauthorized(message: str) -> HTTPException:
    challenge = {"WWW-Authenticate": 'Basic realm="ingest pipeline", charset="UTF-8"'}
    return HTTPException(401, message, challenge)


TheUser = Annotated[str, Depends(basic_user)]


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

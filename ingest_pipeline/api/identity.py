"""Who asks: the users who post, and the operators of the catalogue."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
)
from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader
from fastapi.security.http import HTTPAuthorizationCredentials

from ingest_pipeline.api.basic import HTTP_BASIC, basic_user
from ingest_pipeline.api.issuer_keys import KeysAwayError, PublishedKeys
from ingest_pipeline.errors import RefusedError
from ingest_pipeline.settings import Settings, SettingsError
from ingest_pipeline.system import System

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_BYTES = 255  # of a name in UTF-8; as much as OpenID Connect allows a `sub`
_LEAST_SECRET_BYTES = 32  # of HS256 (RFC 7518, 3.2)
_LEAST_RSA_BITS = 2048  # (RFC 7518, 3.3)
_SCHEMES = {"header": "User", "jwt": "Bearer"}  # the first is the contract's own
Identify = Callable[[str | None], Awaitable[str]]  # the user whom an Authorization header names
_KeyOf = Callable[[str], Awaitable[Any]]  # the key that a token must be signed with


class UnidentifiedError(RefusedError):
    """Nobody that we know asks; the message says what is wanted."""


def identifier(config: Settings) -> Identify:
    """How users are told from each other, as INGEST_AUTH says.

    Raises:
        SettingsError: the key for tokens cannot be used.
    """
    return _named if config.auth == "header" else _Tokens(config).user


async def _named(header: str | None) -> str:
    """The contract's way: the header is the name itself, which anybody may claim to have.

    Browsers send Latin-1, other clients UTF-8; what is valid UTF-8 is hardly ever meant as Latin-1.
    """
    raw = (header or "").encode("latin-1")
    try:
        return _checked(raw.decode())
    except UnicodeDecodeError:
        return _checked(raw.decode("latin-1"))


def _checked(name: str) -> str:
    """A name becomes a part of keys, between slashes, and of links, where dots lead elsewhere."""
    name = name.strip()
    is_usable = name.isprintable() and "/" not in name and name not in {"", ".", ".."}
    if not is_usable or len(name.encode()) > _MOST_BYTES:
        raise UnidentifiedError(
            f"the header Authorization must name a user in 1 to {_MOST_BYTES} bytes of printable "
            f"characters without slashes, found {name[:_MOST_BYTES]!r}"
        )
    return name


class _Tokens:
    """Signed tokens: `Bearer <JWT>`, whose `sub` is the user.

    The key decides which algorithm a token must have, never the token's header.
    """

    def __init__(self, config: Settings) -> None:
        self._key_of, algorithms = _keys(config)
        self._checks: dict[str, Any] = {
            "algorithms": algorithms,
            "audience": config.jwt_audience,  # without one, a token for anybody else is refused
            "issuer": config.jwt_issuer,
            "leeway": config.jwt_leeway_seconds,
            "options": {"require": ["exp", "sub"], "enforce_minimum_key_length": True},
        }

    async def user(self, header: str | None) -> str:
        """The user whom a token names.

        Raises:
            UnidentifiedError: there is no token, or it is not good.
            KeysAwayError: the issuer does not answer.
        """
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnidentifiedError("a token is wanted: `Authorization: Bearer <JWT>`")
        try:
            key = await self._key_of(token.strip())
            claims = jwt.decode(token.strip(), key, **self._checks)
        except jwt.PyJWTError as error:
            raise UnidentifiedError(f"the token is not good: {error}") from error
        return _checked(claims["sub"])


def _keys(config: Settings) -> tuple[_KeyOf, list[str]]:
    if config.jwks_url:
        return PublishedKeys(config.jwks_url).key, ["RS256", "ES256"]
    key, algorithm = _one_key(config)

    async def key_of(_token: str) -> Any:  # noqa: ANN401 - as PyJWT has it
        return key

    return key_of, [algorithm]


def _one_key(config: Settings) -> tuple[Any, str]:
    """A key and the one algorithm that it is for."""
    variable, text = _key_text(config)
    if not text.startswith("-----BEGIN"):
        if _is_public(text):
            raise SettingsError(
                f"{variable} looks like a public key and is no whole one: as a secret it would "
                "let in whoever has read it; wanted is PEM, from -----BEGIN to -----END"
            )
        if len(text.encode()) < _LEAST_SECRET_BYTES:
            raise SettingsError(
                f"{variable} is a secret of {len(text.encode())} bytes, wanted a PEM public key "
                f"or a secret of at least {_LEAST_SECRET_BYTES}"
            )
        return text, "HS256"
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{variable} is no PEM public key: {error}") from error
    if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return key, "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    raise SettingsError(
        f"{variable} holds a {type(key).__name__}, wanted an RSA key of at least "
        f"{_LEAST_RSA_BITS} bits or one on the curve P-256"
    )


def _is_public(text: str) -> bool:
    """Whether a text is a public key in some other dress, which everybody may know.

    Tokens that were signed with the text of a key without its first line were once let in.
    """
    if "-----" in text or text.startswith(("ssh-", "ecdsa-", "{")):
        return True
    body = "".join(text.split()).translate(_FROM_URL)
    try:
        load_der_public_key(base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


_FROM_URL = str.maketrans("-_", "+/")


def _key_text(config: Settings) -> tuple[str, str]:
    """The variable that gives the key, and the key."""
    if config.jwt_key:
        return "INGEST_JWT_KEY", config.jwt_key.get_secret_value().strip()
    path = config.jwt_key_file or Path()
    try:
        return "INGEST_JWT_KEY_FILE", path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"INGEST_JWT_KEY_FILE {path} cannot be read: {error}") from error


_AUTHORIZATION = APIKeyHeader(
    name="Authorization",
    scheme_name="User",
    description="A user's name; where INGEST_AUTH is `jwt`, `Bearer` and a signed token.",
    auto_error=False,
)


async def _user(
    request: Request, authorization: Annotated[str | None, Depends(_AUTHORIZATION)]
) -> str:
    identify: Identify = request.app.state.identify
    try:
        return await identify(authorization)
    except UnidentifiedError as error:
        system: System = request.app.state.system
        challenge = f'{_SCHEMES[system.config.auth]} realm="ingest pipeline"'
        raise HTTPException(401, str(error), {"WWW-Authenticate": challenge}) from error
    except KeysAwayError as error:
        raise HTTPException(503, str(error), {"Retry-After": "30"}) from error


Caller = Annotated[str, Depends(_user)]  # the user who posts, deletes or uploads


async def _credentials(request: Request) -> HTTPAuthorizationCredentials | None:
    """As FastAPI would take them, without saying in the docs that they are always wanted."""
    return await HTTP_BASIC(request)


async def operator(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_credentials)],
) -> None:
    """Let in who may see and change the catalogue.

    On loopback that is anybody at this machine, elsewhere a user of INGEST_BASIC_USERS. What
    changes something must come from a page of our own, or from no page at all: browsers send
    along what a person is logged in with, whichever page asks.

    Raises:
        HTTPException: 401 or 403.
    """
    system: System = request.app.state.system
    if not system.config.is_loopback:
        await basic_user(request, credentials)
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
    if is_foreign and request.method not in _READING:
        raise HTTPException(403, "pages of other origins may not change anything")


Operator = Depends(operator)  # of a router or a route: `dependencies=[Operator]`

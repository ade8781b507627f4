"""HTTP Basic: a request's user, by name and password."""

import base64
import math
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security.http import HTTPAuthorizationCredentials, HTTPBase

from ingest_pipeline.api.attempts import Attempts, HeldBackError
from ingest_pipeline.api.auth import Users

_HOW_TO = (
    "nobody is let in yet: put a line `user:hash` for each user into a file, name the file in "
    "INGEST_BASIC_USERS and start the API anew; "
    "`python -m ingest_pipeline.api.auth USER` makes a line"
)

# FastAPI's HTTPBasic takes ASCII only; this leaves the credentials as they are.
HTTP_BASIC = HTTPBase(scheme="basic", scheme_name="HTTPBasic", auto_error=False)
BasicCredentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTP_BASIC)]


async def basic_user(request: Request, credentials: BasicCredentials) -> str:
    """Who asks, by name and password.

    Raises:
        HTTPException: 401, for whatever reason: the answer tells only whether there are users.
            429: too many wrong ones, or too many at once.
    """
    users: Users = request.app.state.users
    if not users.hashes:
        raise _unauthorized(_HOW_TO)
    user, password = _parsed(credentials)
    attempts: Attempts = request.app.state.attempts
    try:
        is_right = await attempts.is_right(user, password, _address(request))
    except HeldBackError as error:
        headers = {"Retry-After": str(math.ceil(error.seconds))}
        raise HTTPException(429, f"{error}: try again later", headers) from error
    if not is_right:
        raise _unauthorized("wrong user or password")
    return user


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


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

"""The keys that an issuer of tokens publishes, had without keeping anybody else waiting."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping

import httpx
import jwt

from ingest_pipeline.errors import TransientError

ANSWER_SECONDS = 5.0  # that the issuer may take to answer in all, and not for each byte
FRESH_SECONDS = 300.0  # how long keys are used without another look
STALE_SECONDS = 3600.0  # how long they are used where the issuer does not answer any more
REST_SECONDS = 30.0  # between two looks for a key that is not there, and after a failure
MOST_BYTES = 1024 * 1024


class KeysAwayError(TransientError):
    """The issuer's keys cannot be had at the moment."""


class PublishedKeys:
    """The keys at a URL, a JSON Web Key Set.

    One look at a time, however many ask, and while it lasts no thread waits: sixty tokens of an
    issuer that hung once took all forty threads of the API, and `GET /` timed out after 60 s. A
    key that is known is given at once.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._url = url
        self._clock = clock
        self._look = asyncio.Lock()
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._looked_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = ""

    async def key(self, token: str) -> jwt.PyJWK:
        """The key that a token says it is signed with.

        Raises:
            jwt.PyJWTError: the token is none, or names a key that is not published.
            KeysAwayError: the key is not known, and the issuer does not answer.
        """
        name = jwt.get_unverified_header(token).get("kid")
        if self._is_wanting(name):
            async with self._look:
                if self._is_wanting(name):  # or another request has looked meanwhile
                    await self._look_up()
        return self._known(name)

    def _known(self, name: str | None) -> jwt.PyJWK:
        age = self._clock() - self._looked_at
        key = self._keys.get(name)
        if key and age < STALE_SECONDS:
            return key
        if age < FRESH_SECONDS:
            raise jwt.InvalidTokenError(f"its key {str(name)[:80]!r} is not among the issuer's")
        raise KeysAwayError(self._failure)

    def _is_wanting(self, name: str | None) -> bool:
        """Whether to look: not again at once for what is not there, nor after a failure."""
        now = self._clock()
        fresh_for = FRESH_SECONDS if name in self._keys else REST_SECONDS
        return now - self._looked_at >= fresh_for and now - self._failed_at >= REST_SECONDS

    async def _look_up(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._keys = await self._published()
        except (httpx.HTTPError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            words = str(error) or type(error).__name__
            self._failure = f"INGEST_JWKS_URL does not answer with keys: {words}"
            self._failed_at = self._clock()
        else:
            self._looked_at = self._clock()

    async def _published(self) -> Mapping[str | None, jwt.PyJWK]:
        content = bytearray()
        async with (
            httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False) as client,
            client.stream("GET", self._url) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise ValueError(f"more than {MOST_BYTES} bytes")
        published = json.loads(content)
        if not isinstance(published, dict):
            raise ValueError("no JSON object")  # noqa: TRY004 - it is about a text
        keys = jwt.PyJWKSet.from_dict(published).keys
        return {key.key_id: key for key in keys if key.key_id and key.public_key_use != "enc"}

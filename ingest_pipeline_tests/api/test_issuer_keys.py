"""Published keys: when the issuer is asked, and what holds while it does not answer."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ingest_pipeline.api import issuer_keys
from ingest_pipeline.api.issuer_keys import KeysAwayError, PublishedKeys

KEY = rsa.generate_private_key(65537, 2048)
FAILURE = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Answers with keys, with an error, or not at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: bytes | None = published("one")
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await reader.readuntil(b"\r\n\r\n")
        if self.answer is None:
            await reader.read()  # until the other side gives up
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()


def published(*names: str) -> bytes:
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    body = json.dumps({"keys": [jwk | {"kid": name, "use": "sig"} for name in names]}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def token(kid: str | None) -> str:
    claims: dict[str, Any] = {"sub": "alice"}
    return jwt.encode(claims, KEY, "RS256", headers={"kid": kid} if kid else {})


@asynccontextmanager
async def issuing() -> AsyncIterator[tuple[Issuer, PublishedKeys, Clock]]:
    issuer, clock = Issuer(), Clock()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        yield issuer, PublishedKeys(url, clock), clock


async def outcome(keys: PublishedKeys, name: str | None = "one") -> str:
    try:
        return str((await keys.key(token(name))).key_id)
    except jwt.PyJWTError:
        return "refused"
    except KeysAwayError:
        return "away"


def test_many_at_once_ask_the_issuer_once() -> None:
    async def run() -> None:
        async with issuing() as (issuer, keys, _):
            assert await asyncio.gather(*(outcome(keys) for _ in range(60))) == ["one"] * 60
            assert issuer.asked == 1

    asyncio.run(run())


def test_a_new_key_is_found_and_a_stranger_asks_only_every_30_seconds() -> None:
    async def run() -> None:
        async with issuing() as (issuer, keys, clock):
            assert await outcome(keys) == "one"
            issuer.answer = published("one", "two")
            assert [await outcome(keys, name) for name in ("two", None)] == ["refused"] * 2
            assert issuer.asked == 1
            clock.now += 30
            assert await outcome(keys, "two") == "two"
            assert [await outcome(keys, f"strange-{n}") for n in range(5)] == ["refused"] * 5
            assert issuer.asked == 2

    asyncio.run(run())


@pytest.mark.parametrize("answer", [FAILURE, b"\xff", b"HTTP/1.1 200 OK\r\n\r\n[]"])
def test_a_failure_is_remembered_and_known_keys_go_on(answer: bytes) -> None:
    async def run() -> None:
        async with issuing() as (issuer, keys, clock):
            assert await outcome(keys) == "one"
            issuer.answer = answer
            clock.now += 301
            assert [await outcome(keys, name) for name in ("one", "two", "one")] == [
                *("one", "away", "one"),
            ]
            assert issuer.asked == 2
            clock.now += 3600
            assert await outcome(keys) == "away"
            issuer.answer = published("one")
            assert await outcome(keys) == "away"  # still resting
            clock.now += 30
            assert await outcome(keys) == "one"

    asyncio.run(run())


def test_an_issuer_that_hangs_holds_up_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "ANSWER_SECONDS", 0.5)

    async def run() -> None:
        async with issuing() as (issuer, keys, _):
            issuer.answer = None
            began = time.monotonic()
            assert await asyncio.gather(*(outcome(keys) for _ in range(60))) == ["away"] * 60
            assert time.monotonic() - began < 5  # sixty in turn would be 30 s
            assert issuer.asked == 1

    asyncio.run(run())


def test_too_long_an_answer_is_none() -> None:
    async def run() -> None:
        async with issuing() as (issuer, keys, _):
            issuer.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 2_000_000
            with pytest.raises(KeysAwayError, match="more than 1048576 bytes"):
                await keys.key(token("one"))

    asyncio.run(run())

"""The middleware before Dagster's web server, around an application that answers everything."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from ingest_pipeline.local.webserver import OwnPagesOnly

HOST = "http://localhost:3000"
MUTATION = "mutation{stopSensor(id:%22x%22){__typename}}"
EVIL = {"Origin": "https://evil.example"}


def ask(method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(OwnPagesOnly(PlainTextResponse("Dagster")))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/graphql", {}),  # the page to ask questions with
        ("POST", "/graphql", {"Origin": HOST}),
        ("POST", "/graphql", {}),
        ("GET", "/runs", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
    ],
)
def test_our_own_pages_and_programs_are_answered(
    method: str, path: str, headers: dict[str, str]
) -> None:
    assert ask(method, path, headers).text == "Dagster"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"/graphql?query={MUTATION}", {}, 405),
        ("GET", f"/graphql/?x=1&query={MUTATION}", {"Origin": HOST}, 405),
        ("POST", "/graphql", EVIL, 403),
        ("POST", "/graphql", {"Origin": "null"}, 403),
        ("POST", "/graphql", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ("GET", "/runs", {"Host": "evil.example"}, 403),
        ("GET", "/runs", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ],
)
def test_foreign_pages_are_refused(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(method, path, headers)
    assert answer.status_code == status
    assert "Dagster" not in answer.text


def test_a_foreign_page_s_web_socket_is_closed() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"host", b"localhost:3000"), (b"origin", b"https://evil.example")],
    }
    asyncio.run(OwnPagesOnly(PlainTextResponse("Dagster"))(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]

"""Dagster's web server, which has no login, closed to the pages of others.

Its GraphQL executes mutations that come by GET: an image of a foreign page could stop the sensors.
"""

from typing import Any
from urllib.parse import parse_qs

import dagster_webserver.cli as webserver
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest_pipeline.local.visitors import headers_of, stranger
from ingest_pipeline.logs import configure
from ingest_pipeline.settings import settings

_LOGGERS = "configure_loggers"
_FACTORY = "create_app_from_workspace_process_context"  # of the application that is served


class OwnPagesOnly:
    """Middleware: refuses what a foreign page sends, and questions that come by GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or 405, or hand on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif _asks_by_get(scope):
            await PlainTextResponse("GraphQL is asked by POST.", 405)(scope, receive, send)
        elif why := _refused(scope):
            await _refuse(scope, receive, send, f"Refused: {why}.")
        else:
            await self._app(scope, receive, send)


def _asks_by_get(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
        return False
    is_question = "query" in parse_qs(scope["query_string"].decode("latin-1"))
    return is_question and scope["path"].rstrip("/").endswith("/graphql")


def _refused(scope: Scope) -> str | None:
    headers = headers_of(scope)
    # A link that somebody follows to a page of the UI, which a page by itself changes nothing with.
    is_link = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
    return stranger(headers | ({"sec-fetch-site": "none"} if is_link else {}))


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    await PlainTextResponse(why, 403)(scope, receive, send)


def main() -> None:
    """Dagster's own command, whose application gets the middleware."""
    make_app = getattr(webserver, _FACTORY)

    def make_closed_app(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - Dagster's own
        app = make_app(*arguments, **options)
        app.add_middleware(OwnPagesOnly)
        return app

    setattr(webserver, _FACTORY, make_closed_app)
    setattr(webserver, _LOGGERS, lambda **_options: configure(settings(), "ui"))
    webserver.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()

"""A line for each request, and its id: in the answer, in all that is logged, in what it causes."""

import logging
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_pipeline.trace import accept_id, begin

ID_HEADER = "X-Request-ID"
_log = logging.getLogger(__name__)


class AccessLog:
    """Middleware: outermost, so that refusals of the others are logged, too.

    Of a URL the path alone is logged: its query may be what a link is signed with. Those who ask
    for signs of life every few seconds are logged at debug.
    """

    def __init__(self, app: ASGIApp, quiet_paths: Collection[str] = ()) -> None:
        self._app = app
        self._quiet = quiet_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and log what was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = accept_id(Headers(scope=scope).get(ID_HEADER))
        # For the whole task of the request: the server logs an error after this has returned.
        begin(request)
        status = 500  # where nothing is answered, Starlette does

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[ID_HEADER] = request
            await send(message)

        begun = time.perf_counter_ns()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._log(scope, request, status, time.perf_counter_ns() - begun)

    def _log(self, scope: Scope, request: str, status: int, nanoseconds: int) -> None:
        method, path = scope["method"], scope["path"]
        client, *_ = scope["client"] or (None,)
        _log.log(
            logging.DEBUG if path in self._quiet else logging.INFO,
            "%s %s %s in %.0f ms",
            method,
            path,
            status,
            nanoseconds / 1e6,
            extra={
                "http.request.method": method,
                "http.request.id": request,
                "http.response.status_code": status,
                "url.path": path,
                "event.duration": nanoseconds,
                "client.ip": client,
            },
        )

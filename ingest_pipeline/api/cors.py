"""Which routes pages of other origins may call."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_REMEMBERED_SECONDS = 600


class OpenRoutes:
    """Lets pages of any origin call the routes at `paths`, and those below one that ends in `/`.

    They may read, or whatever `methods` says. The rest stays closed: a page that a person happens
    to visit could delete assets otherwise.
    """

    def __init__(
        self, app: ASGIApp, paths: Sequence[str], methods: Sequence[str] = ("GET",)
    ) -> None:
        self._closed = app
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=methods,
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["X-Next-Cursor", "Link", "Location"],
            max_age=_REMEMBERED_SECONDS,
        )
        self._paths = frozenset(paths)
        self._prefixes = tuple(path for path in paths if path.endswith("/") and path != "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, by way of CORS where the path is open."""
        await (self._open if self._is_open(scope) else self._closed)(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path = scope.get("path", "")  # none at the start and stop of the application
        return path in self._paths or path.startswith(self._prefixes)

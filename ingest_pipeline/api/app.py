"""The application put together, and the process that serves it."""

import signal
import socket
import sys
from contextlib import suppress
from errno import EADDRINUSE
from urllib.parse import urlsplit

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi_offline import FastAPIOffline
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_pipeline import __version__
from ingest_pipeline.api import assets, objects, posts, sessions, status, videos
from ingest_pipeline.api.access_log import AccessLog
from ingest_pipeline.api.attempts import Attempts
from ingest_pipeline.api.auth import UsersError, load_users
from ingest_pipeline.api.cors import OpenRoutes
from ingest_pipeline.api.errors import handle_errors
from ingest_pipeline.api.health import Monitor
from ingest_pipeline.api.identity import Operator, identifier
from ingest_pipeline.api.pages.routes import router as pages
from ingest_pipeline.errors import MistakeError
from ingest_pipeline.logs import configure
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System

_MAX_BODY = 64 * 1024  # bytes; an asset takes 2 kB at most
_ATTEMPTS = 2  # a client waits: better an error soon
_LAST_ANSWERS_SECONDS = 10  # for what is being answered when the stop comes
_SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
_DESCRIPTION = """
What the pipeline knows of the media objects in S3, and orders to delete them.

Objects are taken in by putting them into the bucket. File names are S3 keys of any form;
percent-encode them in paths. Videos of people are invited, and put in with a form. Posts are
shared with a photo, which is uploaded to a signed link.

Where other machines reach this API, all that shows or changes the catalogue asks for a user and a
password (HTTP Basic), and those who post show a token.
"""
_TAGS = [
    {"name": "assets", "description": "The valid objects, by file name."},
    {"name": "objects", "description": "What became of every object, and why."},
    {"name": "sessions", "description": "Driving sessions, and what was said on them."},
    {"name": "videos", "description": "Videos that people send in, and what was made of them."},
    {"name": "posts", "description": "What users share, with a photo and what is seen on it."},
    {"name": "status", "description": "Signs of life."},
]


def create_app(system: System) -> FastAPI:
    """Make the application; it connects to AWS when first asked something.

    Raises:
        UsersError: the file of users cannot be used, or is wanted and has nobody.
        SettingsError: the key for tokens cannot be used.
    """
    config = system.config
    users = load_users(config.basic_users)
    if not config.is_loopback and not users.hashes:
        raise UsersError(
            f"INGEST_API_HOST is {config.api_host!r}: others may only reach the API with a "
            "password; name a file of users in INGEST_BASIC_USERS"
        )
    app = FastAPIOffline(
        title="Ingest pipeline",
        description=_DESCRIPTION,
        version=__version__,
        openapi_tags=_TAGS,
        redirect_slashes=False,  # slashes at the end of a key are part of it
        max_body_size=_MAX_BODY,
        dependencies=[Depends(_no_newline_behind)],
    )
    app.state.system = system
    app.state.monitor = Monitor(system)
    app.state.users = users
    app.state.attempts = Attempts(users)
    app.state.identify = identifier(config)
    handle_errors(app)
    app.add_middleware(OpenRoutes, paths=status.OPEN_PATHS + videos.OPEN_PATHS)
    app.add_middleware(OpenRoutes, paths=posts.OPEN_PATHS, methods=posts.OPEN_METHODS)
    app.add_middleware(_KnownNames, allowed_hosts=_names(config), www_redirect=False)
    app.add_middleware(_SecurityHeaders)
    app.add_middleware(AccessLog, quiet_paths=status.SIGNS_OF_LIFE)
    for routes in (assets, objects, sessions):
        app.include_router(routes.router, dependencies=[Operator])
    for routes in (videos, posts, status):
        app.include_router(routes.router)
    app.include_router(pages)
    return app


class _KnownNames(TrustedHostMiddleware):
    """But for signs of life, which a balancer asks by an address that is no name of ours."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in status.SIGNS_OF_LIFE:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _no_newline_behind(request: Request) -> None:
    """Routes end with a regular expression's `$`, which overlooks a newline at a path's end."""
    path = request.scope["path"]  # `request.url` loses newlines
    taken = map(str, request.path_params.values())
    if path.endswith("\n") and not any(each.endswith("\n") for each in taken):
        raise HTTPException(404, "Not Found")


def _names(config: Settings) -> list[str]:
    """The hosts that the API answers as.

    A page could have its own name lead to 127.0.0.1, and would then be of our origin.
    """
    others = [name.strip() for name in config.api_hosts.split(",") if name.strip()]
    if config.public_url:
        others.append(str(urlsplit(config.public_url).hostname))
    if config.is_loopback:
        return ["localhost", "127.0.0.1", "[::1]", config.api_host, *others]
    return others or ["*"]


def serve(config: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are still answered.

    Raises:
        SystemExit: the port is in use, or the settings or the file of users cannot be used.
    """
    configure(config, "api")
    try:
        app = create_app(System(config.model_copy(update={"aws_attempts": _ATTEMPTS})))
    except MistakeError as error:
        sys.exit(str(error))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,  # ours
            access_log=False,
            timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        )
    )
    # uvicorn stops gracefully and then raises the signal anew: both are an ordinary end here.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[_bound(config.api_host, config.api_port)])


def _bound(host: str, port: int) -> socket.socket:
    """Take the port before anything else: uvicorn's own error names no setting."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        problem = (
            f"port {port} is in use: stop what listens there, or set INGEST_API_PORT"
            if error.errno == EADDRINUSE
            else f"INGEST_API_HOST is {host!r}, which is no address of this machine"
        )
        sys.exit(f"{problem} ({error})")
    return listener


class _SecurityHeaders:
    """Puts headers on every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)

"""Templates and static files, and the headers under which browsers get them."""

import logging
from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.catalogue.links import Links
from ingest_pipeline.errors import TransientError
from ingest_pipeline.system import System
from ingest_pipeline.values import Frozen

_log = logging.getLogger(__name__)
_TEMPLATES = Environment(
    loader=PackageLoader("ingest_pipeline.api"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STATIC_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def page(request: Request, template: str, *, status: int = 200, **shown: object) -> HTMLResponse:
    """Render a template as a whole page."""
    system: System = request.app.state.system
    html = _TEMPLATES.get_template(template).render(ui_url=system.config.dagster_link, **shown)
    return HTMLResponse(html, status, _headers(system))


def _headers(system: System) -> dict[str, str]:
    """What a page may load and who may frame it: its own files, and objects from S3.

    No inline script or style, so a name that slipped through unescaped would still do nothing.
    `same-origin` tells our own forms' origin to the API, and nothing to anybody else.
    """
    s3 = " ".join(_storage_origins(system))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {s3}",
        f"media-src 'self' blob: {s3}",
        f"connect-src 'self' {s3}",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Accept, Origin",
    }


@cache
def _storage_origins(system: System) -> tuple[str, ...]:
    """Where the links to objects and to what is made of them lead."""
    links = Links(system.clients.s3)
    buckets = (*system.sources.all_buckets, system.config.rendition_bucket)
    return tuple(dict.fromkeys(map(links.origin, buckets)))


class Problem(Frozen):
    """What went wrong, in words."""

    status: int
    title: str
    text: str


class PageRoute(APIRoute):
    """A route whose errors are pages, too."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Answer as usual, and errors in HTML."""
        handle = super().get_route_handler()

        async def handle_in_html(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                response = problem_page(request, _refused(error))
                response.headers.update(error.headers or {})
                return response
            except RequestValidationError as error:
                return problem_page(request, _invalid(error))
            except InvalidCursorError:
                return problem_page(request, _LOST)
            except (*AWS_ERRORS, TransientError) as error:
                _log.warning("%s %s: %s", request.method, request.url.path, error)
                return problem_page(request, _AWAY)

        return handle_in_html


def problem_page(request: Request, problem: Problem) -> Response:
    """Tell a person what went wrong."""
    return page(request, "problem.html", status=problem.status, problem=problem)


_LOST = Problem(
    status=400,
    title="That page cannot be found again",
    text="Its address holds a mark of where it starts, and this one was not made here, or was "
    "changed on the way. Start from the newest files instead.",
)
_AWAY = Problem(
    status=503,
    title="The storage does not answer",
    text="The catalogue is kept in AWS, which does not answer at the moment. Nothing is lost; "
    "try again in a minute.",
)


def _refused(error: HTTPException) -> Problem:
    titles = {401: "Who are you?", 403: "Not allowed", 404: "Nothing here"}
    return Problem(
        status=error.status_code,
        title=titles.get(error.status_code, "That did not work"),
        text=f"{error.detail[:1].upper()}{error.detail[1:]}.",
    )


def _invalid(error: RequestValidationError) -> Problem:
    parts = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
    return Problem(status=400, title="That cannot be asked", text="; ".join(parts) + ".")


class StaticFile(Frozen):
    """A file of the pages."""

    content: bytes
    media_type: str
    etag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file of `static/`, by its name."""
    return {
        file.name: StaticFile(
            content=(content := file.read_bytes()),
            media_type=_STATIC_TYPES[file.name.rpartition(".")[2]],
            etag=f'"{sha256(content).hexdigest()[:16]}"',
        )
        for file in files("ingest_pipeline.api").joinpath("static").iterdir()
        if file.name.rpartition(".")[2] in _STATIC_TYPES
    }

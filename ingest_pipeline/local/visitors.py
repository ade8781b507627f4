"""Whom the ports of a laptop answer that know no passwords: its own programs and pages.

Any page that is open in a browser of this machine can send requests to 127.0.0.1. A browser says
for which host it takes the answer (`Host`: a name of somebody's own may lead here), and which page
asks (`Origin`, and `Sec-Fetch-Site` where there is no Origin, as with an image).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ingest_pipeline.settings import is_loopback


def stranger(headers: Mapping[str, str]) -> str | None:
    """What is foreign about a request with these headers, their names in small letters."""
    host = _name("//" + headers.get("host", ""))
    if not _is_ours(host):
        return f"it was sent to the host {host!r}, wanted localhost or 127.0.0.1"
    return foreign_page(headers)


def foreign_page(headers: Mapping[str, str]) -> str | None:
    """Which page of another site asks; None where it is one of this machine, or a program."""
    origin = headers.get("origin")
    if origin is not None:
        return None if _is_ours(_name(origin)) else f"a page of {origin} asks"
    if headers.get("sec-fetch-site") == "cross-site":
        return "a page of another site asks"
    return None


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of an ASGI request, their names in small letters."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _name(url: str) -> str:
    """The host of a URL without its port; nothing where there is none, as in `null`."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_ours(host: str) -> bool:
    """`*.localhost` too, which browsers lead nowhere else (RFC 6761): buckets may be such names."""
    return is_loopback(host) or host.endswith(".localhost")

"""Pages in Debian's chromium: what a person sees, and what a page of another origin may do.

The fixtures `browser` (one a module) and `tab` (one a test) are in `conftest.py`. While a browser
is open its module has a running event loop: code under test that calls `asyncio.run` belongs into
another process or thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

__all__ = ["Browser", "ChromiumMissingError", "Tab", "chromium", "opened_tab", "served_page"]

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox",  # it needs rights that a container's root lacks
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Nothing but the pages under test may cause traffic.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_CANCELLED = "net::ERR_ABORTED"  # by the page itself: a player that seeks drops what it asked for


class ChromiumMissingError(RuntimeError):
    """The browser is not installed."""


class Tab:
    """A page in a profile of its own, and all that went wrong on it, which a test can look at."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []  # console errors, uncaught exceptions, failed requests
        page.on("console", self._take_message)
        page.on("pageerror", self._take_exception)
        page.on("requestfailed", self._take_failure)

    def _take_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":  # an answer of 400 or more is one, too
            self.problems.append(f"{message.text} ({message.location['url']})")

    def _take_exception(self, error: Error) -> None:
        self.problems.append(f"uncaught: {error.message}")

    def _take_failure(self, request: Request) -> None:
        if request.failure != _CANCELLED:
            self.problems.append(f"{request.method} {request.url}: {request.failure}")


@contextmanager
def chromium(program: Path = CHROMIUM) -> Iterator[Browser]:
    """Run chromium without a window for the length of the block.

    Raises:
        ChromiumMissingError: the program is not there.
    """
    if not program.exists():
        raise ChromiumMissingError(
            f"{program} is missing: tests of pages need Debian's chromium (apt install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_tab(browser: Browser) -> Iterator[Tab]:
    """Open a tab that shares no cookies, cache or storage with any other."""
    with browser.new_context() as profile:
        yield Tab(profile.new_page())


@contextmanager
def served_page(html: str) -> Iterator[str]:
    """Serve a page at a port of its own, which makes it one of another origin; its address."""
    content = html.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Leave the test's output alone."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()

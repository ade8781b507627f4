"""The browser that other tests use: it shows what goes wrong, and says when it is missing."""

from pathlib import Path

import pytest

from ingest_pipeline_tests.browser import ChromiumMissingError, Tab, chromium, served_page
from ingest_pipeline_tests.embedded import free_port


def test_a_clean_page_has_no_problems(tab: Tab) -> None:
    with served_page("<title>Zürich</title><script>console.log('fine')</script>") as url:
        tab.page.goto(url)
        assert tab.page.title() == "Zürich"
        assert tab.page.evaluate("location.origin + '/'") == url
    assert tab.problems == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('broken')", "broken"),
        ("setTimeout(() => { throw new Error('oops') })", "uncaught: oops"),
        ("fetch('{other}').catch(() => 0)", "blocked by CORS policy"),
        ("fetch('{nothing}').catch(() => 0)", "net::ERR_CONNECTION_REFUSED"),
    ],
)
def test_what_goes_wrong_on_a_page_is_a_problem(tab: Tab, script: str, problem: str) -> None:
    with served_page("another origin, which lets nobody in") as other:
        nothing = f"http://127.0.0.1:{free_port()}/"
        script = script.replace("{other}", other).replace("{nothing}", nothing)
        with served_page(f"<script>{script}</script>") as url:
            tab.page.goto(url, wait_until="networkidle")
    assert any(problem in each for each in tab.problems), tab.problems


def test_a_missing_browser_is_told_in_a_sentence(tmp_path: Path) -> None:
    missing = pytest.raises(ChromiumMissingError, match="is missing: tests of pages need Debian")
    with missing, chromium(tmp_path / "chromium"):
        pass

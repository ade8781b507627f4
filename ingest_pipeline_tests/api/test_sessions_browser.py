"""The pages of sessions in a browser."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from ingest_pipeline_tests.api.test_pages_browser import address, faults
from ingest_pipeline_tests.api.test_sessions import api, sample
from ingest_pipeline_tests.browser import Browser, Tab

__all__ = ["api"]  # a fixture


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_of_sessions_keep_nobody_out_and_fit(
    api: httpx.Client, browser: Browser, scheme: Any, width: int
) -> None:
    with browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as profile:
        tab = Tab(profile.new_page())
        for path in (
            "/browse/sessions",
            "/browse/sessions?vehicle=never",
            "/browse/sessions?show=incomplete",
            f"/browse/sessions/{sample(2).session_id}",
            f"/browse/sessions/V9/{sample(5).session_id}",
        ):
            tab.page.goto(address(api, path))
            assert faults(tab.page) == [], path
            wide = tab.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, path
        assert tab.problems == []


def test_a_recording_plays_on_the_page_of_its_session(api: httpx.Client, tab: Tab) -> None:
    page = tab.page
    page.goto(address(api))
    page.get_by_role("link", name="Sessions").click()
    page.get_by_role("link", name=sample(1).session_id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(sample(1).session_id)
    played = page.locator("audio").first.evaluate(
        """audio => new Promise((ended, failed) => {
          audio.onended = () => ended(audio.currentTime);
          audio.onerror = () => failed(audio.error.message);
          audio.play();
        })"""
    )
    assert played > 0
    assert tab.problems == []

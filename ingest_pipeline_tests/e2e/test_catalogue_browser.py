"""The catalogue through the real system: what a person drops on it, and what they see then."""

import base64
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.browser import Browser, Tab
from ingest_pipeline_tests.system import RunningSystem

pytestmark = pytest.mark.timeout(420)

SCREENSHOTS = PROJECT_ROOT / ".local" / "screenshots"
OUTCOME = 120_000  # milliseconds that a run may take on a busy machine
SERIOUS = {"serious", "critical"}

# What the browser does when a person lets files go over the page.
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const type of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, {
      dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""
PLAY = """async (player) => {
  const ended = new Promise((resolve) => { player.onended = resolve; });
  player.muted = true;
  await player.play();
  await ended;
  return player.duration;
}"""


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


def card(page: Page, name: str, outcome: str) -> Locator:
    return page.locator(f"[data-cards] .card.{outcome}").filter(has_text=name)


def look(page: Page, name: str) -> None:
    """Keep what the page looks like, and let axe-core judge it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    found: dict[str, Any] = Axe().run(page).response
    assert [each for each in found["violations"] if each["impact"] in SERIOUS] == []


def test_a_dropped_recording_turns_valid_shows_its_waveform_and_plays(
    running: RunningSystem, tab: Tab
) -> None:
    page = tab.page
    page.goto(running.settings.api_url)
    drop(page, "dropped 🎙️.wav", (SAMPLES / "audio_1.wav").read_bytes())
    expect(page.locator("#uploads .card")).to_contain_text("dropped")
    valid = card(page, "dropped", "indexed")
    expect(valid).to_contain_text("Valid", timeout=OUTCOME)
    picture = valid.locator("img")
    expect(picture).to_be_visible(timeout=OUTCOME)
    page.wait_for_function("image => image.naturalWidth > 0", arg=picture.element_handle())
    look(page, "catalogue")

    valid.get_by_role("link").click()
    expect(page.get_by_role("img", name="Waveform")).to_be_visible()
    assert page.locator("audio").evaluate(PLAY) == pytest.approx(2.5, abs=0.1)
    look(page, "recording")
    assert tab.problems == []


def test_a_refused_file_says_why_and_is_brought_back(running: RunningSystem, tab: Tab) -> None:
    page = tab.page
    page.goto(running.settings.api_url)
    drop(page, "too slow.wav", wavs.wrong_rate())
    reason = "Sample rate is 44.1 kHz; this bucket takes 48 kHz."
    refused = card(page, "too slow", "rejected")
    expect(refused).to_contain_text(reason, timeout=OUTCOME)
    assert not running.stands("too slow.wav")

    refused.get_by_role("link").click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text(reason)
    expect(page.get_by_role("link", name="Dagster run").first).to_be_visible()
    look(page, "refused")
    verdict.get_by_role("button", name="Restore").click()
    expect(page.locator(".notice")).to_contain_text("It is back in its bucket")
    expect(verdict).to_contain_text("Kept", timeout=OUTCOME)
    assert running.stands("too slow.wav")
    look(page, "restored")
    assert tab.problems == []


def test_a_video_plays_as_its_rendition(running: RunningSystem, tab: Tab) -> None:
    page = tab.page
    page.goto(running.settings.api_url)
    drop(page, "film.webm", (SAMPLES / "video.webm").read_bytes())
    film = card(page, "film.webm", "indexed")
    expect(film.locator("img")).to_be_visible(timeout=2 * OUTCOME)
    film.get_by_role("link").click()
    video = page.locator("video")
    expect(video).to_have_attribute("src", re.compile("preset=Web"), timeout=OUTCOME)
    assert video.evaluate(PLAY) > 1
    look(page, "video")
    assert tab.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_it_looks_like(
    running: RunningSystem, browser: Browser, scheme: Any, width: int
) -> None:
    with browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}
    ) as profile:
        page = profile.new_page()
        for name, path in {
            "catalogue": "/",
            "refused": "/catalogue/ingest?key=audio_2.wav",
            "photo": "/catalogue/ingest?key=photo.jpg",
        }.items():
            page.goto(running.settings.api_url + path, wait_until="networkidle")
            look(page, f"{name}-{scheme}-{width}")

"""The catalogue in a browser, its objects taken in by the test itself."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from ingest_pipeline.api.models import BUCKET
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.browser import Browser, Tab
from ingest_pipeline_tests.world import World, some_ref

SERIOUS = {"serious", "critical"}
SLOW = 20_000  # milliseconds: two looks at the server, on a busy machine

# What the browser does when a person lets files go over the page.
DROP = """files => {
  const transfer = new DataTransfer();
  for (const {name, content} of files) {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  for (const type of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, {
      dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""


@pytest.fixture
def pages(world: World) -> Iterator[httpx.Client]:
    with serving(world.system) as client:
        yield client


def address(pages: httpx.Client, path: str = "/") -> str:
    return f"http://127.0.0.1:{pages.base_url.port}{path}"


def drop(page: Page, **files: bytes) -> None:
    """Drop files on a page, by name."""
    content = [
        {"name": name, "content": base64.b64encode(data).decode()} for name, data in files.items()
    ]
    page.evaluate(DROP, content)


def faults(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    found: dict[str, Any] = Axe().run(page).response
    return [
        f"{each['id']}: {json.dumps([node['html'] for node in each['nodes']])}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


def take_in(world: World, *refs: ObjectRef) -> None:
    world.ingest(refs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_keep_nobody_out_and_fit(
    pages: httpx.Client, world: World, browser: Browser, scheme: Any, width: int
) -> None:
    name = "ein sehr langer Name " + "x" * 80 + ".wav"
    take_in(world, world.put(f"{world.bucket}/{name}", wavs.valid()))
    take_in(world, world.put("bad.wav", wavs.truncated()), world.put("<b>.wav", wavs.wrong_rate()))
    with browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as profile:
        tab = Tab(profile.new_page())
        for path in (
            f"/?name={world.bucket}",
            f"/?name={uuid4().hex}",
            "/?outcome=rejected",
            f"/catalogue/{world.bucket}?key=bad.wav",
            f"/catalogue/{world.bucket}?key={world.bucket}/{name}",
        ):
            tab.page.goto(address(pages, path))
            assert faults(tab.page) == [], path
            wide = tab.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, path
        assert tab.problems == []


def test_a_name_that_is_a_page_stays_text(pages: httpx.Client, world: World, tab: Tab) -> None:
    key = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>.wav'
    take_in(world, world.put(key, wavs.wrong_rate()))
    tab.page.goto(address(pages, "/?name=onerror"))
    card = tab.page.locator(".card").first
    card.get_by_role("link").click()
    expect(tab.page.get_by_role("heading", level=1)).to_contain_text("script>.wav")
    assert tab.page.evaluate("window.hacked") is None
    assert tab.problems == []


def test_an_upload_by_keyboard_waits_and_then_tells_its_outcome(
    pages: httpx.Client, world: World, tab: Tab
) -> None:
    name = f"{uuid4().hex[:8]}.wav"
    page = tab.page
    page.goto(address(pages, f"/?name={name}"))
    button = page.get_by_label("Choose files")
    with page.expect_file_chooser() as chosen:
        button.press("Space")
    chosen.value.set_files(FilePayload(name=name, mimeType="audio/wav", buffer=wavs.wrong_rate()))
    uploads = page.get_by_role("region", name="Your uploads")
    expect(uploads.locator(".card.waiting")).to_contain_text(name, timeout=SLOW)
    ingest_upload(world, name)
    card = page.locator("[data-cards] .card.rejected")
    expect(card).to_contain_text("Sample rate is 44.1 kHz; this bucket takes 48 kHz.", timeout=SLOW)
    expect(uploads).to_be_hidden(timeout=SLOW)
    expect(page.locator("#said")).to_contain_text("Refused")
    assert tab.problems == []


def test_a_file_that_cannot_be_taken_says_why(pages: httpx.Client, world: World, tab: Tab) -> None:
    tab.page.goto(address(pages))
    drop(tab.page, **{"\n": b"x", f"{world.bucket}.wav": wavs.valid()})
    refused = tab.page.locator(".card.broken")
    expect(refused).to_contain_text("Not taken: Value error, a name is wanted")
    expect(tab.page.locator("#uploads .card.waiting")).to_contain_text(world.bucket[-6:])
    refused.get_by_role("button", name="Remove from this list").click()
    expect(refused).to_have_count(0)
    assert [problem for problem in tab.problems if "422" not in problem] == []


def test_what_happens_is_shown_and_leaves_focus_and_pictures_alone(
    pages: httpx.Client, world: World, tab: Tab
) -> None:
    folder = world.bucket
    take_in(world, world.put(f"{folder}/first.wav", wavs.valid()))
    page = tab.page
    page.goto(address(pages, f"/?name={folder}"))
    link = page.get_by_role("link", name="first.wav")
    link.focus()
    page.evaluate("document.activeElement.closest('.card').marked = true")
    take_in(world, world.put(f"{folder}/second.wav", wavs.wrong_rate()))
    expect(page.get_by_role("link", name="second.wav")).to_be_visible(timeout=SLOW)
    expect(link).to_be_focused()
    assert page.evaluate("document.activeElement.closest('.card').marked") is True
    assert tab.problems == []


def test_three_clicks_tell_why_and_bring_it_back(
    pages: httpx.Client, world: World, tab: Tab
) -> None:
    ref = world.put(f"{world.bucket}.wav", wavs.wrong_rate())
    take_in(world, ref)
    page = tab.page
    page.goto(address(pages))
    page.get_by_role("link", name="Refused", exact=True).click()
    page.get_by_role("link", name=f"{world.bucket}.wav").click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("Sample rate is 44.1 kHz; this bucket takes 48 kHz.")
    verdict.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("status").first).to_contain_text("It is back in its bucket")
    assert world.content(ref.key) == wavs.wrong_rate()
    world.ingest_waiting()
    expect(verdict).to_contain_text("Kept", timeout=SLOW)
    assert tab.problems == []


def test_a_search_needs_no_script(pages: httpx.Client, world: World, browser: Browser) -> None:
    take_in(world, world.put(f"{world.bucket}-a.wav", wavs.valid()))
    with browser.new_context(java_script_enabled=False) as profile:
        page = profile.new_page()
        page.goto(address(pages))
        page.get_by_label("Name").fill(world.bucket)
        page.keyboard.press("Enter")
        expect(page.locator(".card")).to_have_count(1)
        page.get_by_role("link", name="Video").click()
        expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def ingest_upload(world: World, name: str) -> None:
    """What a run does with what the page put into its bucket."""
    state = object_state(world.clients.s3, BUCKET, name)
    ref = some_ref(BUCKET, name, version=state.version, etag=state.etag, size=state.size)
    rules = world.settings.model_copy(update={"sources": Settings().sources})
    resources(rules).ingest([ref])

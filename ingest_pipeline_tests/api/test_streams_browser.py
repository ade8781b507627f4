"""A ladder's way: made where a source asks for it, played by the object's page, and removed."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.pipeline.enrich.transcode import wrong_renditions
from ingest_pipeline.pipeline.result import Done
from ingest_pipeline.records.model import Rendition
from ingest_pipeline.records.tables import RENDITIONS, RENDITIONS_BY_OBJECT
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.browser import Tab
from ingest_pipeline_tests.media.clips import big_buck_bunny, make_hls
from ingest_pipeline_tests.world import World

pytestmark = pytest.mark.timeout(120)

KEY = "films/ein Stück.mp4"
ASKED = """
[[source]]
bucket = "{bucket}"
prefix = "films/"
kinds = ["video"]
presets = ["Stream"]
"""
PLAY = """() => new Promise((resolve, reject) => {
  const video = document.querySelector("video");
  video.muted = true;
  video.ontimeupdate = () => { if (video.currentTime > 0.5) resolve(video.pause()); };
  video.play().catch(reject);
})"""
SLOW = 30_000  # milliseconds


@pytest.fixture
def ladder(world: World) -> Rendition:
    """The ladder of a real film."""
    sources = world.settings.sources
    sources.write_text(sources.read_text() + ASKED.format(bucket=world.bucket))
    ref = world.put(KEY, big_buck_bunny().read_bytes())
    world.ingest([ref])
    answer = resources(world.settings).transcoder.transcoder().transcode(ref, lambda _: None)
    assert isinstance(answer, Done), answer
    (made,) = world.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri)
    assert isinstance(made, Rendition)
    return made


@pytest.fixture
def pages(world: World) -> Iterator[httpx.Client]:
    with serving(world.system) as client:
        yield client


def test_a_ladder_plays_on_its_page_and_goes_with_its_object(
    world: World, ladder: Rendition, pages: httpx.Client, tab: Tab
) -> None:
    s3 = world.clients.s3
    assert wrong_renditions(s3, [ladder]) == []
    html = pages.get(f"/catalogue/{world.bucket}", params={"key": KEY}).text
    (master,) = set(re.findall(r'data-stream="([^"]+)"', html))
    lines = pages.get(master).text.splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        f"media_{number}.m3u8" for number in range(3)
    ]
    folder = master.rpartition("/")[0]
    way = pages.get(f"{folder}/0.mp4")
    assert (way.status_code, way.headers["Cache-Control"]) == (307, "private, max-age=1800")
    part = httpx.get(way.headers["Location"], headers={"Range": "bytes=4-7"}, trust_env=False)
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert pages.get(f"{folder}/other.mp4").status_code == 404
    assert pages.get(f"/stream/{world.bucket}/xyz/master.m3u8").status_code == 404

    address = httpx.URL(f"http://127.0.0.1:{pages.base_url.port}/catalogue/{world.bucket}")
    tab.page.goto(str(address.copy_with(params={"key": KEY})))
    moments = tab.page.get_by_role("group", name="Moments of the video").get_by_role("button")
    expect(moments).to_have_count(2, timeout=SLOW)
    assert tab.page.evaluate("document.querySelector('video').src").startswith("blob:")
    tab.page.evaluate(PLAY)
    moments.last.click()
    assert tab.page.evaluate("document.querySelector('video').currentTime") == 4
    assert tab.problems == []

    removed = resources(world.settings).derived.derived.remove_all(world.bucket, KEY)
    assert set(removed.files) == set(ladder.file_keys)
    assert pages.get(master).status_code == 404


def test_a_ladder_in_mpeg_ts_without_dash_and_storyboard_plays_on_its_page(
    world: World, ladder: Rendition, pages: httpx.Client, tab: Tab, tmp_path: Path
) -> None:
    files = make_hls(big_buck_bunny(), tmp_path / "hls")
    made = ladder.model_copy(update={"files": tuple(files), "engine": "mediaconvert"})
    for key, content in zip(made.file_keys, files.values(), strict=True):
        world.clients.s3.put_object(Bucket=made.rendition_bucket, Key=key, Body=content)
    world.tables.put(RENDITIONS, [made])
    html = pages.get(f"/catalogue/{world.bucket}", params={"key": KEY}).text
    assert ">HLS</a>" in html
    assert "DASH" not in html
    assert "data-storyboard" not in html

    address = httpx.URL(f"http://127.0.0.1:{pages.base_url.port}/catalogue/{world.bucket}")
    tab.page.goto(str(address.copy_with(params={"key": KEY})))
    attached = "document.querySelector('video').src.startsWith('blob:')"
    tab.page.wait_for_function(attached, timeout=SLOW)
    tab.page.evaluate(PLAY)
    assert tab.problems == []

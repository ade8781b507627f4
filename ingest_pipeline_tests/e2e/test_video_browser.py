"""A video's way through a browser: sent by a page's form, and played there when it is rendered."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import FilePayload

from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE, serving
from ingest_pipeline_tests.browser import Tab, served_page
from ingest_pipeline_tests.system import RunningSystem, wait_for

pytestmark = pytest.mark.timeout(300)

CLIP = (SAMPLES / "video.webm").read_bytes()

# What a client's page does. It knows the API's address and nothing else.
PAGE = """<!doctype html>
<title>Send a video</title>
<form>
  <input name="project"> <input name="step"> <input name="mail" type="email">
  <select name="type"><option>video/webm<option>text/html</select>
  <input name="video" type="file">
  <button>Send</button>
</form>
<output></output>
<video controls muted></video>
<script>
const api = API;
const form = document.querySelector("form");
const output = document.querySelector("output");
const player = document.querySelector("video");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const entered = new FormData(form);
  const [project, step, mail] = ["project", "step", "mail"].map(
    (name) => encodeURIComponent(entered.get(name)));
  const invitation = await fetch(`${api}/presignedurl/${project}/${step}?mail=${mail}`);
  const {url, fields} = await invitation.json();
  const upload = new FormData();
  Object.entries(fields).forEach(([name, value]) => upload.append(name, value));
  upload.set("Content-Type", entered.get("type"));
  upload.append("file", entered.get("video"));
  const answer = await fetch(url, {method: "POST", body: upload});
  output.value = `${answer.status} ${/<Code>(.*)<.Code>/.exec(await answer.text())?.[1] ?? ""}`;
});

async function videos(mail, user, password) {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  const headers = {Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}`};
  return (await fetch(`${api}/videos?mail=${encodeURIComponent(mail)}`, {headers})).json();
}

async function playToTheEnd(link) {
  const ended = new Promise((resolve) => { player.onended = resolve; });
  player.src = link;
  await player.play();
  await ended;
  return {
    readyState: player.readyState,
    seconds: player.duration,
    played: player.currentTime,
    width: player.videoWidth,
    height: player.videoHeight,
    hasSound: player.webkitAudioDecodedByteCount > 0,
  };
}
</script>
"""


def page_for(api: str) -> str:
    return PAGE.replace("API;", f"{json.dumps(api)};")


@pytest.fixture
def project() -> str:
    return f"Umfrage {uuid4().hex}"


@pytest.fixture
def mail() -> str:
    return f"{uuid4().hex}+test@example.org"


def send(tab: Tab, project: str, mail: str, video: bytes, *, kind: str = "video/webm") -> str:
    """Fill the form in as a person does; what the page says of the upload: status and error."""
    page = tab.page
    page.fill("[name=project]", project)
    page.fill("[name=step]", "2")
    page.fill("[name=mail]", mail)
    page.select_option("[name=type]", kind)
    file = FilePayload(name="my clip.webm", mimeType="video/webm", buffer=video)
    page.set_input_files("[name=video]", file)
    page.evaluate("output.value = ''")
    page.click("button")
    page.wait_for_function("output.value !== ''")
    return page.locator("output").inner_text().strip()


def test_a_video_sent_by_a_form_plays_in_the_browser(
    running: RunningSystem, tab: Tab, project: str, mail: str
) -> None:
    def listed() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = tab.page.evaluate("asked => videos(...asked)", [mail, *ALICE])
        return rows

    with served_page(page_for(running.settings.api_url)) as url:
        tab.page.goto(url)
        assert send(tab, project, mail, CLIP) == "204"
        wait_for(lambda: listed()[0]["renditions"], 120, "the rendition")
        [row] = listed()
        assert (row["ProjectStep"], row["Mail"]) == (f"{project}-2", mail)
        [link] = row["renditions"]
        played = tab.page.evaluate("link => playToTheEnd(link)", link)
    assert tab.problems == []
    assert played["readyState"] >= 2  # HAVE_CURRENT_DATA: the last picture is there
    assert played["seconds"] == pytest.approx(4, abs=0.2)
    assert played["played"] == pytest.approx(played["seconds"], abs=0.1)
    assert (played["width"], played["height"]) == (1280, 720)
    assert played["hasSound"]
    assert running.stands(str(row["video"]), running.settings.upload_bucket)


@pytest.fixture
def small_limit(running: RunningSystem) -> Iterator[str]:
    """An API over the same AWS whose forms take 100 kB at most."""
    config = running.settings.model_copy(update={"max_upload_bytes": 100_000})
    with serving(System(config)) as client:
        yield str(client.base_url)


def test_what_the_form_does_not_allow_is_refused_and_the_page_can_tell_why(
    running: RunningSystem, tab: Tab, project: str, mail: str, small_limit: str
) -> None:
    with served_page(page_for(small_limit)) as url:
        tab.page.goto(url)
        refusals = [
            send(tab, project, mail, CLIP),
            send(tab, project, mail, b""),
            send(tab, project, mail, CLIP[:50_000], kind="text/html"),
        ]
    assert refusals == ["400 EntityTooLarge", "400 EntityTooSmall", "403 AccessDenied"]
    assert all("Failed to load resource" in problem for problem in tab.problems)
    assert len(tab.problems) == len(refusals)
    bucket = running.settings.upload_bucket
    stored = running.system.clients.s3.list_objects_v2(Bucket=bucket, Prefix=project)
    assert stored["KeyCount"] == 0

"""A post's way through a browser: a page of another origin shares, shows and deletes it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import FilePayload

from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.browser import Tab, served_page
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.photo_reports import indexed

PHOTO = (SAMPLES / "photo.jpg").read_bytes()
BUCKET = "ingest-photos"
ASSET = {
    "bucket": "ingest",
    "channel_count": 2,
    "frame_count": 2880000,
    "sample_rate": 48000,
    "bits_per_sample": 24,
    "duration": "60.0",
}

# What the photo client does, call by call: it knows the API's address, and sends its user's name
# with everything but the upload.
PAGE = """<!doctype html>
<title>Photos</title>
<input type="file">
<img>
<script>
const api = API;
let user = USER;

async function call(method, path, {query = {}, body} = {}) {
  const headers = {Authorization: user};
  if (body) headers["Content-Type"] = "application/json";
  const url = `${api}${path}?${new URLSearchParams(query)}`;
  const answer = await fetch(url, {method, headers, body: body && JSON.stringify(body)});
  return {status: answer.status, next: answer.headers.get("X-Next-Cursor"),
          data: await answer.json()};
}

const share = (title, body) => call("POST", "/posts", {body: {title, body}});
const posts = (query) => call("GET", "/posts", {query});
const idOf = (post) => post.id.split("#")[1];
const remove = (post) => call("DELETE", `/posts/${idOf(post)}`);

async function upload(post, claimed) {
  const [file] = document.querySelector("input").files;
  const query = {filename: file.name, filetype: file.type, postId: idOf(post)};
  const given = await call("GET", "/signedUrlPut", {query});
  if (given.status !== 200) return given;
  const url = new URL(given.data.uploadURL);
  const headers = {"Content-Type": claimed ?? file.type};
  const answer = await fetch(url, {method: "PUT", headers, body: file});
  return {status: answer.status, data: given.data};
}

async function show(post) {
  const image = document.querySelector("img");
  image.src = post.image;
  await image.decode();
  const type = (await fetch(post.image)).headers.get("Content-Type");
  return {width: image.naturalWidth, height: image.naturalHeight, type};
}
</script>
"""


@pytest.fixture
def user() -> str:
    return f"Zoë {uuid4().hex}"


@pytest.fixture
def system(embedded_aws: EmbeddedAws) -> System:
    return System(embedded_aws.settings)


@pytest.fixture
def client(system: System, tab: Tab, user: str) -> Iterator[Tab]:
    """The photo client's page, with a photo chosen."""
    with serving(system) as api:
        page = PAGE.replace("API;", f"{json.dumps(str(api.base_url))};")
        with served_page(page.replace("USER;", f"{json.dumps(user)};")) as url:
            tab.page.goto(url)
            choose(tab, "my cup & ü.jpg", "image/jpeg", PHOTO)
            yield tab


def choose(tab: Tab, name: str, kind: str, content: bytes) -> None:
    file = FilePayload(name=name, mimeType=kind, buffer=content)
    tab.page.set_input_files("input", file)


def run(tab: Tab, call: str, *arguments: Any) -> Any:
    """Call a function of the page."""
    return tab.page.evaluate(f"given => {call}(...given)", [*arguments])


def the_post(tab: Tab, user: str) -> dict[str, Any]:
    [post] = run(tab, "posts", {"user": user})["data"]
    found: dict[str, Any] = post
    return found


def test_a_post_is_shared_given_a_photo_shown_and_deleted(
    client: Tab, system: System, user: str
) -> None:
    assert run(client, "share", "Monday", "Coffee")["status"] == 200
    post = the_post(client, user)
    assert (post["user"], post["title"], post["image"]) == (f"USER#{user}", "Monday", None)
    assert not post["labels"], "this is when the client offers to upload a photo"

    sent = run(client, "upload", post)
    assert sent["status"] == 200
    key = sent["data"]["objectName"]
    assert key.endswith("my cup & ü.jpg")
    assert system.posts().show(indexed(system.clients, BUCKET, key), ["Cup", "Coffee"])

    post = the_post(client, user)
    assert post["labels"] == ["Cup", "Coffee"]
    shown = run(client, "show", post)
    assert shown["type"] == "image/jpeg"
    assert min(shown["width"], shown["height"]) > 100

    assert run(client, "remove", post)["status"] == 200
    assert run(client, "posts", {"user": user})["data"] == []
    assert client.problems == []
    assert key in [
        json.loads(message.body)["file"]["key"]
        for _ in range(5)
        for message in system.queues.delete.queue.receive(60)
    ]


def test_the_page_can_walk_through_pages_and_tell_what_is_refused(client: Tab, user: str) -> None:
    for title in ("one", "two"):
        run(client, "share", title, "")
    first = run(client, "posts", {"user": user, "limit": 1})
    second = run(client, "posts", {"user": user, "limit": 1, "cursor": first["next"]})
    assert {page["data"][0]["title"] for page in (first, second)} == {"one", "two"}
    assert client.problems == []

    post = first["data"][0]
    assert run(client, "upload", post, "text/html")["status"] == 403
    choose(client, "page.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    refused = run(client, "upload", post)
    assert (refused["status"], refused["data"]["status_code"]) == (422, 10422)
    client.page.evaluate("user = 'somebody else'")
    assert run(client, "remove", post)["status"] == 404
    client.page.evaluate("user = ''")
    assert run(client, "share", "three", "")["status"] == 401
    assert all("Failed to load resource" in problem for problem in client.problems)
    assert len(client.problems) == 4


def test_a_page_of_another_origin_cannot_change_the_catalogue(client: Tab) -> None:
    base = client.page.evaluate("api")
    old, new = (f"{uuid4().hex}.wav" for _ in range(2))
    with httpx.Client(base_url=base, trust_env=False) as api:
        assert api.post("/asset", json=ASSET | {"file": old}).status_code == 200
        for path, attempt in [
            (f"/asset/{old}", {"method": "DELETE"}),
            # As a form sends it: without asking beforehand.
            ("/asset", {"method": "POST", "body": json.dumps(ASSET | {"file": new})}),
        ]:
            call = f"fetch(`${{api}}{path}`, {json.dumps(attempt)}).catch(() => 'refused')"
            assert client.page.evaluate(call) == "refused"
        assert api.get(f"/asset/{old}").status_code == 200
        assert api.get(f"/asset/{new}").status_code == 404

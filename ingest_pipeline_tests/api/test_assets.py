"""The contract's routes, over real HTTP against the embedded AWS."""

import base64
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from ingest_pipeline.api.asset_index import AssetIndex
from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, delete_order_body
from ingest_pipeline.aws.queues import Queue
from ingest_pipeline.records.model import Asset
from ingest_pipeline.records.tables import ASSETS
from ingest_pipeline.system import System

NOW = datetime.now(UTC)
FIELDS: dict[str, Any] = {
    "channel_count": 2,
    "frame_count": 2880000,
    "sample_rate": 48000,
    "bits_per_sample": 24,
    "duration": "60.0",
}
AWKWARD = [
    "plain.wav",
    "dir/nested/file.wav",
    "my file+1.wav",
    "100%.wav",
    "%2F is not a slash.wav",
    "what?.wav",
    "a#b&c=d;e.wav",
    "line\nbreak.wav",
    "ends with a line break\n",
    "Grüße/日本語/🎵.wav",
    "e\u0301 is not \u00e9",
    "/leading/slash.wav",
    "//two//double//slashes.wav",
    "../up.wav",
    "a/../b/./c.wav",
    "..",
    "trailing/",
    "history/history",
    'quote".wav',
    "back\\slash.wav",
    "\t tab and spaces ",
    "null\x00byte",
]


def body(file: str, **changes: Any) -> dict[str, Any]:
    return {"bucket": "ingest", "file": file, **FIELDS, **changes}


def url_of(key: str) -> str:
    """Dots are encoded too: clients resolve `..` before they send it."""
    return "/asset/" + quote(key, safe="").replace(".", "%2E")


def row(
    file: str, *, deleted: bool = False, judged_at: datetime = NOW, recording: bool = True
) -> Asset:
    return Asset(
        bucket="ingest",
        file=file,
        version="v1",
        day="2026-11-24",
        last_modified=NOW,
        judged_at=judged_at,
        deleted_at=NOW if deleted else None,
        **(FIELDS if recording else {}),
    )


def take_all(queue: Queue) -> list[str]:
    """Receive and delete whatever waits."""
    bodies: list[str] = []
    while messages := queue.receive(60):
        bodies += [message.body for message in messages]
        queue.delete(message.handle for message in messages)
    return bodies


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}/"


@pytest.mark.parametrize("name", AWKWARD, ids=repr)
def test_any_key_makes_the_whole_round(
    api: httpx.Client, system: System, prefix: str, name: str
) -> None:
    # Leading slashes and dots must stay in front.
    key = name + prefix if name.startswith(("/", ".")) else prefix + name
    assert api.get(url_of(key)).status_code == 404

    posted = api.post("/asset", json=body(key))
    assert (posted.status_code, posted.json()) == (200, body(key))
    again = api.post("/asset", json=body(key, duration="1.0"))
    assert (again.status_code, again.json()) == (200, {"message": f"asset already exists {key}"})

    assert api.get(url_of(key)).json() == body(key)
    assert api.get("/assets").json()[key] == body(key)

    take_all(system.queues.delete.queue)
    deleted = api.delete(url_of(key))
    assert (deleted.status_code, deleted.json()) == (200, {"message": "Deleted with Success"})
    assert take_all(system.queues.delete.queue) == [delete_order_body("ingest", key)]
    assert api.get(url_of(key)).status_code == 404
    assert key not in api.get("/assets").json()


def test_what_a_codec_does_not_have_is_null(api: httpx.Client, system: System, prefix: str) -> None:
    key = f"{prefix}talk.webm"
    unknown = {"frame_count": None, "bits_per_sample": None}
    system.tables.put(ASSETS, [row(key).model_copy(update=unknown)])
    assert api.get(url_of(key)).json() == body(key, **unknown)
    assert api.get("/assets").json()[key] == body(key, **unknown)


@pytest.mark.parametrize("name", ["a/../b/./c.wav", "x+y z.wav".replace(" ", "%20"), "//d", "e/"])
def test_a_path_is_taken_as_it_is_sent(api: httpx.Client, prefix: str, name: str) -> None:
    key = prefix + name.replace("%20", " ")
    api.post("/asset", json=body(key))
    connection = http.client.HTTPConnection("127.0.0.1", api.base_url.port or 0, timeout=30)
    connection.request("GET", f"/asset/{prefix}{name}")  # resolves and re-encodes nothing
    assert json.load(connection.getresponse())["file"] == key
    connection.close()


def test_an_order_names_the_version_that_was_seen(
    api: httpx.Client, system: System, prefix: str
) -> None:
    take_all(system.queues.delete.queue)
    system.tables.put(ASSETS, [row(f"{prefix}seen.wav")])
    api.post("/asset", json=body(f"{prefix}posted.wav"))
    for name in ("seen.wav", "posted.wav"):
        api.delete(f"/asset/{prefix}{name}")
    messages = system.queues.delete.queue.receive(60)
    versions = {m.body: m.attributes.get(VERSION_ATTRIBUTE) for m in messages}
    assert versions == {
        delete_order_body("ingest", f"{prefix}seen.wav"): "v1",
        delete_order_body("ingest", f"{prefix}posted.wav"): None,
    }
    system.queues.delete.queue.delete(message.handle for message in messages)


def test_an_encoded_slash_equals_a_slash(api: httpx.Client, prefix: str) -> None:
    key = f"{prefix}a/b"
    api.post("/asset", json=body(key))
    assert api.get(f"/asset/{key}").json() == api.get(f"/asset/{quote(key, safe='')}").json()


def test_unknown_assets(api: httpx.Client, system: System, prefix: str) -> None:
    take_all(system.queues.delete.queue)
    got = api.get(f"/asset/{prefix}none.wav")
    assert (got.status_code, got.json()) == (404, {"message": "asset not found"})
    deleted = api.delete(f"/asset/{prefix}none.wav")
    assert (deleted.status_code, deleted.json()) == (404, {"message": "File not found"})
    assert take_all(system.queues.delete.queue) == []


@pytest.mark.parametrize("path", ["/asset/", "/asset", "/assets/"])
def test_no_key_is_no_asset(api: httpx.Client, path: str) -> None:
    response = api.get(path)
    assert response.status_code in {404, 405}
    assert response.json().keys() == {"message"}


def test_the_longest_key_and_one_byte_more(api: httpx.Client, prefix: str) -> None:
    longest = prefix + "ä" * ((1024 - len(prefix)) // 2)
    longest += "x" * (1024 - len(longest.encode()))
    assert api.post("/asset", json=body(longest)).json() == body(longest)
    assert api.get(url_of(longest)).json() == body(longest)
    assert api.post("/asset", json=body(longest + "x")).status_code == 422
    for method in ("GET", "DELETE"):
        assert api.request(method, url_of(longest + "x")).status_code == 404


def test_the_contracts_assets_are_recordings_and_a_video_is_none(
    api: httpx.Client, system: System, prefix: str
) -> None:
    key = f"{prefix}clip.webm"
    system.tables.put(ASSETS, [row(key, recording=False)])
    assert api.get(f"/asset/{key}").status_code == 404
    assert key not in api.get("/assets").json()


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket": "other"},
        {"file": ""},
        {"file": "\ud800"},
        {"duration": "\udfff"},
        {"sample_rate": float("nan")},
        {"sample_rate": float("inf")},
        {"frame_count": 2**63},
        {"channel_count": -1},
        {"bits_per_sample": None},
        {"duration": "9" * 65},
    ],
    ids=repr,
)
def test_what_is_no_asset_is_refused(
    api: httpx.Client, prefix: str, changes: dict[str, Any]
) -> None:
    content = json.dumps(body(f"{prefix}x.wav") | changes)
    response = api.post("/asset", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    mistake = response.json()["detail"][0]
    assert mistake["loc"] == ["body", *changes]
    assert mistake["msg"]


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 5000, "\x00"])
def test_what_is_no_json_is_refused(api: httpx.Client, content: str) -> None:
    response = api.post("/asset", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert "Traceback" not in response.text


def test_a_large_body_is_refused(api: httpx.Client, prefix: str) -> None:
    response = api.post("/asset", json=body(prefix) | {"more": "x" * 100_000})
    assert response.status_code == 413


def test_of_many_clients_that_post_at_once_one_wins(api: httpx.Client, prefix: str) -> None:
    for number in range(5):
        bodies = [body(f"{prefix}{number}.wav", frame_count=client) for client in range(8)]
        with ThreadPoolExecutor(len(bodies)) as clients:
            answers = list(
                clients.map(lambda posted: api.post("/asset", json=posted).json(), bodies)
            )
        winners = [answer for answer in answers if "message" not in answer]
        assert len(winners) == 1
        assert api.get(f"/asset/{prefix}{number}.wav").json() == winners[0]


def test_a_look_at_the_object_overrides_what_was_posted(
    api: httpx.Client, system: System, prefix: str
) -> None:
    key = f"{prefix}x.wav"
    api.post("/asset", json=body(key))
    system.tables.put(ASSETS, [row(key).model_copy(update={"channel_count": 1})])
    assert api.get(f"/asset/{key}").json()["channel_count"] == 1
    assert "message" in api.post("/asset", json=body(key)).json()
    assert api.get(f"/asset/{key}").json()["channel_count"] == 1


def test_a_tombstone_can_be_posted_over(api: httpx.Client, system: System, prefix: str) -> None:
    key = f"{prefix}x.wav"
    system.tables.put(ASSETS, [row(key, deleted=True)])
    assert api.get(f"/asset/{key}").status_code == 404
    assert api.delete(f"/asset/{key}").status_code == 404
    assert api.post("/asset", json=body(key)).json() == body(key)
    assert api.get(f"/asset/{key}").json() == body(key)


def test_a_run_that_looked_before_the_deletion_does_not_undo_it(
    api: httpx.Client, system: System, prefix: str
) -> None:
    key = f"{prefix}x.wav"
    system.tables.put(ASSETS, [row(key)])
    api.delete(f"/asset/{key}")
    assert system.tables.put(ASSETS, [row(key)]) == 0
    assert api.get(f"/asset/{key}").status_code == 404
    later = row(key, judged_at=datetime.now(UTC) + timedelta(seconds=1))
    assert system.tables.put(ASSETS, [later]) == 1
    assert api.get(f"/asset/{key}").status_code == 200


@pytest.fixture(scope="module")
def forest(system: System) -> list[str]:
    """Live rows among tombstones, single ones and long stretches; the keys of the live ones."""
    prefix = f"forest-{uuid4().hex}/"
    rows = [
        row(f"{prefix}{number:04}", deleted=number % 3 != 0 if number < 120 else number <= 600)
        for number in range(720)
    ]
    system.tables.put(ASSETS, rows)
    return [asset.file for asset in rows if not asset.deleted_at]


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_pages_are_full_and_miss_nothing(api: httpx.Client, forest: list[str], limit: int) -> None:
    url: str | None = f"/assets?limit={limit}"
    pages: list[dict[str, Any]] = []
    while url:
        response = api.get(url)
        pages.append(response.json())
        url = response.links.get("next", {}).get("url")
        assert ("X-Next-Cursor" in response.headers) == (url is not None)
    seen = [file for page in pages for file in page]
    assert len(seen) == len(set(seen))
    assert [file for file in seen if file in set(forest)] == forest
    assert all(len(page) == limit for page in pages[:-1])
    assert {k: v for page in pages for k, v in page.items()} == api.get("/assets").json()


def test_a_desert_of_tombstones_is_crossed_in_strides(system: System, forest: list[str]) -> None:
    calls: list[str] = []

    def count(model: Any, **_: Any) -> None:
        calls.append(model.name)

    counted = System(system.config)
    counted.clients.dynamodb.meta.events.register("before-call.dynamodb.Query", count)
    index = AssetIndex("ingest", counted.tables, counted.delete_requests())
    before_the_desert = forest[38]
    key = {"bucket": {"S": "ingest"}, "file": {"S": before_the_desert}}
    cursor = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    page = index.page(2, cursor)
    assert [asset.file for asset in page.rows] == forest[39:41]  # 480 tombstones lie between
    assert len(calls) <= 20


@pytest.mark.parametrize(
    "cursor",
    [
        "rubbish",
        "%00",
        "bnVsbA==",  # null
        base64.urlsafe_b64encode(b'{"bucket": {"S": "other"}, "file": {"S": "x"}}').decode(),
        base64.urlsafe_b64encode(b'{"bucket": {"S": "ingest"}}').decode(),
        base64.urlsafe_b64encode(b'{"bucket": {"S": "ingest"}, "file": "x"}').decode(),
        base64.urlsafe_b64encode(b'{"bucket": {"S": "ingest"}, "file": {"N": "1"}}').decode(),
    ],
)
@pytest.mark.parametrize("limit", ["", "&limit=3"])
def test_a_tampered_cursor_is_refused(api: httpx.Client, cursor: str, limit: str) -> None:
    response = api.get(f"/assets?cursor={cursor}{limit}")
    assert response.status_code == 400
    assert "cursor" in response.json()["message"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", ""])
def test_a_limit_out_of_range_is_refused(api: httpx.Client, limit: str) -> None:
    assert api.get(f"/assets?limit={limit}").status_code == 422

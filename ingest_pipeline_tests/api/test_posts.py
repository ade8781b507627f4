"""The contract's routes for posts, over real HTTP, with real uploads into the embedded AWS."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from ingest_pipeline.aws.events import VERSION_ATTRIBUTE, parse_delete_order
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.catalogue.posts import (
    Posts,
    readable_name,
)
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.pipeline.enrich.requests import photos_into
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.records.model import ObjectRef, Outcome, Post, Report
from ingest_pipeline.records.tables import POSTS
from ingest_pipeline.system import System
from ingest_pipeline_tests.photo_reports import indexed, refused

BUCKET = "ingest-photos"
_NO_POST = "3f0c4d1e-7a52-4b6b-9d0e-5c1f8a2b9e47"
PHOTO = (SAMPLES / "photo.jpg").read_bytes()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
HTML = b"<script>alert(document.domain)</script>"
JSON = {"Content-Type": "application/json"}
ORIGIN = {"Origin": "https://photos.example.org"}


@pytest.fixture
def user() -> str:
    return f"user {uuid4().hex}"


@pytest.fixture
def posts(system: System) -> Posts:
    return system.posts()


def as_user(name: str) -> dict[str, str]:
    return {"authorization": name}


def publish(api: httpx.Client, user: str, title: str = "Monday", body: str = "Coffee") -> str:
    """Share something; the id as the web client derives it."""
    before = {post["id"] for post in listed(api, user=user)}
    escaped = json.dumps({"title": title, "body": body})
    response = api.post("/posts", content=escaped, headers=JSON | as_user(user))
    assert response.status_code == 200, response.text
    (new,) = {post["id"] for post in listed(api, user=user)} - before
    post_id: str = new.split("#")[1]
    assert response.headers["Location"] == f"/posts/{post_id}"
    return post_id


def listed(api: httpx.Client, **query: str | int) -> list[dict[str, Any]]:
    response = api.get("/posts", params=query)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    found: list[dict[str, Any]] = response.json()
    return found


def ask_for_link(
    api: httpx.Client, user: str, post_id: str, name: str = "my cup.jpg", kind: str = "image/jpeg"
) -> httpx.Response:
    query = {"filename": name, "filetype": kind, "postId": post_id}
    return api.get("/signedUrlPut", params=query, headers=as_user(user))


def upload(
    api: httpx.Client, user: str, post_id: str, content: bytes = PHOTO, kind: str = "image/jpeg"
) -> str:
    """Upload a photo as the web client does; its key."""
    given = ask_for_link(api, user, post_id, kind=kind).json()
    answer = httpx.put(given["uploadURL"], content=content, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    key: str = given["objectName"]
    return key


def delete(api: httpx.Client, user: str, post_id: str) -> httpx.Response:
    return api.delete(f"/posts/{quote(post_id, safe='')}", headers=as_user(user))


def orders(system: System) -> list[tuple[str, str]]:
    """Take all orders off the queue; the keys and versions of photos among them."""
    found = []
    while messages := system.queues.delete.queue.receive(60):
        for message in messages:
            file = json.loads(message.body)["file"]
            if file["bucket"] == BUCKET:
                found.append((file["key"], message.attributes[VERSION_ATTRIBUTE]))
        system.queues.delete.queue.delete([message.handle for message in messages])
    return found


def version(system: System, key: str) -> str:
    found = object_state(system.clients.s3, BUCKET, key).version
    assert found is not None
    return found


def photo(system: System, key: str) -> Report:
    """The outcome of a photo that is valid."""
    return indexed(system.clients, BUCKET, key)


def ref_of(system: System, key: str) -> ObjectRef:
    return photo(system, key).ref


def ingest(system: System, key: str) -> Report:
    """What a run does with what stands at a key."""
    return ingest_ref(system, ref_of(system, key))


def ingest_ref(system: System, ref: ObjectRef) -> Report:
    (report,) = values(resources(system.config).ingest([ref]))
    return report


def label(system: System, key: str) -> list[str]:
    """What a run does with what stands at a key, and what the photo's labels are then."""
    labelling = resources(system.config).labeler.labelling()
    labelling.label([ref_of(system, key)])
    (row,) = labelling.rows([ref_of(system, key)])
    return [each.name for each in row.labels]


def walk(api: httpx.Client, path: str) -> Iterator[list[dict[str, Any]]]:
    """Follow the links from page to page."""
    while True:
        response = api.get(path)
        assert response.status_code == 200, response.text
        yield response.json()
        if "next" not in response.links:
            assert "X-Next-Cursor" not in response.headers
            return
        assert "X-Next-Cursor" in response.headers
        path = response.links["next"]["url"]


# Sharing


def test_a_post_is_stored_as_the_contract_says(
    api: httpx.Client, system: System, user: str
) -> None:
    post_id = publish(api, user, "Ünder", "line\nbreak")
    assert UUID(post_id).version == 4
    row = system.clients.dynamodb.get_item(
        TableName="posts",
        Key={"user": {"S": f"USER#{user}"}, "id": {"S": f"POST#{post_id}"}},
        ConsistentRead=True,
    )["Item"]
    assert row == {
        "user": {"S": f"USER#{user}"},
        "id": {"S": f"POST#{post_id}"},
        "title": {"S": "Ünder"},
        "body": {"S": "line\nbreak"},
    }


def test_dynamodb_answers_to_posting_and_deleting(api: httpx.Client, user: str) -> None:
    posted = api.post("/posts", json={"title": "", "body": ""}, headers=as_user(user))
    deleted = delete(api, user, listed(api, user=user)[0]["id"])
    for response in (posted, deleted):
        assert response.status_code == 200
        assert response.json().keys() == {"ResponseMetadata"}
        metadata = response.json()["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 200
        assert {"RequestId", "HTTPHeaders", "RetryAttempts"} <= metadata.keys()


def test_a_new_post_waits_for_its_image(api: httpx.Client, user: str) -> None:
    """The web client offers to upload one where `labels` is not true; an empty list is."""
    post_id = publish(api, user)
    assert listed(api, user=user) == [
        {
            "user": f"USER#{user}",
            "id": f"POST#{post_id}",
            "title": "Monday",
            "body": "Coffee",
            "image": None,
            "labels": None,
            "label": None,
            "status": "awaiting",
            "reason": None,
        }
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xe3\xff\x15",
        b"[]",
        b"null",
        b'"title"',
        b'{"title": "a"}',
        b'{"body": "a"}',
        b'{"title": 1, "body": "a"}',
        b'{"title": null, "body": "a"}',
        b'{"title": "\\ud800", "body": "a"}',
        b'{"title": NaN, "body": "a"}',
        json.dumps({"title": "a" * 251, "body": "a"}).encode(),
        json.dumps({"title": "a", "body": "a" * 5001}).encode(),
    ],
    ids=range(14),
)
def test_a_post_that_is_none_is_told_in_the_contracts_words(
    api: httpx.Client, user: str, body: bytes
) -> None:
    response = api.post("/posts", content=body, headers=JSON | as_user(user))
    assert response.status_code == 422
    answer = response.json()
    assert answer.pop("message").startswith("body")
    assert answer == {"status_code": 10422, "data": None}
    assert listed(api, user=user) == []


def test_the_other_routes_keep_their_own_words(api: httpx.Client) -> None:
    assert api.get("/assets?limit=0").json().keys() == {"detail"}


def test_the_longest_post_fits(api: httpx.Client, user: str) -> None:
    post_id = publish(api, user, "🎉" * 250, "🎉" * 5000)  # 12 bytes each in JSON
    assert listed(api, user=user)[0]["body"] == "🎉" * 5000
    assert delete(api, user, post_id).status_code == 200


# Lists


def test_anybody_reads_and_a_user_has_a_list_of_her_own(api: httpx.Client, user: str) -> None:
    mine = {publish(api, user) for _ in range(3)}
    others = {publish(api, f"other {user}")}
    found = listed(api, user=user)
    assert {post["id"].split("#")[1] for post in found} == mine
    assert {post["user"] for post in found} == {f"USER#{user}"}
    everything = {post["id"].split("#")[1] for post in listed(api)}
    assert mine | others <= everything
    assert listed(api, user="") == listed(api)
    assert listed(api, user=user[:-1]) == []


def test_lists_come_in_pages(api: httpx.Client, system: System, user: str) -> None:
    rows = [
        Post(user=f"USER#{user}", id=f"POST#{uuid4()}", title=str(n), body="x") for n in range(250)
    ]
    system.tables.put(POSTS, rows)
    wanted = sorted(row.id for row in rows)
    for path in (f"/posts?user={quote(user)}&limit=100", "/posts?limit=100"):
        pages = list(walk(api, path))
        assert all(len(page) <= 100 for page in pages)
        found = [post["id"] for page in pages for post in page if post["user"] == f"USER#{user}"]
        assert sorted(found) == wanted
    assert sorted(post["id"] for post in listed(api, user=user)) == wanted


def test_more_posts_than_a_call_brings_are_all_listed(
    api: httpx.Client, system: System, user: str
) -> None:
    rows = [
        Post(user=f"USER#{user}", id=f"POST#{uuid4()}", title="x", body="x") for _ in range(1100)
    ]
    system.tables.put(POSTS, rows)
    wanted = {row.id for row in rows}
    assert {post["id"] for post in listed(api, user=user)} == wanted
    assert wanted <= {post["id"] for post in listed(api)}
    for row in rows:
        system.tables.delete(POSTS, POSTS.key(row))


@pytest.mark.parametrize("whose", [None, "somebody"])
@pytest.mark.parametrize(
    "text",
    ["x", "!", "[]", '["a"]', '["", ""]', "[1, 2]", '{"user": {"S": "b"}}', "[" * 4000, "\udc80"],
    ids=range(9),
)
def test_a_cursor_that_the_list_did_not_give_is_refused(
    api: httpx.Client, whose: str | None, text: str
) -> None:
    cursor = base64.urlsafe_b64encode(text.encode(errors="surrogateescape")).decode()
    query = {"cursor": cursor} | ({"user": whose} if whose else {})
    response = api.get("/posts", params=query)
    assert response.status_code == 400, response.text
    assert response.json().keys() == {"message"}


def test_a_cursor_of_another_users_list_is_refused(api: httpx.Client, user: str) -> None:
    for _ in range(2):
        publish(api, user)
    cursor = api.get("/posts", params={"user": user, "limit": 1}).headers["X-Next-Cursor"]
    assert api.get("/posts", params={"user": "bob", "cursor": cursor}).status_code == 400
    assert api.get("/posts", params={"user": user, "cursor": cursor}).status_code == 200


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", f"user={'u' * 256}"])
def test_a_question_that_is_none_is_told_in_the_contracts_words(
    api: httpx.Client, query: str
) -> None:
    response = api.get(f"/posts?{query}")
    assert response.status_code == 422
    assert response.json()["status_code"] == 10422


def test_what_a_late_label_left_behind_in_an_older_system_is_no_post(
    api: httpx.Client, system: System, user: str
) -> None:
    stub: dict[str, Any] = {
        "user": {"S": f"USER#{user}"},
        "id": {"S": f"POST#{uuid4()}"},
        "labels": {"L": [{"S": "Cup"}]},
    }
    system.clients.dynamodb.put_item(TableName="posts", Item=stub)
    assert listed(api, user=user) == []
    assert stub["id"]["S"] not in {post["id"] for post in listed(api)}
    assert delete(api, user, stub["id"]["S"]).status_code == 404


# Photos


def test_a_photo_is_uploaded_and_shown_with_its_labels(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    owner, folder, name = key.split("/")
    assert (owner, folder) == (user, post_id)
    assert UUID(name[:36]).version == 4
    assert name[36:] == "my cup.jpg"
    assert posts.show(photo(system, key), ["Cup", "Coffee"])
    (post,) = listed(api, user=user)
    assert post["labels"] == post["label"] == ["Cup", "Coffee"]
    shown = httpx.get(post["image"], headers=ORIGIN)
    assert shown.content == PHOTO
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert shown.headers["Access-Control-Allow-Origin"]


def test_a_photo_of_which_nothing_is_seen_needs_no_other(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    key = upload(api, user, publish(api, user))
    assert posts.show(photo(system, key), [])
    (post,) = listed(api, user=user)
    assert post["labels"] == post["label"] == []
    assert post["image"]


def test_both_names_of_the_route_give_a_link(api: httpx.Client, user: str) -> None:
    post_id = publish(api, user)
    query = {"filename": "a.png", "filetype": "image/png", "postId": f"POST#{post_id}"}
    for path in ("/signedUrlPut", "/getSignedUrlPut"):
        response = api.get(path, params=query, headers=as_user(user))
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.json().keys() == {"uploadURL", "objectName"}
        signed = parse_qs(urlsplit(response.json()["uploadURL"]).query)
        assert signed["X-Amz-Expires"] == ["3600"]
        assert signed["X-Amz-SignedHeaders"] == ["content-type;host"]


@pytest.mark.parametrize("claimed", ["text/html", "image/svg+xml", "image/png", "", None])
def test_an_upload_of_another_type_than_was_named_is_refused(
    api: httpx.Client, system: System, user: str, claimed: str | None
) -> None:
    given = ask_for_link(api, user, publish(api, user)).json()
    headers = {"Content-Type": claimed} if claimed is not None else {}
    assert httpx.put(given["uploadURL"], content=HTML, headers=headers).status_code == 403
    listing = system.clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{user}/")
    assert listing["KeyCount"] == 0


@pytest.mark.parametrize(
    "kind",
    ["", "text/html", "image/svg+xml", "image/SVG+xml", "image", "image/", "image/png, text/html",
     "image/png;x=<>", "image/png\r\nX: y", "application/octet-stream", " image/png", "video/mp4"],
)  # fmt: skip
def test_only_images_may_be_uploaded(api: httpx.Client, user: str, kind: str) -> None:
    response = ask_for_link(api, user, publish(api, user), kind=kind)
    assert response.status_code == 422
    assert response.json()["status_code"] == 10422
    assert "filetype" in response.json()["message"]


@pytest.mark.parametrize("missing", ["filename", "filetype", "postId"])
def test_a_question_for_a_link_is_told_what_it_lacks(api: httpx.Client, missing: str) -> None:
    query = {"filename": "a.png", "filetype": "image/png", "postId": str(uuid4())}
    del query[missing]
    response = api.get("/signedUrlPut", params=query, headers=as_user("alice"))
    assert response.status_code == 422
    assert response.json()["message"] == f"query.{missing}: Field required"


def test_what_is_shown_has_the_type_of_its_content(
    api: httpx.Client, system: System, user: str
) -> None:
    key = upload(api, user, publish(api, user), PHOTO, "image/png")
    assert ingest(system, key).outcome is Outcome.INDEXED
    shown = httpx.get(listed(api, user=user)[0]["image"])
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert shown.headers["Content-Disposition"] == "inline"


@pytest.mark.parametrize("content", [HTML, b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_photo_is_not_shown_whatever_it_claims(
    api: httpx.Client, system: System, user: str, content: bytes
) -> None:
    key = upload(api, user, publish(api, user), content)
    assert ingest(system, key).outcome is Outcome.REJECTED
    (post,) = listed(api, user=user)
    assert (post["image"], post["labels"], post["status"]) == (None, None, "refused")


def test_an_image_of_the_system_before_is_shown_to_nobody_as_a_page(
    api: httpx.Client, system: System, user: str
) -> None:
    """Its row tells no type."""
    post_id = publish(api, user)
    key = upload(api, user, post_id, HTML)
    set_in_row(system, key, image=key)
    shown = httpx.get(listed(api, user=user)[0]["image"])
    assert shown.headers["Content-Type"] == "application/octet-stream"
    assert shown.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("cup.jpg", "cup.jpg"),
        ("Grüße 日本 🎉.png", "Grüße 日本 🎉.png"),
        ("Gru\u0308ße.png", "Grüße.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\cup.jpg", "cup.jpg"),
        ("12:30.jpg", "12:30.jpg"),
        ("a..b.jpg.", "a..b.jpg"),
        ("C:\\fakepath\\cup.jpg", "cup.jpg"),
        ("/absolute/cup.jpg", "cup.jpg"),
        ("dir/", ""),
        ("..", ""),
        (".", ""),
        ("/", ""),
        ("", ""),
        ("a\x00b\r\nc\x7f.png", "abc.png"),
        ("gpj\u202e.exe", "gpj.exe"),
        ("100% a+b&c=d?e#f.png", "100% a+b&c=d?e#f.png"),
        ("ä" * 200 + ".png", "ä" * 98 + ".png"),
    ],
)
def test_a_name_in_a_key_is_safe_and_still_readable(given: str, kept: str) -> None:
    assert readable_name(given) == kept


@pytest.mark.parametrize("name", ["Grüße 日本 🎉.png", "100% a+b&c=d?e#f.png", "..", "x/../../y"])
def test_any_name_can_be_uploaded_and_shown(
    api: httpx.Client, system: System, posts: Posts, user: str, name: str
) -> None:
    post_id = publish(api, user)
    given = ask_for_link(api, user, post_id, name).json()
    assert given["objectName"].startswith(f"{user}/{post_id}/")
    assert given["objectName"].count("/") == 2
    put = httpx.put(given["uploadURL"], content=PHOTO, headers={"Content-Type": "image/jpeg"})
    assert put.status_code == 200
    assert posts.show(photo(system, given["objectName"]), ["Cup"])
    assert httpx.get(listed(api, user=user)[0]["image"]).content == PHOTO


@pytest.mark.parametrize(
    "user", ["Zoë", "日本", "a+b&c=d?e", "100%", "USER#x", "a\\b", "o'neil@x.org"]
)
def test_users_of_any_name_share_upload_and_delete(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    user = f"{user} {uuid4().hex}"
    header = {"authorization": user.encode()}
    posted = api.post("/posts", json={"title": "a", "body": "b"}, headers=header)  # type: ignore[arg-type]
    post_id = posted.headers["Location"].rpartition("/")[2]
    assert [post["user"] for post in listed(api, user=user)] == [f"USER#{user}"]
    query = {"filename": "a.jpg", "filetype": "image/jpeg", "postId": post_id}
    given = api.get("/signedUrlPut", params=query, headers=header).json()  # type: ignore[arg-type]
    key = given["objectName"]
    httpx.put(given["uploadURL"], content=PHOTO, headers={"Content-Type": "image/jpeg"})
    assert posts.show(photo(system, key), [])
    assert httpx.get(listed(api, user=user)[0]["image"]).content == PHOTO
    standing = (key, version(system, key))
    assert api.delete(f"/posts/{post_id}", headers=header).status_code == 200  # type: ignore[arg-type]
    assert standing in orders(system)


# Whose a post is


def test_nobody_deletes_or_uploads_to_what_is_not_his(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    assert posts.show(photo(system, key), ["Cup"])
    for stranger in (f"x{user}", user[:-1], f"{user}#", "USER#" + user, user.upper()):
        for response in (delete(api, stranger, post_id), ask_for_link(api, stranger, post_id)):
            assert response.status_code == 404
            assert response.json() == {"message": "you have no such post"}
    assert [post["labels"] for post in listed(api, user=user)] == [["Cup"]]
    assert key not in {ordered for ordered, _ in orders(system)}


@pytest.mark.parametrize(
    "post_id",
    ["x", _NO_POST, "POST#", "a/b", "%", "\x00", "é" * 30, _NO_POST.upper()],
)
def test_a_post_that_is_not_there_is_not_found(api: httpx.Client, user: str, post_id: str) -> None:
    publish(api, user)
    assert delete(api, user, post_id).status_code == 404
    assert ask_for_link(api, user, post_id).status_code == 404


def test_an_id_that_is_far_too_long_is_told_in_the_contracts_words(
    api: httpx.Client, user: str
) -> None:
    for response in (delete(api, user, "x" * 2000), ask_for_link(api, user, "x" * 2000)):
        assert response.status_code == 422
        assert response.json()["status_code"] == 10422


# Deleting


@pytest.mark.parametrize("form", ["{}", "POST#{}"])
def test_a_post_goes_with_all_its_images(
    api: httpx.Client, system: System, posts: Posts, user: str, form: str
) -> None:
    kept, gone = publish(api, user), publish(api, user)
    keys = [upload(api, user, gone) for _ in range(2)]
    neighbour = upload(api, user, kept)
    assert posts.show(photo(system, keys[0]), ["Cup"])
    system.clients.s3.put_object(Bucket=BUCKET, Key=keys[1], Body=PNG)  # a second version
    away = upload(api, user, gone)
    system.clients.s3.delete_object(Bucket=BUCKET, Key=away)
    standing = {(key, version(system, key)) for key in keys}
    orders(system)
    assert delete(api, user, form.format(gone)).status_code == 200
    assert [post["id"] for post in listed(api, user=user)] == [f"POST#{kept}"]
    found = orders(system)
    assert (set(found), len(found)) == (standing, 2), "each once, and no other"
    assert object_state(system.clients.s3, BUCKET, neighbour)
    assert delete(api, user, gone).status_code == 404
    assert orders(system) == []


def test_the_orders_of_a_deleted_post_are_carried_out(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    assert posts.show(photo(system, key), ["Cup"])
    orders(system)
    assert delete(api, user, post_id).status_code == 200
    wired = resources(system.config)
    (batch,) = wired.delete_consumer.consumer.poll(slots=10)
    deleted = wired.deleter.deleter().delete(batch.objects)
    assert [report.key for report in values(deleted)] == [key]
    listing = system.clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{user}/")
    assert listing["KeyCount"] == 0


def test_of_many_who_delete_at_once_one_succeeds(
    api: httpx.Client, system: System, user: str
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: delete(api, user, post_id).status_code, range(8)))
    assert sorted(answers) == [200] + [404] * 7
    assert key in {ordered for ordered, _ in orders(system)}
    assert listed(api, user=user) == []


def test_an_image_that_comes_while_its_post_is_deleted_is_deleted_too(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    """One that is labelled between the first look at the images and the end of the row."""
    post_id = publish(api, user)
    early = upload(api, user, post_id)
    late: list[str] = []

    def bring_another(**_: object) -> None:
        late.append(upload(api, user, post_id))
        assert posts.show(photo(system, late[0]), ["Cup"])

    slow = System(system.config)
    events = slow.clients.dynamodb.meta.events
    events.register("before-call.dynamodb.DeleteItem", bring_another)
    orders(system)
    assert slow.posts().delete(user, post_id)
    assert [key for key, _ in orders(system)] == [early, *late]


# Labels that come late


def test_late_labels_do_not_bring_a_post_back(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    assert delete(api, user, post_id).status_code == 200
    orders(system)
    assert not posts.show(photo(system, key), ["Cup"])
    assert listed(api, user=user) == []
    assert f"POST#{post_id}" not in {post["id"] for post in listed(api)}
    posts.orphaned(key, version(system, key))
    assert orders(system) == [(key, version(system, key))]


def test_a_photo_of_a_post_that_never_was_is_an_orphan(
    system: System, posts: Posts, user: str
) -> None:
    key = f"{user}/{uuid4()}/{uuid4()}cup.jpg"
    system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO)
    assert not posts.show(photo(system, key), ["Cup"])


def set_in_row(system: System, key: str, **attributes: str) -> None:
    """Write attributes of the row of a photo's post."""
    user, post_id, _ = key.split("/")
    for name, value in attributes.items():
        system.clients.dynamodb.update_item(
            TableName="posts",
            Key={"user": {"S": f"USER#{user}"}, "id": {"S": f"POST#{post_id}"}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}},
        )


def put_at(system: System, key: str, seconds: int) -> None:
    """Set the second in which the image of a row was uploaded: S3's times have no finer ones."""
    moment = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    set_in_row(system, key, image_at=moment.replace("+00:00", "Z"))


def test_the_image_that_was_uploaded_last_is_shown_whichever_is_labelled_last(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    post_id = publish(api, user)
    first, second = (upload(api, user, post_id) for _ in range(2))
    assert posts.show(photo(system, first), ["Cup"])
    assert posts.show(photo(system, second), ["Cat"])
    assert listed(api, user=user)[0]["labels"] == ["Cat"]
    put_at(system, second, 60)
    assert posts.show(photo(system, first), ["Cup"]), "it has a post, and is no orphan"
    (post,) = listed(api, user=user)
    assert post["labels"] == ["Cat"]
    assert quote(second) in post["image"]


def test_labels_of_a_version_that_was_overwritten_are_not_shown(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    key = upload(api, user, publish(api, user))
    older = photo(system, key)
    system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO + b"newer")
    newer = photo(system, key)
    assert posts.show(older, ["Cup"])
    assert posts.show(newer)
    assert listed(api, user=user)[0]["labels"] == [], "they are of what stood there before"
    assert posts.show(older, ["Cup"])
    assert listed(api, user=user)[0]["labels"] == []
    assert posts.show(newer, ["Cat"])
    assert posts.show(older)
    assert listed(api, user=user)[0]["labels"] == ["Cat"]


def test_an_image_that_is_gone_is_not_shown(api: httpx.Client, system: System, user: str) -> None:
    key = upload(api, user, publish(api, user))
    ref = ref_of(system, key)
    system.clients.s3.delete_object(Bucket=BUCKET, Key=key)
    assert ingest_ref(system, ref).outcome is Outcome.DELETED
    (post,) = listed(api, user=user)
    assert (post["image"], post["status"]) == (None, "awaiting")


@pytest.mark.parametrize(
    "key",
    [
        "photo.jpg",
        "alice/photo.jpg",
        "alice/not-an-id/photo.jpg",
        "/{id}/photo.jpg",
        "alice/{id}/",
        "alice/{id}/deeper/photo.jpg",
        "alice/../{id}/photo.jpg",
        "alice//{id}/photo.jpg",
        "alice/{id}x/photo.jpg",
    ],
)
def test_what_is_no_photo_of_a_post_is_left_alone(
    api: httpx.Client, system: System, posts: Posts, user: str, key: str
) -> None:
    report = photo(system, upload(api, user, publish(api, user)))
    another = report.model_copy(update={"key": key.format(id=uuid4())})
    assert posts.show(another, ["Cup"])
    posts.refuse(refused(another))
    assert [(post["image"], post["status"]) for post in listed(api, user=user)] == [
        (None, "awaiting")
    ]


def test_images_of_other_buckets_are_left_alone(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    report = photo(system, upload(api, user, publish(api, user)))
    elsewhere = report.model_copy(update={"bucket": "ingest"})
    assert posts.show(elsewhere, ["Cup"])
    posts.refuse(refused(elsewhere))
    assert [(post["labels"], post["status"]) for post in listed(api, user=user)] == [
        (None, "awaiting")
    ]


# A photo's outcome


def outcome_of(api: httpx.Client, user: str) -> tuple[str, str | None]:
    (post,) = listed(api, user=user)
    return post["status"], post["reason"]


def shown_in(api: httpx.Client, user: str) -> bytes | None:
    (post,) = listed(api, user=user)
    return httpx.get(post["image"]).content if post["image"] else None


def test_a_photo_is_shown_as_soon_as_it_is_indexed_and_its_labels_come_later(
    api: httpx.Client, system: System, user: str
) -> None:
    assert publish(api, user)
    key = upload(api, user, listed(api, user=user)[0]["id"].split("#")[1])
    assert outcome_of(api, user) == ("awaiting", None)
    assert ingest(system, key).outcome is Outcome.INDEXED
    (post,) = listed(api, user=user)
    assert (post["labels"], post["label"], post["status"]) == ([], [], "valid")
    assert shown_in(api, user) == PHOTO
    assert label(system, key)
    (post,) = listed(api, user=user)
    assert post["labels"] == label(system, key)
    assert ingest(system, key).outcome is Outcome.INDEXED, "its message came twice"
    assert listed(api, user=user)[0]["labels"] == label(system, key)


@pytest.mark.parametrize("is_first_there", [False, True])
def test_a_post_whose_photo_is_refused_says_why_until_a_valid_one_takes_its_place(
    api: httpx.Client,
    system: System,
    user: str,
    is_first_there: bool,  # noqa: FBT001
) -> None:
    post_id = publish(api, user)
    key = upload(api, user, post_id)
    s3 = system.clients.s3
    if is_first_there:
        ingest(system, key)
    s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO[:5000])
    report = ingest(system, key)
    assert report.outcome is Outcome.REJECTED
    assert outcome_of(api, user) == ("refused", report.why)
    assert "truncated" in report.why
    assert shown_in(api, user) is None, "nothing stands at the key"
    s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO)
    assert ingest(system, key).outcome is Outcome.INDEXED
    assert outcome_of(api, user) == ("valid", None)
    assert shown_in(api, user) == PHOTO


def test_a_refused_photo_takes_no_other_one_away(
    api: httpx.Client, system: System, user: str
) -> None:
    post_id = publish(api, user)
    ingest(system, upload(api, user, post_id))
    report = ingest(system, upload(api, user, post_id, HTML))
    assert outcome_of(api, user) == ("refused", report.why)
    assert shown_in(api, user) == PHOTO
    ingest(system, upload(api, user, post_id))
    assert outcome_of(api, user) == ("valid", None)


def test_outcomes_may_come_in_any_order(
    api: httpx.Client, system: System, posts: Posts, user: str
) -> None:
    key = upload(api, user, publish(api, user))
    bad = refused(photo(system, key))
    system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO)
    good = photo(system, key)
    posts.show(good)
    posts.refuse(bad)
    assert outcome_of(api, user) == ("valid", None)
    assert shown_in(api, user) == PHOTO
    worse = refused(photo(system, key))
    posts.refuse(worse)
    posts.show(good, ["Cup"])
    assert outcome_of(api, user) == ("refused", worse.why)
    assert shown_in(api, user) is None
    posts.show(photo(system, key))
    assert outcome_of(api, user) == ("valid", None)
    assert listed(api, user=user)[0]["labels"] == ["Cup"], "the same version, under other rules"


def test_a_photo_of_a_deleted_post_is_not_shown_but_deleted(
    api: httpx.Client, system: System, user: str
) -> None:
    post_id = publish(api, user)
    first, second = upload(api, user, post_id), upload(api, user, post_id, HTML)
    assert delete(api, user, post_id).status_code == 200
    orders(system)
    ingest(system, first)
    ingest(system, second)
    assert listed(api, user=user) == []
    assert orders(system) == [(first, version(system, first))], "the other one is rejected"


def test_a_batch_of_photos_is_one_update_each_and_other_buckets_none(
    api: httpx.Client, system: System, user: str
) -> None:
    post_id = publish(api, user)
    photos = [photo(system, upload(api, user, post_id)) for _ in range(3)]
    photos.append(refused(photos[0]))
    counted = System(system.config)
    calls: list[str] = []
    events = counted.clients.dynamodb.meta.events
    events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    tell = photos_into(counted.posts())
    tell([each.model_copy(update={"bucket": "ingest"}) for each in photos])
    assert calls == []
    tell(photos)
    assert calls.count("UpdateItem") == 4
    # Of photos of one post those that are not the last find that the post is there, though.
    assert set(calls) <= {"UpdateItem", "GetItem"}


# Pages of other origins


@pytest.mark.parametrize(
    ("path", "method"),
    [("/posts", "POST"), ("/posts", "GET"), ("/posts/x", "DELETE"), ("/signedUrlPut", "GET")],
)
def test_pages_of_other_origins_may_ask(api: httpx.Client, path: str, method: str) -> None:
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = api.options(path, headers=asked)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert method in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed


def test_pages_of_other_origins_may_read_the_answers_and_where_the_next_page_starts(
    api: httpx.Client, user: str
) -> None:
    answers = [
        api.get("/posts?limit=1", headers=ORIGIN),
        api.get("/posts", headers=ORIGIN),
        api.post("/posts", json={}, headers=ORIGIN | as_user(user)),
        api.post("/posts", json={}, headers=ORIGIN),
        api.delete("/posts/x", headers=ORIGIN | as_user(user)),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 401, 404]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-Next-Cursor" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("path", "method"),
    [("/asset", "POST"), ("/asset/x", "DELETE"), ("/videos", "DELETE"), ("/postsx", "POST")],
)
def test_the_rest_stays_closed_to_them(api: httpx.Client, path: str, method: str) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Method": method}
    response = api.options(path, headers=asked)
    assert response.status_code in {400, 404, 405}
    assert method not in response.headers.get("Access-Control-Allow-Methods", "")


def test_an_unversioned_bucket_is_emptied_too(api: httpx.Client, system: System, user: str) -> None:
    bucket = f"unversioned-{uuid4().hex[:12]}"
    s3 = system.clients.s3
    s3.create_bucket(Bucket=bucket)
    posts = System(system.config.model_copy(update={"photo_bucket": bucket})).posts()
    post_id = publish(api, user)
    key = f"{user}/{post_id}/{uuid4()}cup.jpg"
    s3.put_object(Bucket=bucket, Key=key, Body=PHOTO)
    assert posts.show(indexed(system.clients, bucket, key), ["Cup"])
    assert listed(api, user=user)[0]["labels"] == ["Cup"]
    orders(system)
    assert posts.delete(user, post_id)
    (message,) = system.queues.delete.queue.receive(60)
    system.queues.delete.queue.delete([message.handle])
    (ref,) = parse_delete_order(message.body, message.sent_at, None).objects
    assert message.attributes == {}
    assert values(resources(system.config).deleter.deleter().delete([ref]))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0

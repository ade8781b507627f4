"""The contract's routes for videos, over real HTTP, with real uploads into the embedded AWS."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest

from ingest_pipeline.records.model import (
    Asset,
    Rendition,
    VideoResponse,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    RENDITIONS,
    RESPONSES,
)
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE, serving
from ingest_pipeline_tests.embedded import EmbeddedAws

MAIL = "someone@example.org"
MAIL_HASH = "3838b614b5a029b59376"  # blake2b of MAIL, 10 bytes
WEBM = bytes.fromhex("1a45dfa3") + b"webm" * 100
NOW = datetime.now(UTC)
LIMIT = 2 * 2**30
# What rows of other systems hold beside the keys of the shared table
FOREIGN: list[dict[str, Any]] = [
    {},
    {"video": {"NULL": True}},
    {"video": {"N": "5"}},
    {"video": {"S": ""}},
    {"video": {"S": "k" * 2000}},
    {"video": {"L": [{"S": "a"}]}},
    {"Name": {"S": "A"}, "Score": {"N": "1.5"}, "renditions": {"M": {}}},
]


@pytest.fixture
def project() -> str:
    return f"project {uuid4().hex}"


@pytest.fixture
def mail() -> str:
    return f"{uuid4().hex}@example.org"


@pytest.fixture
def bucket(system: System) -> str:
    return system.config.upload_bucket


def invite(api: httpx.Client, project: str, step: str = "1", mail: str = MAIL) -> dict[str, Any]:
    response = api.get(f"/presignedurl/{quote(project, safe='')}/{step}", params={"mail": mail})
    assert response.status_code == 200, response.text
    form: dict[str, Any] = response.json()
    assert form.keys() == {"url", "fields"}
    return form


def submit(
    form: dict[str, Any], content: bytes = WEBM, changes: dict[str, str] | None = None
) -> httpx.Response:
    """What a browser does: the fields in their order, and after them the file."""
    return httpx.post(
        form["url"],
        data={**form["fields"], **(changes or {})},
        files={"file": ("my clip.webm", content, "application/octet-stream")},
        trust_env=False,
    )


def error_code(response: httpx.Response) -> str | None:
    return ET.fromstring(response.text).findtext("Code")  # noqa: S314 - the embedded AWS's own


def policy(form: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(form["fields"]["policy"]))
    return document


def listed(api: httpx.Client, **query: str | int) -> list[dict[str, Any]]:
    response = api.get("/videos", params=query, auth=ALICE)
    assert response.status_code == 200, response.text
    videos: list[dict[str, Any]] = response.json()
    return videos


def walk(api: httpx.Client, path: str) -> Iterator[list[dict[str, Any]]]:
    """Follow the links from page to page."""
    while True:
        response = api.get(path, auth=ALICE)
        yield response.json()
        if "next" not in response.links:
            assert "X-Next-Cursor" not in response.headers
            return
        path = response.links["next"]["url"]


# Invitations


def test_a_form_uploads_a_private_video_and_its_arrival_is_told(
    embedded_aws: EmbeddedAws, api: httpx.Client, system: System, project: str, bucket: str
) -> None:
    form = invite(api, project)
    key = form["fields"]["key"]
    assert key == f"{project}/1/{MAIL_HASH}.webm"
    assert submit(form).status_code == 204
    s3 = embedded_aws.clients.s3
    standing = s3.get_object(Bucket=bucket, Key=key)
    assert standing["Body"].read() == WEBM
    assert standing["ContentType"] == "video/webm"
    assert standing["VersionId"] != "null"
    acl = s3.get_object_acl(Bucket=bucket, Key=key)
    assert [grant["Grantee"]["Type"] for grant in acl["Grants"]] == ["CanonicalUser"]
    told = []
    while messages := system.queues.ingest.queue.receive(60):
        told += [m.body for m in messages if project.replace(" ", "+") in m.body]
        system.queues.ingest.queue.delete([message.handle for message in messages])
    assert len(told) == 1
    assert json.loads(told[0])["Records"][0]["s3"]["bucket"]["name"] == bucket


def test_the_form_is_for_the_address_that_a_browser_reaches(
    api: httpx.Client, system: System, project: str
) -> None:
    assert invite(api, project)["url"] == f"{system.config.aws_endpoint}/ingest-videos"
    assert system.config.aws_endpoint == f"http://localhost:{system.config.aws_port}"


def test_a_form_is_good_for_an_hour_and_for_what_it_says(api: httpx.Client, project: str) -> None:
    form = invite(api, project)
    document = policy(form)
    expires = datetime.fromisoformat(document["expiration"])
    assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)
    assert ["content-length-range", 1, LIMIT] in document["conditions"]
    assert ["starts-with", "$Content-Type", "video/"] in document["conditions"]
    assert {"bucket": "ingest-videos"} in document["conditions"]
    assert {"key": form["fields"]["key"]} in document["conditions"]
    assert not [name for name in form["fields"] if "acl" in name.lower()]


def test_another_video_type_may_be_named(
    embedded_aws: EmbeddedAws, api: httpx.Client, project: str, bucket: str
) -> None:
    form = invite(api, project)
    assert submit(form, changes={"Content-Type": "video/mp4"}).status_code == 204
    head = embedded_aws.clients.s3.head_object(Bucket=bucket, Key=form["fields"]["key"])
    assert head["ContentType"] == "video/mp4"


# The embedded AWS judges a policy as S3 does, but not its signature.


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "elsewhere.webm"},
        {"Content-Type": "text/html"},
        {"Content-Type": ""},
        {"Content-Type": "application/octet-stream"},
        {"acl": "public-read"},
        {"x-amz-meta-more": "than was signed"},
    ],
    ids=repr,
)
def test_a_form_does_nothing_else(
    embedded_aws: EmbeddedAws,
    api: httpx.Client,
    project: str,
    bucket: str,
    changes: dict[str, str],
) -> None:
    refused = submit(invite(api, project), changes=changes)
    assert (refused.status_code, error_code(refused)) == (403, "AccessDenied")
    s3 = embedded_aws.clients.s3
    assert s3.list_objects_v2(Bucket=bucket, Prefix=project)["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, Prefix="elsewhere")["KeyCount"] == 0


def test_a_form_without_its_content_type_is_refused(api: httpx.Client, project: str) -> None:
    form = invite(api, project)
    del form["fields"]["Content-Type"]
    assert submit(form).status_code == 403


def test_a_form_of_another_bucket_is_refused(api: httpx.Client, project: str) -> None:
    form = invite(api, project)
    form["url"] = form["url"].replace("ingest-videos", "ingest")
    assert submit(form).status_code == 403


def test_no_byte_and_too_many_are_refused(
    embedded_aws: EmbeddedAws, system: System, project: str, bucket: str
) -> None:
    config = system.config.model_copy(update={"max_upload_bytes": 1000})
    with serving(System(config)) as api:
        form = invite(api, project)
    assert error_code(submit(form, b"")) == "EntityTooSmall"
    assert error_code(submit(form, bytes(1001))) == "EntityTooLarge"
    s3 = embedded_aws.clients.s3
    assert s3.list_objects_v2(Bucket=bucket, Prefix=project)["KeyCount"] == 0
    assert submit(form, bytes(1000)).status_code == 204


def test_the_row_is_there_before_the_form(
    api: httpx.Client, system: System, project: str, mail: str
) -> None:
    form = invite(api, project, "3", mail)
    row = system.clients.dynamodb.get_item(
        TableName="responses",
        Key={"ProjectStep": {"S": f"{project}-3"}, "Mail": {"S": mail}},
    )["Item"]
    assert row == {
        "ProjectStep": {"S": f"{project}-3"},
        "Mail": {"S": mail},
        "video": {"S": form["fields"]["key"]},
    }


def test_a_second_invitation_is_for_the_same_key(
    api: httpx.Client, members_api: httpx.Client, project: str, mail: str
) -> None:
    forms = [invite(api, project, "1", mail) for _ in range(2)]
    assert forms[0]["fields"]["key"] == forms[1]["fields"]["key"]
    assert len(listed(members_api, mail=mail)) == 1


@pytest.mark.parametrize(
    ("step", "number"),
    [
        *[("7", 7), ("007", 7), ("0", 0), ("-1", -1), ("-01", -1), ("+5", 5), ("%2B5", 5)],
        *[("x", 0), ("1.5", 0), ("1e3", 0), ("-", 0), ("--1", 0), ("1_0", 0), ("%C2%B2", 0)],
    ],
)
def test_a_step_that_is_no_number_counts_as_0(
    api: httpx.Client, project: str, step: str, number: int
) -> None:
    form = invite(api, project, step)
    assert form["fields"]["key"] == f"{project}/{number}/{MAIL_HASH}.webm"


def test_older_clients_write_a_slash_before_the_query(
    api: httpx.Client, system: System, mail: str
) -> None:
    query = f"mail={quote(mail)}&project=Test&step=0"
    answers = [
        api.get(f"/presignedurl/testProject/0{slash}?{query}", follow_redirects=False)
        for slash in ("/", "")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    keys = [answer.json()["fields"]["key"] for answer in answers]
    digest = blake2b(mail.encode(), digest_size=10).hexdigest()
    assert keys == [f"testProject/0/{digest}.webm"] * 2
    row = {"ProjectStep": "testProject-0", "Mail": mail}
    assert system.tables.get(RESPONSES, row) == VideoResponse(**row, video=keys[0])
    assert submit(answers[0].json()).status_code == 204


@pytest.mark.parametrize("name", ["Grüße 日本", "a+b&c=d?e#f", "100%", "a-1", "back\\slash", "'\""])
def test_any_printable_project_takes_an_upload(
    embedded_aws: EmbeddedAws, api: httpx.Client, project: str, bucket: str, name: str
) -> None:
    form = invite(api, f"{project} {name}")
    assert submit(form).status_code == 204
    key = f"{project} {name}/1/{MAIL_HASH}.webm"
    body = embedded_aws.clients.s3.get_object(Bucket=bucket, Key=key)["Body"]
    assert body.read() == WEBM


@pytest.mark.parametrize(
    "path",
    [
        "/presignedurl/p/1",
        "/presignedurl/p/1?mail=",
        "/presignedurl/p/1?mail=%20",
        "/presignedurl//1?mail=a",
        "/presignedurl/%20/1?mail=a",
        "/presignedurl/a%2Fb/1?mail=a",
        "/presignedurl/p/1/?mail=",
        "/presignedurl/p/1/",
        "/presignedurl/%20/1/?mail=a",
        "/presignedurl//1/?mail=a",
        "/presignedurl/p/1//?mail=a",
        "/presignedurl/p/1/%0A?mail=a",
        "/presignedurl/p/../1/?mail=a",
        "/presignedurl/?mail=a",
        "/presignedurl/p?mail=a",
        "/presignedurl/p/?mail=a",
    ],
)
def test_no_project_and_no_mail_are_not_found(api: httpx.Client, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert response.json().keys() == {"message"}


@pytest.mark.parametrize(
    "path",
    [
        "/presignedurl/%2E%2E/1?mail=a",
        "/presignedurl/%2E/1?mail=a",
        "/presignedurl/a%2E%2Eb/1?mail=a",
        "/presignedurl/$%7Bfilename%7D/1?mail=a",
        "/presignedurl/a%00b/1?mail=a",
        "/presignedurl/a%0Ab/1?mail=a",
        "/presignedurl/a%E2%80%AEb/1?mail=a",
        "/presignedurl/p/1%0A?mail=a",
        "/presignedurl/p/1%0A/?mail=a",
        "/presignedurl/%2E%2E/1/?mail=a",
        "/presignedurl/a%01b/1/?mail=a",
        "/presignedurl/p/1/?mail=a%00",
        "/presignedurl/p/1?mail=a%0D%0Ab",
        f"/presignedurl/{'p' * 321}/1?mail=a",
        f"/presignedurl/{'%C3%A4' * 161}/1?mail=a",
        f"/presignedurl/p/{'1' * 321}?mail=a",
        f"/presignedurl/p/1?mail={'a' * 321}",
        f"/videos?mail={'a' * 321}",
        "/videos?mail=%00",
        "/videos/?mail=a%0Ab",
        f"/videos/?mail={'a' * 1024}",
        "/videos?limit=0",
        "/videos?limit=1001",
    ],
)
def test_names_that_no_key_should_have_are_refused(members_api: httpx.Client, path: str) -> None:
    response = members_api.get(path, auth=ALICE)
    assert response.status_code == 422
    assert response.json().keys() == {"detail"}


def test_the_longest_names_fit(
    embedded_aws: EmbeddedAws, members_api: httpx.Client, bucket: str
) -> None:
    project, step = uuid4().hex.ljust(320, "p"), "9" * 320
    mail = uuid4().hex.ljust(320, "m")
    form = invite(members_api, project, step, mail)
    assert submit(form).status_code == 204
    assert embedded_aws.clients.s3.head_object(Bucket=bucket, Key=form["fields"]["key"])
    assert [row["ProjectStep"] for row in listed(members_api, mail=mail)] == [f"{project}-{step}"]


# The list


def test_videos_are_those_of_a_mail(members_api: httpx.Client, project: str, mail: str) -> None:
    for step, person in [("2", mail), ("1", mail), ("1", f"other-{mail}")]:
        invite(members_api, project, step, person)
    found = listed(members_api, mail=mail)
    assert [row["ProjectStep"] for row in found] == [f"{project}-1", f"{project}-2"]
    assert all(row["Mail"] == mail for row in found)
    assert all(row.keys() == {"ProjectStep", "Mail", "video", "renditions"} for row in found)
    assert all(row["renditions"] == [] for row in found), "nothing was uploaded yet"
    assert listed(members_api, mail=f"nobody-{mail}") == []


def test_the_list_is_the_same_with_a_slash_before_the_query(
    members_api: httpx.Client, project: str, mail: str
) -> None:
    form = invite(members_api, project, "1", mail)
    path = f"/videos/?mail={quote(mail)}"
    answer = members_api.get(path, auth=ALICE, follow_redirects=False)
    assert answer.status_code == 200
    assert [row["video"] for row in answer.json()] == [form["fields"]["key"]]
    assert answer.json() == listed(members_api, mail=mail)
    assert members_api.get(path, follow_redirects=False).status_code == 401
    for unknown in ("/videos/x", "/videos//", "/videos/%0A", "/videos%0A"):
        assert members_api.get(unknown, auth=ALICE).status_code == 404


def test_rows_of_other_systems_hide_nobodys_videos(
    members_api: httpx.Client, system: System, project: str, mail: str
) -> None:
    form = invite(members_api, project, "9", mail)
    for step, attributes in enumerate(FOREIGN):
        key = {"ProjectStep": {"S": f"{project}-{step}"}, "Mail": {"S": mail}}
        system.clients.dynamodb.put_item(TableName="responses", Item=key | attributes)
    rows = listed(members_api, mail=mail)
    assert [row["ProjectStep"] for row in rows] == [
        *(f"{project}-{step}" for step in range(len(FOREIGN))),
        f"{project}-9",
    ]
    assert rows[0] == {
        "ProjectStep": f"{project}-0",
        "Mail": mail,
        "video": None,
        "renditions": [],
    }
    assert rows[-1]["video"] == form["fields"]["key"]
    for everybodys in (
        listed(members_api),
        [row for page in walk(members_api, "/videos?limit=100") for row in page],
    ):
        ours = [row for row in everybodys if row["Mail"] == mail]
        assert sorted(ours, key=lambda row: row["ProjectStep"]) == rows


def test_a_persons_videos_come_in_pages(
    members_api: httpx.Client, system: System, project: str, mail: str
) -> None:
    steps = [f"{project}-{step}" for step in range(5)]
    rows = [VideoResponse(ProjectStep=step, Mail=mail, video="x") for step in steps]
    system.tables.put(RESPONSES, rows)
    pages = list(walk(members_api, f"/videos?mail={mail}&limit=2"))
    assert [[row["ProjectStep"] for row in page] for page in pages if page] == [
        steps[:2],
        steps[2:4],
        steps[4:],
    ]


def test_without_a_mail_everybodys_are_listed_at_once_or_in_pages(
    members_api: httpx.Client, system: System, project: str, mail: str
) -> None:
    rows = [
        VideoResponse(ProjectStep=f"{project}-{n % 7}", Mail=f"{n}-{mail}", video="x")
        for n in range(250)
    ]
    system.tables.put(RESPONSES, rows)
    wanted = {(row.ProjectStep, row.Mail) for row in rows}

    def ours(videos: list[dict[str, Any]]) -> list[tuple[str, str]]:
        found = ((row["ProjectStep"], row["Mail"]) for row in videos)
        return [each for each in found if each[0].startswith(project)]

    everything = ours(listed(members_api))
    assert (set(everything), len(everything)) == (wanted, 250)
    assert ours(listed(members_api, mail="")) == everything
    pages = list(walk(members_api, "/videos?limit=100"))
    assert all(len(page) <= 100 for page in pages)
    paged = ours([row for page in pages for row in page])
    assert (set(paged), len(paged)) == (wanted, 250)


@pytest.mark.parametrize("mail", [None, MAIL])
@pytest.mark.parametrize(
    "text",
    ["x", "!", "[]", '["a"]', '["", ""]', "[1, 2]", '{"Mail": {"S": "b"}}', "[" * 4000, "\udc80"],
    ids=range(9),
)
def test_a_cursor_that_the_list_did_not_give_is_refused(
    members_api: httpx.Client, mail: str | None, text: str
) -> None:
    cursor = base64.urlsafe_b64encode(text.encode(errors="surrogateescape")).decode()
    query = {"cursor": cursor} | ({"mail": mail} if mail else {})
    for tampered in (query, query | {"cursor": text.encode(errors="replace").decode()}):
        response = members_api.get("/videos", params=tampered, auth=ALICE)
        assert response.status_code == 400, response.text
        assert response.json().keys() == {"message"}


def asset(key: str, version: str, *, deleted: bool = False) -> Asset:
    return Asset(
        bucket="ingest-videos",
        file=key,
        version=version,
        day="2026-11-24",
        last_modified=NOW,
        judged_at=NOW + timedelta(seconds=deleted),
        deleted_at=NOW if deleted else None,
    )


def rendition(key: str, version: str, preset: str, content_type: str) -> Rendition:
    return Rendition(
        bucket="ingest-videos",
        key=key,
        version=version,
        preset=preset,
        day="2026-11-24",
        rendition_bucket="ingest-renditions",
        rendition_key=f"output/{preset}/{key}",
        content_type=content_type,
        poster_key=f"posters/{key}.jpg",
        thumbnail_keys=(f"thumbnails/{key}-1.jpg", f"thumbnails/{key}-2.jpg"),
        size=9,
        duration_seconds=1.25,
        width=1280,
        height=720,
        bit_rate=2_400_000,
        engine="ffmpeg",
        seconds_taken=0.5,
        checks=("duration",),
        made_at=NOW,
        run_id="run",
    )


def test_the_renditions_of_the_version_in_the_index_are_linked_to(
    embedded_aws: EmbeddedAws, members_api: httpx.Client, system: System, project: str, mail: str
) -> None:
    key = invite(members_api, project, "1", mail)["fields"]["key"]
    renditions = [
        rendition(key, "v1", "old", "video/mp4"),
        rendition(key, "v2", "web", "video/mp4"),
        rendition(key, "v2", "sound", "audio/mp4"),
    ]
    for each in renditions:
        embedded_aws.clients.s3.put_object(
            Bucket=each.rendition_bucket,
            Key=each.rendition_key,
            Body=each.preset.encode(),
            ContentType=each.content_type,
        )
    system.tables.put(RENDITIONS, renditions)
    assert listed(members_api, mail=mail)[0]["renditions"] == [], "not in the index yet"

    system.tables.put(ASSETS, [asset(key, "v2")])
    [video] = listed(members_api, mail=mail)
    answers = [httpx.get(link, trust_env=False) for link in video["renditions"]]
    assert [(each.text, each.headers["Content-Type"]) for each in answers] == [
        ("sound", "audio/mp4"),
        ("web", "video/mp4"),
    ]
    assert {each.headers["Content-Disposition"] for each in answers} == {"inline"}
    for link in video["renditions"]:
        assert urlsplit(link).netloc == f"localhost:{system.config.aws_port}"
        assert "X-Amz-Expires=3600" in link
        unsigned = link.replace("X-Amz-Signature=", "X-Amz-Signature=0")
        assert httpx.get(unsigned, trust_env=False).status_code == 403

    system.tables.put(ASSETS, [asset(key, "v2", deleted=True)])
    assert listed(members_api, mail=mail)[0]["renditions"] == []


def test_a_rendition_is_read_as_it_was_written(system: System, project: str) -> None:
    written = rendition(project, "v1", "web", "video/mp4")
    system.tables.put(RENDITIONS, [written])
    key = {"object": f"s3://ingest-videos/{project}", "version_preset": "v1#web"}
    assert system.tables.get(RENDITIONS, key) == written


# Pages of other origins

ORIGIN = {"Origin": "https://app.example.org"}


@pytest.mark.parametrize(
    "path",
    [
        *["/", "/hello", "/videos", "/presignedurl/p/1?mail=a"],
        *["/hello/", "/videos/?mail=a", "/presignedurl/p/1/?mail=a&project=p&step=1"],
    ],
)
def test_pages_of_any_origin_may_call_them(members_api: httpx.Client, path: str) -> None:
    preflight = members_api.options(
        path,
        headers={
            **ORIGIN,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "GET" in preflight.headers["Access-Control-Allow-Methods"]
    for auth in (None, ALICE):
        answer = members_api.get(path, headers=ORIGIN, auth=auth)
        assert answer.headers["Access-Control-Allow-Origin"] == "*", "errors are read, too"
        assert "X-Next-Cursor" in answer.headers["Access-Control-Expose-Headers"]


def test_an_error_is_read_by_them_too(api: httpx.Client) -> None:
    response = api.get("/presignedurl/p/1?mail=", headers=ORIGIN)
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/assets", "/asset/x", "/rejections", "/health", "/docs"])
def test_the_other_routes_are_closed_to_them(api: httpx.Client, path: str) -> None:
    preflight = api.options(path, headers={**ORIGIN, "Access-Control-Request-Method": "DELETE"})
    assert preflight.status_code == 405
    for response in (preflight, api.get(path, headers=ORIGIN)):
        assert "Access-Control-Allow-Origin" not in response.headers


def test_answers_with_links_are_kept_by_nobody(members_api: httpx.Client, project: str) -> None:
    for path in (f"/presignedurl/{project}/1?mail=a", "/videos?limit=1", f"/videos?mail={MAIL}"):
        response = members_api.get(path, auth=ALICE)
        assert response.headers["Cache-Control"] == "no-store"

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.catalogue.responses import Responses
from ingest_pipeline.records.model import Asset, VideoResponse
from ingest_pipeline.records.tables import ASSETS, RENDITIONS
from ingest_pipeline_tests.catalogue.past import Past, rendition_of
from ingest_pipeline_tests.world import World


@pytest.fixture
def responses(world: World) -> Responses:
    return Responses(world.clients.s3, world.tables, world.bucket, max_upload_bytes=5)


@pytest.fixture
def project() -> str:
    return f"project {uuid4().hex}"


def walked(responses: Responses, mail: str | None, limit: int) -> Iterator[list[VideoResponse]]:
    cursor: str | None = None
    while True:
        page = responses.page(mail, limit, cursor)
        yield page.rows
        if (cursor := page.cursor) is None:
            return


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("7", 7),
        ("007", 7),
        ("-1", -1),
        ("+5", 5),
        ("x", 0),
        ("+", 0),
        ("+-1", 0),
        ("1-", 0),
        ("", 0),
    ],
)
def test_an_invitation_is_on_record_under_the_key_of_its_form(
    responses: Responses, project: str, step: str, number: int
) -> None:
    mail = f"{project}@example.org"
    form = responses.invite(project, step, mail)
    (response,) = responses.all(mail)
    assert response.ProjectStep == f"{project}-{number}"
    assert response.video == form.fields["key"]
    assert form.fields["key"].startswith(f"{project}/{number}/")


def test_the_form_takes_a_video_of_the_allowed_size(
    world: World, responses: Responses, project: str
) -> None:
    form = responses.invite(project, "1", "a@example.org")
    for content, is_taken in ((b"123456", False), (b"12345", True)):
        files = {"file": ("clip.webm", content)}
        answer = httpx.post(form.url, data=form.fields, files=files, trust_env=False)
        assert answer.is_success is is_taken
    assert world.content(form.fields["key"]) == b"12345"


def test_a_persons_and_everybodys_come_in_pages(responses: Responses, project: str) -> None:
    mail = f"{project}@example.org"
    for step in range(5):
        responses.invite(project, str(step), mail)
    wanted = [f"{project}-{step}" for step in range(5)]
    mine = [row.ProjectStep for page in walked(responses, mail, 2) for row in page]
    assert mine == wanted
    all_rows = [row.ProjectStep for page in walked(responses, None, 2) for row in page]
    assert sorted(row for row in all_rows if row.startswith(project)) == wanted


@pytest.mark.parametrize(
    ("attributes", "video"),
    [
        ({}, None),
        ({"video": {"NULL": True}}, None),
        ({"video": {"S": ""}}, ""),
        ({"video": {"N": "5"}}, "5"),
        ({"video": {"N": "1.5"}}, "1.5"),
        ({"video": {"BOOL": True}}, None),
        ({"video": {"B": b"a"}}, None),
        ({"video": {"L": [{"S": "a"}]}}, None),
        ({"video": {"M": {"S3": {"S": "a"}}}}, None),
        ({"video": {"SS": ["a"]}}, None),
        ({"video": {"S": "k" * 1025}}, "k" * 1025),
        ({"video": {"S": "a\nb/../c\x00"}}, "a\nb/../c\x00"),
        ({"video": {"S": "a"}, "Name": {"S": "A"}, "renditions": {"N": "1"}}, "a"),
    ],
    ids=str,
)
def test_what_other_systems_wrote_is_a_row_all_the_same(
    world: World,
    responses: Responses,
    project: str,
    attributes: dict[str, Any],
    video: str | None,
) -> None:
    mail = f"{project}@example.org"
    key = {"ProjectStep": {"S": f"{project}-0"}, "Mail": {"S": mail}}
    world.clients.dynamodb.put_item(TableName="responses", Item=key | attributes)
    form = responses.invite(project, "1", mail)
    rows = list(responses.with_links(responses.all(mail)))
    assert [(row.ProjectStep, row.video, links) for row, links in rows] == [
        (f"{project}-0", video, []),
        (f"{project}-1", form.fields["key"], []),
    ]


def test_a_cursor_is_good_for_its_own_list_only(responses: Responses, project: str) -> None:
    mail = f"{project}@example.org"
    for step in range(3):
        responses.invite(project, str(step), mail)
    of_mail, of_all = responses.page(mail, 1, None).cursor, responses.page(None, 1, None).cursor
    assert of_mail
    assert of_all
    with pytest.raises(InvalidCursorError):
        responses.page("somebody@example.org", 1, of_mail)
    assert responses.page(mail, 1, of_mail).rows
    assert responses.page(None, 1, of_all).rows


def test_what_was_made_of_the_version_in_the_index_is_linked_to(
    world: World, past: Past, responses: Responses, project: str
) -> None:
    mail = f"{project}@example.org"
    key = responses.invite(project, "1", mail).fields["key"]
    old, new = (past.report(key, version=version) for version in ("v1", "v2"))
    renditions = [
        rendition_of(each).model_copy(
            update={"rendition_bucket": world.bucket, "rendition_key": f"{each.version}.mp4"}
        )
        for each in (old, new)
    ]
    world.tables.put(RENDITIONS, renditions)
    world.put("v2.mp4", b"made of v2")
    assert [links for _, links in responses.with_links(responses.all(mail))] == [[]]
    asset = Asset(
        bucket=world.bucket,
        file=key,
        version="v2",
        day=new.day,
        last_modified=new.judged_at,
        judged_at=new.judged_at,
    )
    world.tables.put(ASSETS, [asset])
    ((response, (link,)),) = responses.with_links(responses.all(mail))
    assert response.video == key
    answer = httpx.get(link, trust_env=False)
    assert answer.content == b"made of v2"
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Disposition"] == "inline"

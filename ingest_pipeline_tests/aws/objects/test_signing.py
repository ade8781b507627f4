from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ingest_pipeline.aws.objects.signing import (
    VALID_SECONDS,
    SignedForm,
    signed_form,
    signed_get,
    signed_put,
    unsigned_url,
)
from ingest_pipeline_tests.aws.objects.helpers import ODD_KEYS
from ingest_pipeline_tests.world import World


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_link_leads_to_the_object(world: World, key: str) -> None:
    world.put(key, key.encode())
    link = signed_get(world.clients.s3, world.bucket, key)
    assert httpx.get(link, trust_env=False).content == key.encode()
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(VALID_SECONDS)]


def test_a_link_gives_the_headers_that_it_names(world: World) -> None:
    world.put("a.html", b"<script>")
    link = signed_get(
        world.clients.s3,
        world.bucket,
        "a.html",
        content_type="text/plain",
        disposition='attachment; filename="a.txt"',
        cache_control="private",
    )
    headers = httpx.get(link, trust_env=False).headers
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert headers["Cache-Control"] == "private"


@pytest.mark.parametrize("part", ["X-Amz-Signature=", "X-Amz-Expires="])
def test_a_link_that_was_changed_is_refused(world: World, part: str) -> None:
    world.put("a.wav", b"secret")
    link = signed_get(world.clients.s3, world.bucket, "a.wav").replace(part, f"{part}1")
    assert httpx.get(link, trust_env=False).status_code == 403


def test_a_file_is_put_by_a_link(world: World) -> None:
    link = signed_put(world.clients.s3, world.bucket, "a.png", content_type="image/png")
    wrong = httpx.put(link, content=b"x", headers={"Content-Type": "text/html"}, trust_env=False)
    assert wrong.status_code == 403
    right = httpx.put(link, content=b"x", headers={"Content-Type": "image/png"}, trust_env=False)
    assert right.status_code == 200
    assert world.content("a.png") == b"x"


def test_a_link_for_so_many_bytes_takes_no_others(world: World) -> None:
    link = signed_put(world.clients.s3, world.bucket, "a.bin", size=3)
    assert httpx.put(link, content=b"four", trust_env=False).status_code == 403
    assert httpx.put(link, content=b"123", trust_env=False).status_code == 200
    assert world.content("a.bin") == b"123"


def form(world: World) -> SignedForm:
    return signed_form(
        world.clients.s3,
        world.bucket,
        "a.webm",
        content_type="video/webm",
        family="video/",
        most_bytes=5,
    )


def posted(form: SignedForm, content: bytes, **changes: str) -> int:
    files = {"file": ("clip", content, "application/octet-stream")}
    fields = form.fields | {name.replace("_", "-"): value for name, value in changes.items()}
    return httpx.post(form.url, data=fields, files=files, trust_env=False).status_code


def test_a_form_takes_a_file_of_its_family_and_size(world: World) -> None:
    assert posted(form(world), b"12345") < 300
    assert posted(form(world), b"1", Content_Type="video/mp4") < 300
    assert world.content("a.webm") == b"1"


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (b"", {}),
        (b"123456", {}),
        (b"1", {"Content_Type": "text/html"}),
        (b"1", {"key": "other.webm"}),
    ],
)
def test_a_form_takes_nothing_else(world: World, content: bytes, changes: dict[str, str]) -> None:
    assert posted(form(world), content, **changes) >= 400
    assert world.content("a.webm") is None


def test_an_address_without_signature_is_quoted(world: World) -> None:
    url = unsigned_url(world.clients.s3, "bucket", "dir/über & #1.wav")
    assert url == f"{world.clients.s3.meta.endpoint_url}/bucket/dir/%C3%BCber%20%26%20%231.wav"

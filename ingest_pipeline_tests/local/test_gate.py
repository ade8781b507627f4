"""Keys that the embedded AWS refuses, since no listing of it could name them."""

import uuid
from collections.abc import Callable

import httpx
import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.local.gate import is_sayable
from ingest_pipeline_tests.embedded import EmbeddedAws

BUCKET = "ingest"
UNSAYABLE = ["ctrl\x01.wav", "nul\x00.wav", "esc\x1b/below.wav", "\ufffe.wav", "end \uffff"]
SAYABLE = ["tab\t.wav", "new\nline.wav", "return\r.wav", "del\x7f.wav", "c1\x85.wav", "🎙️.wav"]


def put(clients: Clients, key: str) -> None:
    clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")


def begin_parts(clients: Clients, key: str) -> None:
    clients.s3.create_multipart_upload(Bucket=BUCKET, Key=key)


def copy(clients: Clients, key: str) -> None:
    clients.s3.put_object(Bucket=BUCKET, Key="source.wav", Body=b"x")
    clients.s3.copy_object(
        Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": "source.wav"}
    )


def keys(clients: Clients, prefix: str) -> set[str]:
    """Of all versions and delete markers."""
    listed = clients.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
    return {each["Key"] for kind in ("Versions", "DeleteMarkers") for each in listed.get(kind, [])}  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", [*UNSAYABLE, "lone \ud800 surrogate"])
def test_what_xml_cannot_say(key: str) -> None:
    assert not is_sayable(key)


@pytest.mark.parametrize("key", SAYABLE)
def test_what_xml_can_say(key: str) -> None:
    assert is_sayable(key)


@pytest.mark.parametrize("write", [put, begin_parts, copy])
@pytest.mark.parametrize("name", UNSAYABLE)
def test_a_key_that_no_listing_can_name_is_refused(
    embedded_aws: EmbeddedAws, write: Callable[[Clients, str], None], name: str
) -> None:
    clients, prefix = embedded_aws.clients, uuid.uuid4().hex
    put(clients, f"{prefix}/neighbour.wav")
    with pytest.raises(ClientError) as refused:
        write(clients, f"{prefix}/{name}")
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "InvalidArgument"
    assert "XML 1.0" in error["Error"]["Message"]
    assert keys(clients, prefix) == {f"{prefix}/neighbour.wav"}


@pytest.mark.parametrize("name", SAYABLE)
def test_any_other_key_is_taken(embedded_aws: EmbeddedAws, name: str) -> None:
    key = f"{uuid.uuid4().hex}/{name}"
    put(embedded_aws.clients, key)
    assert embedded_aws.clients.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 1


def test_bytes_that_are_no_utf_8_are_refused(embedded_aws: EmbeddedAws) -> None:
    url = f"{embedded_aws.settings.aws_endpoint}/{BUCKET}/lone%ED%A0%80surrogate.wav"
    content = bytes(20 << 20)  # sent to the end before the answer is read
    response = httpx.put(url, content=content, trust_env=False)
    assert response.status_code == 400
    assert "<Code>InvalidArgument</Code>" in response.text


def test_the_key_field_of_a_form_is_looked_at(embedded_aws: EmbeddedAws) -> None:
    clients, prefix = embedded_aws.clients, uuid.uuid4().hex
    before, url = f"{prefix}/a.wav", f"{embedded_aws.settings.aws_endpoint}/{BUCKET}"
    for key, status in [(before, 204), (f"{prefix}/ctrl\x01.wav", 400)]:
        answer = httpx.post(url, data={"key": key}, files={"file": b"x"}, trust_env=False)
        assert answer.status_code == status
    assert keys(clients, prefix) == {before}


def test_deleting_what_cannot_be_there_leaves_no_marker(embedded_aws: EmbeddedAws) -> None:
    clients, prefix = embedded_aws.clients, uuid.uuid4().hex
    put(clients, f"{prefix}/neighbour.wav")
    clients.s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/ctrl\x01.wav")
    assert keys(clients, prefix) == {f"{prefix}/neighbour.wav"}


EVIL = {"Origin": "https://evil.example"}
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/_ministack/reset", {}),
        ("POST", "/_ministack/config", {}),
        ("GET", "/_ministack/sqs/messages", {}),
        ("GET", "/_localstack/state", {}),
        ("GET", f"/{BUCKET}", EVIL),
        ("GET", f"/{BUCKET}", IMAGE),
        ("GET", f"/{BUCKET}", {"Host": "evil.example:4566"}),
        ("GET", "/?Action=PurgeQueue&QueueUrl=x", IMAGE),
        ("POST", "/", EVIL | {"Content-Type": FORM}),
        ("POST", "/", EVIL | {"Content-Type": "multipart/form-data; boundary=x"}),
        ("POST", f"/{BUCKET}?delete", EVIL | {"Content-Type": "multipart/form-data; boundary=x"}),
        ("DELETE", f"/{BUCKET}/a.wav?X-Amz-Signature=x", EVIL),
        ("PUT", f"/{BUCKET}?X-Amz-Signature=x&policy", EVIL),
        ("PUT", f"/{BUCKET}/a.wav?acl&X-Amz-Signature=x", EVIL),
        ("GET", f"/{BUCKET}?X-Amz-Signature=x", EVIL),
        ("OPTIONS", f"/{BUCKET}/a.wav", EVIL),
        ("POST", "/_ministack/reset", EVIL | {"Origin": "null"}),
    ],
)
def test_foreign_pages_and_the_doors_behind_are_refused(
    embedded_aws: EmbeddedAws, method: str, path: str, headers: dict[str, str]
) -> None:
    key = f"{uuid.uuid4().hex}.wav"
    put(embedded_aws.clients, key)
    url = f"{embedded_aws.settings.aws_endpoint}{path}"
    answer = httpx.request(method, url, headers=headers, trust_env=False)
    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code>" in answer.text
    assert keys(embedded_aws.clients, key) == {key}


def test_a_foreign_page_may_use_links_and_forms_that_it_was_given(
    embedded_aws: EmbeddedAws,
) -> None:
    s3, key = embedded_aws.clients.s3, f"{uuid.uuid4().hex}.wav"
    target = {"Bucket": BUCKET, "Key": key}
    link = s3.generate_presigned_url("put_object", Params=target)
    asked = {"Access-Control-Request-Method": "PUT"}
    assert httpx.options(link, headers=EVIL | asked, trust_env=False).status_code == 200
    assert httpx.put(link, content=b"by link", headers=EVIL, trust_env=False).status_code == 200
    link = s3.generate_presigned_url("get_object", Params=target)
    assert httpx.get(link, headers=EVIL | IMAGE, trust_env=False).content == b"by link"
    form = s3.generate_presigned_post(BUCKET, key)
    sent = httpx.post(
        form["url"], data=form["fields"], files={"file": b"by form"}, headers=EVIL, trust_env=False
    )
    assert sent.status_code == 204
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"by form"

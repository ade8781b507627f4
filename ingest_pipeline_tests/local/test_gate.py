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

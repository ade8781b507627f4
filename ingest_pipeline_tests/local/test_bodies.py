"""Large objects go through the embedded AWS without filling its memory."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError

from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.local.test_embedded_aws import BUCKET, arrivals, body, eventually

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MEBIBYTE = 1 << 20
CONTENT = os.urandom(MEBIBYTE) * 100
PART = 20 * MEBIBYTE


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[EmbeddedAws]:
    embedded = EmbeddedAws(tmp_path)
    embedded.start()
    try:
        embedded.wait_ready()
        yield embedded
    finally:
        embedded.stop()


@contextmanager
def in_bounds(aws: EmbeddedAws, mebibytes: int = 60) -> Iterator[None]:
    """Its own memory, without the files that it maps, grows by less than so much meanwhile."""
    process, peak, is_over = psutil.Process(aws.pid), [0], threading.Event()

    def own() -> int:
        memory = process.memory_info()
        return memory.rss - memory.shared

    def watch() -> None:
        while not is_over.wait(0.005):
            peak[0] = max(peak[0], own())

    watcher, before = threading.Thread(target=watch), own()
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    assert peak[0] - before < mebibytes * MEBIBYTE


def drafts(aws: EmbeddedAws) -> list[Path]:
    return list((aws.folder / "drafts").iterdir())


def upload_parts(aws: EmbeddedAws, key: str) -> tuple[str, list["CompletedPartTypeDef"]]:
    """Five parts of 20 MiB each, sent last to first."""
    s3, parts = aws.clients.s3, list["CompletedPartTypeDef"]()
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    for number in range(5, 0, -1):
        content = CONTENT[(number - 1) * PART : number * PART]
        sent = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=content
        )
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    return upload, parts[::-1]


def test_a_large_object_comes_and_goes_in_pieces(aws: EmbeddedAws) -> None:
    s3, etag = aws.clients.s3, f'"{hashlib.md5(CONTENT).hexdigest()}"'  # noqa: S324 - an ETag
    with in_bounds(aws):
        for number in range(3):
            put = s3.put_object(Bucket=BUCKET, Key="large.wav", Body=CONTENT + bytes([number]))
        assert s3.put_object(Bucket=BUCKET, Key="large.wav", Body=CONTENT)["ETag"] == etag
        assert body(aws.clients, "large.wav") == CONTENT
        assert body(aws.clients, "large.wav", put["VersionId"]) == CONTENT + b"\x02"
        source = {"Bucket": BUCKET, "Key": "large.wav"}
        s3.copy_object(Bucket=BUCKET, Key="copy.wav", CopySource=source)  # type: ignore[arg-type]
        assert body(aws.clients, "copy.wav") == CONTENT
    assert drafts(aws) == []
    aws.kill()
    aws.start()
    aws.wait_ready()
    assert body(aws.clients, "large.wav") == CONTENT
    assert body(aws.clients, "large.wav", put["VersionId"]) == CONTENT + b"\x02"


def test_a_range_of_a_large_object_does_not_read_it_all(aws: EmbeddedAws) -> None:
    s3 = aws.clients.s3
    s3.put_object(Bucket=BUCKET, Key="large.wav", Body=CONTENT)
    with in_bounds(aws, 10):
        for start in range(0, len(CONTENT), 10 * MEBIBYTE):
            got = s3.get_object(
                Bucket=BUCKET, Key="large.wav", Range=f"bytes={start}-{start + 65535}"
            )
            assert got["ContentRange"] == f"bytes {start}-{start + 65535}/{len(CONTENT)}"
            assert got["Body"].read() == CONTENT[start : start + 65536]


def test_an_object_of_parts_is_put_together_on_disk(aws: EmbeddedAws) -> None:
    s3 = aws.clients.s3
    digests = b"".join(
        hashlib.md5(CONTENT[start : start + PART]).digest()  # noqa: S324 - an ETag
        for start in range(0, len(CONTENT), PART)
    )
    with in_bounds(aws):
        upload, parts = upload_parts(aws, "parts.wav")
        done = s3.complete_multipart_upload(
            Bucket=BUCKET, Key="parts.wav", UploadId=upload, MultipartUpload={"Parts": parts}
        )
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-5"'  # noqa: S324
    head = s3.head_object(Bucket=BUCKET, Key="parts.wav")
    assert (head["ContentLength"], head["ETag"]) == (len(CONTENT), done["ETag"])
    assert body(aws.clients, "parts.wav") == CONTENT
    (told,) = arrivals(aws.clients)
    assert told["s3"]["object"]["size"] == len(CONTENT)
    assert told["s3"]["object"]["eTag"] == done["ETag"].strip('"')
    assert drafts(aws) == []
    aws.kill()
    aws.start()
    aws.wait_ready()
    assert body(aws.clients, "parts.wav") == CONTENT


def test_parts_that_nobody_completes_leave_with_the_upload(aws: EmbeddedAws) -> None:
    upload, _ = upload_parts(aws, "given up.wav")
    assert len(drafts(aws)) == 5
    aws.clients.s3.abort_multipart_upload(Bucket=BUCKET, Key="given up.wav", UploadId=upload)
    assert drafts(aws) == []
    upload_parts(aws, "killed.wav")
    aws.kill()
    aws.start()
    aws.wait_ready()
    assert drafts(aws) == []


def test_a_client_that_leaves_amid_an_upload_leaves_nothing(aws: EmbeddedAws) -> None:
    def cut_off() -> Iterator[bytes]:
        yield CONTENT[:PART]
        time.sleep(0.5)
        assert len(drafts(aws)) == 1
        raise InterruptedError

    url = f"{aws.settings.aws_endpoint}/{BUCKET}/half.wav"
    size = {"content-length": str(len(CONTENT))}
    with pytest.raises(InterruptedError):
        httpx.put(url, content=cut_off(), headers=size, trust_env=False)
    eventually(lambda: drafts(aws) == [])
    with pytest.raises(ClientError):
        aws.clients.s3.head_object(Bucket=BUCKET, Key="half.wav")


def test_forms_which_have_to_be_in_memory_come_one_after_the_other(aws: EmbeddedAws) -> None:
    def post(number: int) -> int:
        files, fields = {"file": CONTENT}, {"key": f"form {number}.wav"}
        url = f"{aws.settings.aws_endpoint}/{BUCKET}"
        return httpx.post(url, data=fields, files=files, timeout=60, trust_env=False).status_code

    with in_bounds(aws, 650), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(post, range(4))) == [204] * 4
    assert body(aws.clients, "form 3.wav") == CONTENT


def test_a_form_that_no_memory_holds_is_refused(embedded_aws: EmbeddedAws) -> None:
    with socket.create_connection(("127.0.0.1", embedded_aws.settings.aws_port), 30) as client:
        client.sendall(
            f"POST /{BUCKET} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n"
            "Content-Length: 600000000\r\n\r\n".encode()
        )
        with client.makefile("rb") as answer:
            said = answer.read().decode()  # to the end: the connection is closed
    assert said.startswith("HTTP/1.1 400 ")
    assert "<Code>EntityTooLarge</Code>" in said
    assert "600,000,000 bytes" in said

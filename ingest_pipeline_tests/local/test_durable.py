"""The embedded AWS on a disk that fills up: what it acknowledges is there after a kill.

The disk is a tmpfs of its own. Mounting one takes root; for others the kernel limits the size of
the files that the server may write, which fails in the same places.
"""

import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.local.disk import shortage
from ingest_pipeline.local.server import stopped_cleanly
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.local.test_embedded_aws import (
    BUCKET,
    arrivals,
    body,
    eventually,
    row,
    rows,
    versions,
)

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MEBIBYTE = 1 << 20


class LoggedElsewhere(EmbeddedAws):
    """Its log is read, so it is not on the disk that is full."""

    @property
    def log(self) -> Path:
        return self.settings.state.with_name("aws.log")


class SmallDisk:
    """A server whose disk the test fills and empties."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "disk"
        self.home.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(self.home)]
        self.is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        self.aws = LoggedElsewhere(self.home)
        self._ballast = self.home / "ballast"

    @property
    def clients(self) -> Clients:
        """They try once: a 503 is an answer here."""
        return connect(self.aws.settings.model_copy(update={"aws_attempts": 1}))

    def leave(self, size: int) -> None:
        """Leave room for so many bytes, in whole pages; again, where room came back since."""
        if not self.is_mounted:
            psutil.Process(self.aws.pid).rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (MEBIBYTE, 4096, 1):  # a large one may not fit where a page does
                with suppress(OSError):
                    while file.write(bytes(piece)):
                        pass
            file.truncate(max(0, file.tell() - size))

    def empty(self) -> None:
        if self.is_mounted:
            self._ballast.unlink()
        else:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            psutil.Process(self.aws.pid).rlimit(psutil.RLIMIT_FSIZE, unlimited)

    def says(self, words: str) -> bool:
        """Whether the log has them; under the kernel's limit it, too, cannot be written."""
        return not self.is_mounted or words in self.aws.log.read_text()

    def kill_and_start(self) -> None:
        self.aws.kill()
        self.aws.start()
        self.aws.wait_ready()

    def close(self) -> None:
        self.aws.stop()
        if self.is_mounted:
            subprocess.run(["umount", str(self.home)], check=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """No limit but the disk's own end."""
    monkeypatch.setenv("INGEST_MIN_FREE_BYTES", "0")
    small = SmallDisk(tmp_path)
    try:
        small.aws.start()
        small.aws.wait_ready()
        yield small
    finally:
        small.close()


def is_unavailable(error: pytest.ExceptionInfo[ClientError]) -> bool:
    response = error.value.response
    is_503 = response["ResponseMetadata"]["HTTPStatusCode"] == 503
    return is_503 and response["Error"]["Code"] == "ServiceUnavailable"


def test_what_is_acknowledged_on_a_full_disk_is_there_after_a_kill(disk: SmallDisk) -> None:
    s3 = disk.clients.s3
    first = s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"first")["VersionId"]
    acknowledged, refused = {first: b"first"}, 0
    disk.leave(MEBIBYTE)
    for n in range(120):
        content = f"{n} ".encode() * (1 << (n % 20))
        try:
            put = s3.put_object(Bucket=BUCKET, Key=f"{n % 7}.wav", Body=content)
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == "ServiceUnavailable"  # noqa: PT017
            refused += 1
        else:
            acknowledged[put["VersionId"]] = content
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=bytes(2 * MEBIBYTE))
    assert is_unavailable(error)
    assert refused > 0
    assert len(acknowledged) > 1
    assert versions(disk.clients) == acknowledged
    told = [event["s3"]["object"]["versionId"] for event in arrivals(disk.clients)]
    assert sorted(told) == sorted(acknowledged), "only what is there is told"

    disk.kill_and_start()
    assert versions(disk.clients) == acknowledged
    assert body(disk.clients, "kept.wav") == b"first"


def test_every_way_to_put_an_object_is_refused_and_can_be_tried_again(disk: SmallDisk) -> None:
    s3, content = disk.clients.s3, bytes(5 * MEBIBYTE)
    s3.put_object(Bucket=BUCKET, Key="source.wav", Body=content)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts.wav")["UploadId"]
    part = s3.upload_part(
        Bucket=BUCKET, Key="parts.wav", UploadId=upload, PartNumber=1, Body=content
    )
    parts: list[CompletedPartTypeDef] = [{"PartNumber": 1, "ETag": part["ETag"]}]

    def post() -> httpx.Response:
        url = f"{disk.aws.settings.aws_endpoint}/{BUCKET}"
        fields = {"key": "form.wav"}
        return httpx.post(url, data=fields, files={"file": content}, trust_env=False)

    def copy() -> None:
        source = {"Bucket": BUCKET, "Key": "source.wav"}
        s3.copy_object(Bucket=BUCKET, Key="copy.wav", CopySource=source)  # type: ignore[arg-type]

    def complete() -> None:
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key="parts.wav", UploadId=upload, MultipartUpload={"Parts": parts}
        )

    disk.leave(MEBIBYTE)
    assert post().status_code == 503
    for write in (copy, complete):
        with pytest.raises(ClientError) as error:
            write()
        assert is_unavailable(error)
    assert len(versions(disk.clients)) == 1

    disk.empty()
    assert post().status_code == 204
    copy()
    complete()
    disk.kill_and_start()
    assert list(versions(disk.clients).values()) == [content] * 4


def test_a_delete_that_cannot_be_written_has_not_happened(disk: SmallDisk) -> None:
    s3 = disk.clients.s3
    s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"kept")
    disk.leave(0)
    with pytest.raises(ClientError) as error:
        s3.delete_object(Bucket=BUCKET, Key="kept.wav")
    assert is_unavailable(error)
    assert body(disk.clients, "kept.wav") == b"kept"

    disk.empty()
    s3.delete_object(Bucket=BUCKET, Key="kept.wav")
    disk.kill_and_start()
    with pytest.raises(ClientError):
        body(disk.clients, "kept.wav")


def test_what_could_not_be_written_is_written_when_there_is_room(disk: SmallDisk) -> None:
    s3, saved = disk.clients.s3, disk.aws.folder / "state" / "dynamodb.json"
    put = s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"old")
    newer = s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"new")
    eventually(saved.exists)
    older = saved.read_bytes()
    disk.leave(0)
    disk.clients.dynamodb.put_item(TableName="assets", Item=row(BUCKET, "kept.wav"))
    eventually(lambda: disk.says("state is not saved"))
    disk.leave(0)  # a save that failed may have given back the beginning of a file
    with pytest.raises(ClientError) as error:
        s3.delete_object(Bucket=BUCKET, Key="kept.wav", VersionId=newer["VersionId"])
    assert is_unavailable(error)
    assert saved.read_bytes() == older, "whole, as it was"

    disk.empty()
    eventually(lambda: saved.read_bytes() != older)
    sidecar = disk.aws.folder / "s3" / "000000000000" / BUCKET / "kept.wav.meta.json"
    eventually(lambda: newer["VersionId"] not in sidecar.read_text())
    eventually(lambda: disk.says("state is saved again"))
    disk.kill_and_start()
    assert rows(disk.clients) == 1
    assert versions(disk.clients) == {put["VersionId"]: b"old"}
    assert body(disk.clients, "kept.wav") == b"old"


def test_a_stop_that_could_not_save_is_not_called_clean(disk: SmallDisk) -> None:
    disk.leave(0)
    disk.clients.dynamodb.put_item(TableName="assets", Item=row(BUCKET, "lost.wav"))
    assert disk.aws.stop() == 0
    assert disk.says("last state was not saved")
    assert not stopped_cleanly(disk.aws.settings)


def test_it_starts_on_a_full_disk(disk: SmallDisk) -> None:
    put = disk.clients.s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"kept")
    disk.leave(0)
    disk.kill_and_start()
    assert versions(disk.clients) == {put["VersionId"]: b"kept"}


def test_below_the_limit_nothing_is_taken_and_all_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_MIN_FREE_BYTES", str(10**15))
    aws = EmbeddedAws(tmp_path)
    assert aws.settings.min_free_bytes == 10**15
    aws.start()
    try:
        aws.wait_ready()  # buckets, their settings, tables and queues
        clients = connect(aws.settings.model_copy(update={"aws_attempts": 1}))
        with pytest.raises(ClientError) as error:
            clients.s3.put_object(Bucket=BUCKET, Key="a.wav", Body=b"x")
        assert is_unavailable(error)
        message = error.value.response["Error"]["Message"]
        assert message.startswith("the disk is full: ")
        assert "INGEST_MIN_FREE_BYTES" in message
        begun = time.monotonic()
        url = f"{aws.settings.aws_endpoint}/{BUCKET}/b.wav"
        answer = httpx.put(url, content=bytes(20 * MEBIBYTE), trust_env=False)
        assert answer.status_code == 503
        assert time.monotonic() - begun < 30
        assert versions(clients) == {}
        clients.dynamodb.put_item(TableName="assets", Item=row(BUCKET, "a.wav"))
        clients.s3.delete_object(Bucket=BUCKET, Key="a.wav")
        assert aws.stop() == 0
        assert stopped_cleanly(aws.settings)
    finally:
        aws.stop()


def test_the_size_of_an_object_counts(embedded_aws: EmbeddedAws) -> None:
    config = embedded_aws.settings.model_copy(update={"min_free_bytes": 0})
    assert shortage(config, 1) is None
    said = shortage(config, 10**15)
    assert said is not None
    assert "1,000,000,000,000,000 are to be written" in said
    real = config.model_copy(update={"aws": "real"})
    assert shortage(real, 10**15) is None

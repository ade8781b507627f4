import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.objects.content import (
    Content,
    ObjectTooLargeError,
    download_object,
    open_object,
    read_object,
    upload_file,
    write_object,
)
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline_tests.aws.objects.helpers import ODD_KEYS
from ingest_pipeline_tests.world import World


@pytest.mark.parametrize("key", ODD_KEYS)
def test_what_is_written_is_read(world: World, key: str) -> None:
    write_object(world.clients.s3, world.bucket, key, key.encode())
    found = read_object(world.clients.s3, world.bucket, key, most_bytes=100)
    assert found.data == key.encode()
    with open_object(world.clients.s3, world.bucket, key) as body:
        assert body.read() == key.encode()


def test_content_comes_with_the_type_that_it_was_put_with(world: World) -> None:
    world.clients.s3.put_object(
        Bucket=world.bucket, Key="a.png", Body=b"pixels", ContentType="image/png"
    )
    found = read_object(world.clients.s3, world.bucket, "a.png", most_bytes=6)
    assert found == Content(b"pixels", "image/png")


def test_more_bytes_than_are_wanted_are_not_read(world: World) -> None:
    world.put("a.png", b"pixels")
    with pytest.raises(ObjectTooLargeError, match=r"a\.png has 6 bytes"):
        read_object(world.clients.s3, world.bucket, "a.png", most_bytes=5)


@pytest.mark.parametrize("size", [0, 1_000, 20_000_000])
def test_an_object_is_downloaded_byte_by_byte(world: World, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    world.put("a.wav", content)
    download_object(world.clients.s3, world.bucket, "a.wav", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == content


def test_a_download_of_nothing_leaves_no_file(world: World, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        download_object(world.clients.s3, world.bucket, "none", tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()


def test_what_is_gone_is_s3s_own_error(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        open_object(world.clients.s3, world.bucket, "none")
    with pytest.raises(ClientError, match="NoSuchKey"):
        read_object(world.clients.s3, world.bucket, "none", most_bytes=5)


@pytest.mark.parametrize("size", [0, 7, 20_000_000])  # boto3 sends what is over 8 MB in parts
def test_a_file_is_uploaded_and_named(world: World, tmp_path: Path, size: int) -> None:
    content, told = os.urandom(size), [0]
    (tmp_path / "file").write_bytes(content)
    state = upload_file(world.clients.s3, tmp_path / "file", world.bucket, "a.wav", told.append)
    assert state == object_state(world.clients.s3, world.bucket, "a.wav")
    assert world.content("a.wav") == content
    assert sum(told) == size

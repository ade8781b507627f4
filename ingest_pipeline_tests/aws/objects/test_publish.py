from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.objects.publish import publish, publish_copy, published
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.records.model import Report
from ingest_pipeline_tests.aws.objects.helpers import judged
from ingest_pipeline_tests.world import World

KEY = "output/a.mp4"


def source(world: World, content: bytes, *, seconds: int = 0) -> Report:
    """A version of the object from which something is made, put so much later than the first."""
    report = judged(world.put("a.webm", content))
    time = report.judged_at + timedelta(seconds=seconds)
    return report.model_copy(update={"last_modified": time})


def written(world: World, tmp_path: Path, content: bytes, made_from: Report) -> bool:
    path = tmp_path / "made"
    path.write_bytes(content)
    return publish(
        world.clients.s3, path, world.bucket, KEY, content_type="video/mp4", source=made_from
    )


def test_what_is_published_tells_its_source(world: World, tmp_path: Path) -> None:
    with pytest.raises(ObjectGoneError):
        published(world.clients.s3, world.bucket, KEY)
    first = source(world, b"1")
    assert written(world, tmp_path, b"made", first)
    found = published(world.clients.s3, world.bucket, KEY)
    assert (found.size, found.source, found.source_version) == (4, first.uri, first.version)
    answer = world.clients.s3.get_object(Bucket=world.bucket, Key=KEY)
    assert (answer["Body"].read(), answer["ContentType"]) == (b"made", "video/mp4")


def test_the_newer_source_wins_whichever_is_later(world: World, tmp_path: Path) -> None:
    old, new = source(world, b"1"), source(world, b"2", seconds=5)
    assert written(world, tmp_path, b"of the new", new)
    assert not written(world, tmp_path, b"of the old", old)
    assert world.content(KEY) == b"of the new"
    newest = source(world, b"3", seconds=9)
    assert written(world, tmp_path, b"of the newest", newest)
    assert world.content(KEY) == b"of the newest"


def test_what_was_made_again_of_the_same_source_is_written_again(
    world: World, tmp_path: Path
) -> None:
    made_from = source(world, b"1")
    assert written(world, tmp_path, b"once", made_from)
    assert written(world, tmp_path, b"twice", made_from)
    assert world.content(KEY) == b"twice"


def test_of_two_sources_of_one_second_the_one_that_stands_wins(
    world: World, tmp_path: Path
) -> None:
    old = source(world, b"1")
    new = source(world, b"2").model_copy(update={"last_modified": old.last_modified})
    assert written(world, tmp_path, b"of the old", old)
    assert written(world, tmp_path, b"of the new", new)
    assert not written(world, tmp_path, b"of the old", old)
    assert world.content(KEY) == b"of the new"


def test_what_others_put_there_gives_way(world: World, tmp_path: Path) -> None:
    world.put(KEY, b"of others")
    assert published(world.clients.s3, world.bucket, KEY).source_version is None
    assert written(world, tmp_path, b"made", source(world, b"1"))
    assert world.content(KEY) == b"made"


def test_a_copy_is_published_like_a_file(world: World) -> None:
    old, new = source(world, b"1"), source(world, b"2", seconds=5)
    made = world.put("transcoding/1/a.mp4", b"made by a service")
    for made_from, is_written in ((new, True), (old, False)):
        assert is_written is publish_copy(
            world.clients.s3, made, world.bucket, KEY, content_type="video/mp4", source=made_from
        )
    found = published(world.clients.s3, world.bucket, KEY)
    assert (found.size, found.source, found.source_version) == (17, new.uri, new.version)
    assert world.content(KEY) == b"made by a service"


def test_other_errors_are_s3s_own(world: World, tmp_path: Path) -> None:
    made_from = source(world, b"1")
    world.bucket = "no-such-bucket"
    with pytest.raises(ClientError, match="NoSuchBucket"):
        written(world, tmp_path, b"made", made_from)

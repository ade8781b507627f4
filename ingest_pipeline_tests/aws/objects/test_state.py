from functools import partial

import pytest
from botocore.exceptions import ClientError

from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
    is_current,
    known_version,
    object_state,
    state_of,
    translated,
    whole_size,
)
from ingest_pipeline_tests.aws.objects.helpers import UNKNOWN, judged
from ingest_pipeline_tests.world import World


def test_what_stands_at_a_key_is_told(world: World) -> None:
    world.put("a.wav", b"1")
    ref = world.put("a.wav", b"content")
    state = object_state(world.clients.s3, world.bucket, "a.wav")
    assert (state.version, state.etag, state.size) == (ref.version, ref.etag, 7)
    assert state.row_version == ref.row_version == ref.version


def test_without_versions_its_content_names_a_row(plain: World) -> None:
    ref = plain.put("a.wav", b"content")
    state = object_state(plain.clients.s3, plain.bucket, "a.wav")
    assert state.version is None
    assert state.row_version == ref.row_version == ref.etag


def test_nothing_at_a_key_is_gone(world: World) -> None:
    world.put("a.wav", b"content")
    world.remove("a.wav")
    for key in ("a.wav", "never there"):
        with pytest.raises(ObjectGoneError):
            object_state(world.clients.s3, world.bucket, key)


def test_a_version_is_current_until_it_is_replaced_or_gone(world: World) -> None:
    first = judged(world.put("a.wav", b"1"))
    assert is_current(world.clients.s3, first)
    second = judged(world.put("a.wav", b"1"))
    assert not is_current(world.clients.s3, first)
    assert is_current(world.clients.s3, second)
    world.remove("a.wav")
    assert not is_current(world.clients.s3, second)


def test_without_versions_the_same_content_is_current(plain: World) -> None:
    report = judged(plain.put("a.wav", b"1"))
    plain.put("a.wav", b"1")
    assert is_current(plain.clients.s3, report)
    plain.put("a.wav", b"2")
    assert not is_current(plain.clients.s3, report)


def test_an_answer_of_a_part_tells_the_size_of_the_whole(plain: World) -> None:
    plain.put("a.wav", b"content")
    part = plain.clients.s3.get_object(Bucket=plain.bucket, Key="a.wav", Range="bytes=2-3")
    whole = plain.clients.s3.head_object(Bucket=plain.bucket, Key="a.wav")
    assert part["ContentLength"] == 2
    assert whole_size(part) == whole_size(whole) == 7
    assert state_of(part, whole_size(part)) == object_state(plain.clients.s3, plain.bucket, "a.wav")


def test_errors_that_mean_gone_or_replaced_are_told_as_that(world: World) -> None:
    ref = world.put("a.wav", b"content")
    get = partial(world.clients.s3.get_object, Bucket=ref.bucket, Key=ref.key)
    with pytest.raises(ClientError) as replaced:
        get(IfMatch='"other"')
    assert isinstance(translated(replaced.value), ObjectReplacedError)
    with pytest.raises(ClientError) as gone:
        get(VersionId=UNKNOWN)
    assert isinstance(translated(gone.value), ObjectGoneError)
    with pytest.raises(ClientError) as other:
        get(Range="bytes=100-200")
    assert translated(other.value) is other.value


@pytest.mark.parametrize(
    ("told", "known"), [(None, None), ("", None), ("null", None), (UNKNOWN, UNKNOWN)]
)
def test_what_has_no_version_is_told_in_several_ways(told: str | None, known: str | None) -> None:
    assert known_version(told) == known

from ingest_pipeline.aws.objects.listing import (
    Standing,
    list_current_versions,
    list_files,
    list_folders,
    list_keys,
    list_newest_versions,
    list_objects,
)
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline_tests.aws.objects.helpers import ODD_KEYS
from ingest_pipeline_tests.world import World


def test_listing_goes_on_after_a_thousand_keys(world: World) -> None:
    keys = [f"{n:04}.wav" for n in range(1003)]
    refs = [put_quickly(world, key) for key in keys]
    day = world.put("last.wav", b"").day
    first_day = object_state(world.clients.s3, world.bucket, keys[0]).last_modified
    days = {day, first_day.strftime("%Y-%m-%d")}
    found = list(list_objects(world.clients.s3, world.bucket, days))
    assert [ref.key for ref in found] == [*refs, "last.wav"]
    assert {(ref.version, ref.size) for ref in found} == {(None, 0)}
    standing = list_newest_versions(world.clients.s3, world.bucket)
    assert [each.ref.key for each in standing] == [*keys, "last.wav"]
    assert list(list_objects(world.clients.s3, world.bucket, {"2015-01-01"})) == []


def put_quickly(world: World, key: str) -> str:
    world.clients.s3.put_object(Bucket=world.bucket, Key=key, Body=b"")
    return key


def newest(world: World) -> list[Standing]:
    """What is listed; its times are cut to seconds as in S3's other answers."""
    return [
        Standing(in_seconds(each.ref), each.deleted)
        for each in list_newest_versions(world.clients.s3, world.bucket)
    ]


def in_seconds(ref: ObjectRef) -> ObjectRef:
    return ref.model_copy(update={"arrived": ref.arrived.replace(microsecond=0)})


def test_newest_versions_come_in_the_order_of_their_utf8_bytes(world: World) -> None:
    refs = {key: world.put(key, key.encode()) for key in ODD_KEYS}
    found = newest(world)
    assert [each.ref for each in found] == [refs[key] for key in sorted(refs, key=str.encode)]
    listed = list_objects(world.clients.s3, world.bucket, {ref.day for ref in refs.values()})
    assert {ref.key for ref in listed} == set(ODD_KEYS)


def test_only_the_newest_of_several_versions_is_named(world: World) -> None:
    for number in range(3):
        latest = {key: world.put(key, bytes(number)) for key in ("a.wav", "a.wav.bak", "b.wav")}
    assert [(each.ref, each.deleted) for each in newest(world)] == [
        (ref, False) for ref in latest.values()
    ]


def test_a_deleted_key_is_named_with_the_version_below_its_marker(world: World) -> None:
    world.put("a.wav", b"1")
    deleted = world.put("a.wav", b"2")
    neighbour = world.put("b.wav", b"")
    world.remove("a.wav")
    world.remove("never there.wav")
    assert newest(world) == [
        Standing(deleted, deleted=True),
        Standing(neighbour, deleted=False),
    ]


def test_a_key_put_again_after_its_deletion_stands(world: World) -> None:
    world.put("a.wav", b"1")
    world.remove("a.wav")
    again = world.put("a.wav", b"1")
    assert newest(world) == [Standing(again, deleted=False)]


def test_an_empty_bucket_has_nothing(world: World) -> None:
    assert newest(world) == []
    assert list(list_objects(world.clients.s3, world.bucket, {"2026-03-01"})) == []


def test_an_object_of_an_unversioned_bucket_has_no_version(plain: World) -> None:
    ref = plain.put("a.wav", b"content")
    assert newest(plain) == [Standing(ref, deleted=False)]
    current = list_current_versions(plain.clients.s3, plain.bucket, "")
    assert list(current) == [("a.wav", None)]


def test_current_versions_are_those_that_stand_below_a_prefix(world: World) -> None:
    world.put("in/a.wav", b"1")
    again = world.put("in/a.wav", b"2")
    world.put("in/gone.wav", b"")
    world.remove("in/gone.wav")
    world.put("out.wav", b"")
    found = list_current_versions(world.clients.s3, world.bucket, "in/")
    assert list(found) == [("in/a.wav", again.version)]


def test_folders_are_named_one_level_below_a_prefix(world: World) -> None:
    for key in ("AV1/230717/a", "AV1/230718/b/c", "AV2/230717/a", "AV1/file", "file"):
        world.put(key, b"")
    assert list(list_folders(world.clients.s3, world.bucket, "")) == ["AV1/", "AV2/"]
    below = list_folders(world.clients.s3, world.bucket, "AV1/")
    assert list(below) == ["AV1/230717/", "AV1/230718/"]


def test_files_come_with_their_bytes_from_a_place_on(world: World) -> None:
    for key in ("a/1", "a/2", "a/3", "b/1"):
        world.put(key, key.encode() * int(key[-1]))
    s3, bucket = world.clients.s3, world.bucket
    files = list(list_files(s3, bucket, "a/"))
    assert [(file.key, file.size) for file in files] == [("a/1", 3), ("a/2", 6), ("a/3", 9)]
    heads = [s3.head_object(Bucket=bucket, Key=file.key) for file in files]
    assert [file.modified.replace(microsecond=0) for file in files] == [
        head["LastModified"] for head in heads
    ]
    assert list(list_files(s3, bucket, "a/", after="a/2")) == files[2:]
    assert list_keys(s3, bucket, "a/") == ["a/1", "a/2", "a/3"]


def test_a_folder_that_is_an_object_of_its_own_is_no_file_of_itself(world: World) -> None:
    for key in ("a/", "a/1"):
        world.put(key, b"")
    (file,) = list_files(world.clients.s3, world.bucket, "a/")
    assert (file.key, file.size) == ("a/1", 0)

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest

from ingest_pipeline.aws.objects.versions import NotDeletedError
from ingest_pipeline.pipeline.ingest.index import tombstone
from ingest_pipeline.pipeline.result import Done, Result
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, TranscodeJob
from ingest_pipeline.records.places import job_folder
from ingest_pipeline.records.tables import (
    ASSETS,
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
    PREVIEWS,
    PREVIEWS_BY_OBJECT,
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    TRANSCODE_JOBS,
    TRANSCRIPTS,
    TRANSCRIPTS_BY_OBJECT,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.whole_world import Made, WholeWorld

NEIGHBOURS = ["a", "a/b", "a.jpg", "a/00001.png", "a/", "a.webp", "b/a"]
ODD_KEYS = ["new\nline.wav", "..", "../up/./a.wav", "//two//slashes", "Ü/🎵 +%25.wav", "~" * 300]


def indexed(world: WholeWorld, key: str, bucket: str | None = None, frames: int = 480) -> ObjectRef:
    ref = world.put_in(bucket or world.bucket, key, wavs.valid(frames))
    world.wired.ingest([ref])
    assert world.report(ref).outcome is Outcome.INDEXED
    return ref


def rows(world: WholeWorld, ref: ObjectRef) -> list[Any]:
    return [
        *world.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri),
        *world.tables.query(PREVIEWS, PREVIEWS_BY_OBJECT, ref.uri),
        *world.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, ref.uri),
        *world.tables.query(TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT, ref.uri),
    ]


@pytest.mark.parametrize("gone", NEIGHBOURS)
def test_a_key_takes_its_own_and_nothing_of_keys_around_it(whole: WholeWorld, gone: str) -> None:
    refs = [indexed(whole, key) for key in NEIGHBOURS]
    places = {ref.key: whole.make_up(ref) for ref in refs}
    removed = whole.derived.remove_all(whole.bucket, gone)
    assert sorted(removed.files) == places.pop(gone)
    assert removed.rows == 4
    assert whole.files() == sorted(chain.from_iterable(places.values()))
    assert [len(rows(whole, ref)) for ref in refs] == [0 if r.key == gone else 4 for r in refs]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_go_like_any_other(whole: WholeWorld, key: str) -> None:
    ref = indexed(whole, key)
    places = whole.make_up(ref)
    assert sorted(whole.derived.remove_all(whole.bucket, key).files) == places
    assert whole.files() == []


def _refuse_long_keys(params: dict[str, Any], **_: Any) -> None:
    """What S3 does, and the embedded AWS does not."""
    named = (str(params.get(name, "")) for name in ("Key", "Prefix"))
    assert all(len(key.encode()) <= 1024 for key in named), "KeyTooLongError"


@pytest.mark.parametrize("length", [1000, 1016, 1024])
def test_a_key_whose_places_are_too_long_for_s3_goes_all_the_same(
    whole: WholeWorld, clip: Made, length: int
) -> None:
    whole.make_up(indexed(whole, "a"))
    others = len(whole.files())
    ref = whole.put("k" * length, clip.rendition)
    events = whole.wired.aws.s3.meta.events
    events.register("provide-client-params.s3", _refuse_long_keys)
    try:
        whole.wired.ingest([ref])
        whole.make(ref)
        (reason,) = whole.report(ref).reasons
        assert (reason.rule, "more than 1,024 bytes" in str(reason)) == ("transcodable", True)
        whole.delete(ref)
    finally:
        events.unregister("provide-client-params.s3", _refuse_long_keys)
    assert len(whole.files()) == others
    assert rows(whole, ref) == []
    assert whole.report(ref).outcome is Outcome.DELETED


def test_the_same_key_of_another_bucket_keeps_its_own(whole: WholeWorld) -> None:
    one, two = indexed(whole, "a"), indexed(whole, "a", whole.second_bucket)
    whole.make_up(one)
    places = whole.make_up(two)  # newer: the places that name no bucket are its own now
    removed = whole.derived.remove_all(whole.bucket, "a")
    assert sorted(removed.files) == [
        f"previews/{whole.bucket}/a.webp",
        f"strips/{whole.bucket}/a.webp",
    ]
    assert whole.files() == places
    assert len(rows(whole, two)) == 4


def test_what_a_preset_made_that_is_no_more_goes_too(whole: WholeWorld) -> None:
    ref = indexed(whole, "a")
    old, new = whole.make_up(ref, preset="Old"), whole.make_up(ref)
    assert sorted(whole.derived.remove_all(whole.bucket, "a").files) == sorted({*old, *new})
    assert whole.files() == []
    assert rows(whole, ref) == []


def _as_the_first_version_did(world: WholeWorld) -> None:
    """Take from every file's metadata what the first version did not write."""
    for key in world.files():
        metadata = world.clients.s3.head_object(Bucket=world.renditions, Key=key)["Metadata"]
        metadata.pop("source")
        world.clients.s3.put_object(
            Bucket=world.renditions, Key=key, Body=b"made", Metadata=metadata
        )


def test_files_that_do_not_tell_their_object_are_whose_their_version_is(whole: WholeWorld) -> None:
    one, two = indexed(whole, "a"), indexed(whole, "a", whole.second_bucket)
    whole.make_up(two)
    _as_the_first_version_did(whole)
    assert whole.derived.remove_all(one.bucket, "a").files == ()
    assert len(whole.derived.remove_all(two.bucket, "a").files) == 6
    assert whole.files() == []


def test_files_of_somebody_else_stay(whole: WholeWorld) -> None:
    indexed(whole, "a")
    put = whole.clients.s3.put_object
    for key in ("output/web/a", "thumbnails/web/a/notes.txt", "thumbnails/web/a/00001.png"):
        put(Bucket=whole.renditions, Key=key, Body=b"of a person")
    whole.derived.remove_all(whole.bucket, "a")
    assert len(whole.files()) == 3


def test_only_the_version_that_is_meant_goes(whole: WholeWorld) -> None:
    older = indexed(whole, "a")
    many = whole.make_up(older, thumbnails=4)
    newer = indexed(whole, "a", frames=960)
    few = whole.make_up(newer, thumbnails=1)
    assert whole.derived.remove_version(whole.bucket, "a", "another").files == ()
    removed = whole.derived.remove_others(whole.bucket, "a", str(newer.version))
    assert sorted(removed.files) == sorted(set(many) - set(few))
    assert whole.files() == few
    assert {row.version for row in rows(whole, newer)} == {newer.version}
    whole.derived.remove_version(whole.bucket, "a", str(newer.version))
    assert whole.files() == []
    assert rows(whole, newer) == []


def test_among_thousands_of_files_only_its_own_are_listed(whole: WholeWorld) -> None:
    s3 = whole.clients.s3
    for number in range(1100):
        s3.put_object(Bucket=whole.renditions, Key=f"thumbnails/web/a{number:05}/00001.png")
    ref = indexed(whole, "a")
    places = whole.make_up(ref, thumbnails=30)
    removed = whole.derived.remove_all(whole.bucket, "a")
    assert sorted(removed.files) == places
    assert len(whole.files()) == 1100


def test_a_job_is_ended_with_its_files(whole: WholeWorld) -> None:
    ref = indexed(whole, "a")
    job = TranscodeJob(
        bucket=ref.bucket,
        key=ref.key,
        version=str(ref.version),
        preset="Web",
        arrived=ref.arrived,
        token="1" * 64,
        job_id="job-1",
        submitted_at=ref.arrived,
    )
    whole.tables.put(TRANSCODE_JOBS, [job])
    whole.clients.s3.put_object(Bucket=whole.renditions, Key=f"{job_folder(job.token)}video.mp4")
    canceled: list[str] = []
    derived = type(whole.derived)(whole.clients.s3, whole.tables, whole.renditions, canceled.append)
    derived.remove_version(whole.bucket, "a", "another")
    assert (canceled, len(whole.jobs(ref))) == ([], 1)
    derived.remove_version(whole.bucket, "a", str(ref.version))
    assert (canceled, whole.jobs(ref), whole.files()) == (["job-1"], [], [])


def _writing(world: WholeWorld, *refs: ObjectRef) -> Any:
    """A writer of all that is made of these versions, that says for whom it wrote."""

    def write(current: Sequence[Report]) -> list[Result[str]]:
        meant = [ref for ref in refs if ref.version in {report.version for report in current}]
        for ref in meant:
            world.make_up(ref)
        return [Done(report.ref, report.version) for report in current]

    return write


def test_nothing_is_written_for_a_version_that_is_not_in_the_index(whole: WholeWorld) -> None:
    older = indexed(whole, "a")
    newer = indexed(whole, "a", frames=960)
    deleted = indexed(whole, "b")
    whole.delete(deleted)
    refs = [older, newer, deleted]
    results = whole.derived.publish([whole.report(r) for r in refs], _writing(whole, *refs))
    assert [result.value for result in results] == [None, newer.version, None]
    assert {row.version for ref in refs for row in rows(whole, ref)} == {newer.version}


def test_what_was_written_while_it_was_deleted_is_taken_back(whole: WholeWorld) -> None:
    stays, goes = indexed(whole, "stays"), indexed(whole, "goes")
    write = _writing(whole, stays, goes)

    def write_late(current: Sequence[Report]) -> list[Result[str]]:
        whole.delete(goes)
        results: list[Result[str]] = write(current)
        return results

    results = whole.derived.publish([whole.report(stays), whole.report(goes)], write_late)
    assert [result.value for result in results] == [stays.version, None]
    assert rows(whole, goes) == []
    assert len(rows(whole, stays)) == 4
    assert [key for key in whole.files() if "goes" in key] == []


def test_the_first_that_is_there_of_a_newer_version_ends_the_older_ones(
    whole: WholeWorld,
) -> None:
    older = indexed(whole, "a")
    whole.make_up(older, thumbnails=5)
    newer = indexed(whole, "a", frames=960)
    asset = whole.asset("a")
    assert asset is not None
    assert asset.replaces == older.version
    assert len(whole.files()) == 9
    whole.derived.publish([whole.report(newer)], _writing(whole, newer))
    assert len(whole.files()) == 6
    assert {row.version for row in rows(whole, newer)} == {newer.version}
    asset = whole.asset("a")
    assert asset is not None
    assert (asset.version, asset.replaces) == (newer.version, None)


def test_a_late_end_of_a_publication_does_not_bring_a_deleted_row_back(whole: WholeWorld) -> None:
    older = indexed(whole, "a")
    newer = indexed(whole, "a", frames=960)
    ((report, asset),) = whole.derived.current([whole.report(newer)])
    whole.delete(newer)
    whole.tables.put(ASSETS, [asset.model_copy(update={"replaces": None})])
    assert not whole.is_indexed("a")
    assert older.version != report.version


def test_whoever_watches_is_told_of_an_end_within_seconds(whole: WholeWorld) -> None:
    ref = indexed(whole, "a")
    with whole.derived.watched(whole.report(ref)) as gone:
        assert not gone.wait(2.5)
        whole.tables.put(ASSETS, [tombstone(whole.report(ref).becomes(Outcome.DELETED))])
        assert gone.wait(5)


def test_s3_that_refuses_a_file_is_told_and_its_rows_stay(whole: WholeWorld) -> None:
    """DeleteObjects answers 200 also where it deleted nothing."""
    ref = indexed(whole, "a")
    places = whole.make_up(ref)

    def refuse(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [{"Key": places[0], "Code": "InternalError", "Message": "again"}]

    events = whole.wired.aws.s3.meta.events
    events.register("after-call.s3.DeleteObjects", refuse)
    try:
        with pytest.raises(NotDeletedError, match=r"1 not deleted, the first: .*InternalError"):
            whole.derived.remove_all(whole.bucket, "a")
    finally:
        events.unregister("after-call.s3.DeleteObjects", refuse)
    assert len(rows(whole, ref)) == 4

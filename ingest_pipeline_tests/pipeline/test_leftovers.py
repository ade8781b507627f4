from datetime import UTC, datetime, timedelta

import pytest

from ingest_pipeline.pipeline.ingest.index import tombstone
from ingest_pipeline.pipeline.leftovers import Leftover, Leftovers
from ingest_pipeline.records.model import ObjectRef, Outcome, TranscodeJob
from ingest_pipeline.records.places import thumbnails_folder
from ingest_pipeline.records.tables import (
    ASSETS,
    PREVIEWS,
    RENDITIONS,
    REPORTS,
    TRANSCODE_JOBS,
    rendition_key,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.whole_world import WholeWorld

KEYS = ["a", "a/b", "a.jpg", "a/00001.png", "a.webp", "new\nline", "..", "Ü/🎵"]
NONE = timedelta(0)


def leftovers(world: WholeWorld) -> Leftovers:
    return world.wired.reconciler.reconciliation.leftovers


def found(world: WholeWorld, grace: timedelta = NONE) -> list[Leftover]:
    """What a look finds of this world: the rows of others lie in the same tables."""
    buckets = (world.bucket, world.second_bucket, world.renditions)
    return [
        each
        for each in leftovers(world).find(grace)
        if each.uri.removeprefix("s3://").partition("/")[0] in buckets
    ]


def mended(world: WholeWorld) -> int:
    """Have all of it removed, and prove that a second look finds nothing."""
    removed = leftovers(world).remove(found(world))
    assert found(world) == []
    return removed


def with_everything(world: WholeWorld, key: str, bucket: str | None = None) -> ObjectRef:
    ref = world.put_in(bucket or world.bucket, key, wavs.valid())
    world.wired.ingest([ref])
    world.make_up(ref)
    return ref


def end(world: WholeWorld, ref: ObjectRef) -> None:
    """Delete, as a run would that dies before it removes what was made."""
    report = world.report(ref).becomes(Outcome.DELETED, deleted_at=datetime.now(UTC))
    world.tables.put(REPORTS, [report])
    now = datetime.now(UTC)
    world.tables.put(ASSETS, [tombstone(report.model_copy(update={"judged_at": now}))])


def lose_rows(world: WholeWorld, ref: ObjectRef) -> None:
    """Forget the rows that name the files."""
    world.tables.delete(RENDITIONS, rendition_key(ref.uri, str(ref.version), "Web"))
    world.tables.delete(PREVIEWS, {"object": ref.uri, "version": str(ref.version)})


def test_what_is_in_the_index_has_left_nothing_over(whole: WholeWorld) -> None:
    for key in KEYS:
        with_everything(whole, key)
    assert found(whole) == []


@pytest.mark.parametrize("gone", KEYS)
def test_what_has_outlived_its_object_goes_and_nothing_else(whole: WholeWorld, gone: str) -> None:
    refs = {key: with_everything(whole, key) for key in KEYS}
    files = whole.files()
    own = set(whole.make_up(refs[gone]))
    end(whole, refs[gone])
    assert len(found(whole)) == 4 + len(own)
    mended(whole)
    assert whole.files() == sorted(set(files) - own)


@pytest.mark.parametrize("gone", KEYS)
def test_a_file_that_no_row_names_goes_too(whole: WholeWorld, gone: str) -> None:
    refs = {key: with_everything(whole, key) for key in KEYS}
    files = whole.files()
    own = set(whole.make_up(refs[gone]))
    end(whole, refs[gone])
    lose_rows(whole, refs[gone])
    assert {each.of for each in found(whole) if isinstance(each.of, str)} == own
    mended(whole)
    assert whole.files() == sorted(set(files) - own)


def test_the_same_key_in_another_bucket_keeps_its_own(whole: WholeWorld) -> None:
    one = with_everything(whole, "a")
    two = with_everything(whole, "a", whole.second_bucket)
    kept = whole.make_up(two)
    end(whole, one)
    mended(whole)
    assert whole.files() == kept


def test_files_whose_key_was_too_long_to_be_told_tell_it_themselves(whole: WholeWorld) -> None:
    refs = [whole.put("k" * 1023 + last, wavs.valid()) for last in "ab"]
    whole.wired.ingest(refs)
    whole.make(*refs)
    assert (len(whole.files()), found(whole)) == (2, [])
    end(whole, refs[0])
    lose_rows(whole, refs[0])
    assert mended(whole) >= 1
    assert len(whole.files()) == 1


def test_an_old_presets_files_stay_with_their_video_and_go_with_it(whole: WholeWorld) -> None:
    ref = with_everything(whole, "a")
    whole.make_up(ref, preset="Old")
    assert found(whole) == []
    end(whole, ref)
    mended(whole)
    assert whole.files() == []


def test_what_nobody_published_is_nobodys_leftover(whole: WholeWorld) -> None:
    keys = ["output/", "output/web/", "output/web/mine.mp4", "previews//x.webp", "notes.txt"]
    for key in keys:
        whole.clients.s3.put_object(Bucket=whole.renditions, Key=key, Body=b"of a person")
    assert found(whole) == []
    assert whole.files() == sorted(keys)


def test_files_of_the_first_version_go_with_their_object(whole: WholeWorld) -> None:
    gone, stays = with_everything(whole, "gone"), with_everything(whole, "stays")
    for key in whole.files():
        standing = whole.clients.s3.head_object(Bucket=whole.renditions, Key=key)["Metadata"]
        del standing["source"]
        whole.clients.s3.put_object(Bucket=whole.renditions, Key=key, Metadata=standing)
    end(whole, gone)
    lose_rows(whole, gone)
    mended(whole)
    assert len(whole.files()) == 6
    assert whole.files() == whole.make_up(stays)


def test_what_is_young_is_left_to_its_run(whole: WholeWorld) -> None:
    ref = with_everything(whole, "a")
    end(whole, ref)
    assert found(whole, timedelta(minutes=10)) == []
    assert len(found(whole)) == 10


def test_an_older_versions_wait_for_the_newer_ones_and_no_longer(whole: WholeWorld) -> None:
    older = with_everything(whole, "a")
    newer = whole.put("a", wavs.valid(960))
    whole.wired.ingest([newer])
    assert found(whole) == []
    assert len(found(whole, timedelta(days=-1, seconds=-1))) == 4  # a day later
    preview = whole.tables.get(PREVIEWS, {"object": older.uri, "version": str(older.version)})
    assert preview is not None
    whole.tables.put(PREVIEWS, [preview.model_copy(update={"version": newer.version})])
    assert {each.uri for each in found(whole)} == {older.uri}
    mended(whole)


def test_a_report_that_tells_a_replaced_version_as_indexed_is_ended(whole: WholeWorld) -> None:
    older = with_everything(whole, "a")
    report = whole.report(older)
    newer = whole.put("a", wavs.valid(960))
    whole.wired.ingest([newer])
    whole.make(newer)
    whole.tables.put(REPORTS, [report])
    assert [each.of for each in found(whole)] == [report]
    mended(whole)
    assert whole.report(older).outcome is Outcome.SUPERSEDED


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_job_that_nobody_waits_for_is_ended(whole: WholeWorld, *, is_gone: bool) -> None:
    ref = whole.put("a", wavs.valid())
    whole.wired.ingest([ref])
    job = TranscodeJob(
        bucket=ref.bucket,
        key=ref.key,
        version=str(ref.version),
        preset="Web",
        arrived=ref.arrived,
        token="2" * 64,
        submitted_at=datetime.now(UTC),
    )
    whole.tables.put(TRANSCODE_JOBS, [job])
    assert found(whole) == []
    if is_gone:
        end(whole, ref)
    else:
        whole.make_up(ref)
    assert [each.of for each in found(whole)] == [job]
    mended(whole)
    assert whole.jobs(ref) == []


def test_a_few_among_thousands_of_files_are_found(whole: WholeWorld) -> None:
    gone, stays = with_everything(whole, "gone"), with_everything(whole, "stays")
    for number in range(1100):
        place = f"{thumbnails_folder('web', stays.key)}{number:05}.png"
        whole.clients.s3.put_object(Bucket=whole.renditions, Key=place)
    end(whole, gone)
    lose_rows(whole, gone)
    assert len(found(whole)) == 6 + 2  # its labels and its transcript
    mended(whole)
    assert len(whole.files()) == 1104

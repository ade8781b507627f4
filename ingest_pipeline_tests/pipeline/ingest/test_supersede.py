from datetime import UTC, datetime

import pytest

from ingest_pipeline.pipeline.ingest.supersede import supersede
from ingest_pipeline.records.model import Asset, ObjectRef, Outcome
from ingest_pipeline.records.tables import ASSETS, REPORTS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.whole_world import WholeWorld

KEYS = ["a", "a/b", "a.jpg", "a/00001.png", "new\nline", "..", "k" * 1024]


def indexed(world: WholeWorld, key: str, frames: int = 480) -> ObjectRef:
    ref = world.put(key, wavs.valid(frames))
    world.wired.ingest([ref])
    return ref


def row(world: WholeWorld, ref: ObjectRef, **changes: object) -> Asset:
    """The row of the index, changed, as a batch that has written it would find it."""
    standing = world.tables.get(ASSETS, {"bucket": ref.bucket, "file": ref.key})
    assert standing is not None
    changed = standing.model_copy(update=changes)
    world.tables.put(ASSETS, [changed])
    return changed


@pytest.mark.parametrize("key", KEYS)
def test_an_older_version_ends_and_keeps_what_was_made_of_it_for_now(
    whole: WholeWorld, key: str
) -> None:
    older = indexed(whole, key)
    if len(key) < 1000:
        whole.make_up(older)
    files = whole.files()
    newer = indexed(whole, key, 960)
    assert whole.report(older).outcome is Outcome.SUPERSEDED
    assert whole.report(newer).outcome is Outcome.INDEXED
    assert whole.files() == files


@pytest.mark.parametrize("key", KEYS[:-1])
def test_where_there_is_no_newer_one_all_goes_at_once(whole: WholeWorld, key: str) -> None:
    neighbour = indexed(whole, f"{key}/neighbour")
    whole.make_up(neighbour)
    files = whole.files()
    older = indexed(whole, key)
    whole.make_up(older)
    gone = datetime.now(UTC)
    replacing = row(whole, older, version="v2", deleted_at=gone, replaces=older.version)
    supersede(whole.tables, whole.derived, [replacing])
    assert whole.files() == files
    assert whole.report(older).outcome is Outcome.SUPERSEDED
    assert row(whole, older).replaces is None
    supersede(whole.tables, whole.derived, [replacing])
    assert whole.files() == files


@pytest.mark.parametrize(
    "outcome", [Outcome.REJECTED, Outcome.DELETED, Outcome.DELETING, Outcome.SUPERSEDED]
)
def test_an_older_version_that_has_ended_keeps_its_end(whole: WholeWorld, outcome: Outcome) -> None:
    older = indexed(whole, "a")
    whole.tables.put(REPORTS, [whole.report(older).becomes(outcome)])
    supersede(
        whole.tables, whole.derived, [row(whole, older, version="v2", replaces=older.version)]
    )
    assert whole.report(older).outcome is outcome


def test_a_version_does_not_end_itself(whole: WholeWorld) -> None:
    ref = indexed(whole, "a")
    supersede(whole.tables, whole.derived, [row(whole, ref, replaces=ref.version)])
    assert whole.report(ref).outcome is Outcome.INDEXED


def test_a_row_that_replaces_nothing_ends_nothing(whole: WholeWorld) -> None:
    ref = indexed(whole, "a")
    files = whole.make_up(ref)
    supersede(whole.tables, whole.derived, [row(whole, ref)])
    assert (whole.files(), whole.report(ref).outcome) == (files, Outcome.INDEXED)

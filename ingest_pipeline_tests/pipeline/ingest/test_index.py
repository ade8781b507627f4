from datetime import timedelta

import pytest

from ingest_pipeline.pipeline.ingest.index import index, tombstone
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict
from ingest_pipeline_tests.pipeline.ingest.reports import NOW, asset, report, unread


def test_the_row_of_a_valid_object_tells_its_format() -> None:
    (row,) = values(index([report()]))
    assert row == asset().model_copy(
        update={
            "channel_count": 2,
            "frame_count": 480,
            "sample_rate": 48_000,
            "bits_per_sample": 24,
            "duration": "0.01",
        }
    )


@pytest.mark.parametrize(
    "found",
    [
        report(Verdict.REJECTED),
        report(Verdict.REJECTED, Outcome.REJECTED),
        report(Verdict.REJECTED, Outcome.KEPT),
        report(Verdict.VALID, Outcome.DELETED),
        unread(Outcome.DELETED),
        report(Verdict.UNJUDGED, Outcome.KEPT),
    ],
)
def test_whatever_is_not_valid_takes_an_older_version_out_of_the_index(found: Report) -> None:
    (row,) = values(index([found]))
    assert row.deleted_at is not None
    assert (row.bucket, row.file, row.version, row.judged_at) == ("ingest", "a.wav", "v1", NOW)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SUPERSEDED, Outcome.KEPT])
def test_whatever_was_not_read_leaves_the_index_alone(outcome: Outcome) -> None:
    assert values(index([unread(outcome)])) == []


def test_a_valid_object_that_was_never_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="never read"):
        index([report().model_copy(update={"probe": None})])


def replaced(found: Report, standing: Asset | None) -> str | None:
    """Which version's place a report's row says to take."""
    (row,) = values(index([found], [standing] if standing else []))
    return row.replaces


NEWER = report(version="v2")
INVALID = report(Verdict.REJECTED, version="v2")
DELETED = report(Verdict.VALID, Outcome.DELETED)


@pytest.mark.parametrize("found", [NEWER, INVALID])
def test_a_row_remembers_whose_place_it_takes(found: Report) -> None:
    assert replaced(found, asset()) == "v1"
    assert replaced(found, None) is None


@pytest.mark.parametrize("found", [NEWER, INVALID])
def test_what_a_tombstone_still_has_to_end_is_handed_on(found: Report) -> None:
    standing = asset("v1", is_deleted=True).model_copy(update={"replaces": "v0"})
    assert replaced(found, standing) == "v0"
    assert replaced(found, asset("v1", is_deleted=True)) is None


def test_the_same_version_again_takes_nobodys_place_but_that_which_it_had() -> None:
    assert replaced(report(), asset()) is None
    waiting = asset().model_copy(update={"replaces": "v0"})
    assert replaced(report(), waiting) == "v0"


def test_a_deleted_version_ends_itself() -> None:
    assert replaced(DELETED, asset()) == "v1"


def test_another_key_has_nothing_to_do_with_it() -> None:
    other = asset().model_copy(update={"file": "b.wav"})
    assert replaced(NEWER, other) is None


def test_a_pending_deletion_counts_as_deleted() -> None:
    (row,) = values(index([report(Verdict.VALID, Outcome.DELETING)]))
    assert row.is_deleted


def test_a_tombstone_holds_for_when_s3_was_asked() -> None:
    later = NOW + timedelta(seconds=5)
    gone = DELETED.model_copy(update={"deleted_at": later, "last_modified": None})
    row = tombstone(gone)
    assert (row.judged_at, row.deleted_at, row.last_modified) == (NOW, later, NOW)

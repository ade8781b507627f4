from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from ingest_pipeline.media.model import Reason
from ingest_pipeline.records.model import (
    Asset,
    ImageLabels,
    ObjectRef,
    Outcome,
    Preview,
    Rendition,
    Report,
    Verdict,
    is_settled,
)
from ingest_pipeline.values import Frozen

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(**fields: Any) -> Report:
    known = {
        "bucket": "b",
        "key": "k",
        "version": "v1",
        "day": "2026-03-01",
        "verdict": Verdict.VALID,
        "outcome": Outcome.PENDING,
        "judged_at": NOON,
    }
    return Report.model_validate(known | fields)


def asset(**fields: Any) -> Asset:
    known = {
        "bucket": "b",
        "file": "k",
        "version": "v2",
        "day": "2026-03-01",
        "last_modified": NOON,
        "judged_at": NOON,
    }
    return Asset.model_validate(known | fields)


def test_the_day_of_an_object_is_that_of_utc() -> None:
    east = timezone(timedelta(hours=9))
    ref = ObjectRef(bucket="b", key="k", arrived=datetime(2026, 3, 1, 8, 59, tzinfo=east))
    assert ref.day == "2026-02-28"


@pytest.mark.parametrize(
    ("version", "etag", "expected"),
    [("v", "e", "v"), (None, "e", "e"), (None, None, "unknown"), ("", "e", "e")],
)
def test_a_row_stands_under_the_best_name_that_a_version_has(
    version: str | None, etag: str | None, expected: str
) -> None:
    ref = ObjectRef(bucket="b", key="k", version=version, etag=etag, arrived=NOON)
    assert ref.row_version == expected


def test_a_report_names_the_object_that_it_is_of() -> None:
    named = report(etag="e", size=7, last_modified=NOON - timedelta(days=1)).ref
    assert (named.uri, named.row_version, named.etag, named.size) == ("s3://b/k", "v1", "e", 7)
    assert named.day == "2026-02-28", "it arrived when S3 took it, not when it was judged"
    assert report().ref.arrived == NOON


def test_a_version_that_is_the_content_itself_is_none_to_s3() -> None:
    assert report(version="e", etag="e").version_id is None
    assert report(version="v1", etag="e").version_id == "v1"


def test_a_report_says_every_reason_in_a_line() -> None:
    reasons = (
        Reason(rule="sample_rate", found="44100", wanted="48000"),
        Reason(rule="bits_per_sample", found="16", wanted="24"),
    )
    assert report(reasons=reasons).why == (
        "sample_rate 44100, wanted 48000; bits_per_sample 16, wanted 24"
    )
    assert report().why == ""


def test_a_report_becomes_another_outcome_and_nothing_else() -> None:
    before = report(size=7)
    after = before.becomes(Outcome.DELETED, deleted_at=NOON)
    assert (before.outcome, after.outcome, after.deleted_at) == (
        Outcome.PENDING,
        Outcome.DELETED,
        NOON,
    )
    assert after.becomes(Outcome.PENDING, deleted_at=None) == before


def test_only_what_is_under_way_or_failed_is_not_final() -> None:
    open_ones = {outcome for outcome in Outcome if not is_settled(report(outcome=outcome))}
    assert open_ones == {Outcome.PENDING, Outcome.FAILED}


@pytest.mark.parametrize(("replaces", "expected"), [(None, False), ("v2", False), ("v1", True)])
def test_a_row_is_new_where_it_took_the_place_of_another_version(
    replaces: str | None, *, expected: bool
) -> None:
    assert asset(replaces=replaces).is_new is expected


def test_a_row_with_a_time_of_deletion_is_a_tombstone() -> None:
    assert not asset().is_deleted
    assert asset(deleted_at=NOON).is_deleted


@pytest.mark.parametrize("row", [Report, Asset, Rendition, Preview, ImageLabels])
def test_every_column_that_the_ui_shows_is_described(row: type[Frozen]) -> None:
    assert [name for name, each in row.model_fields.items() if not each.description] == []


def test_a_row_takes_no_field_that_nobody_declared() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        report(colour="blue")

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from ingest_pipeline.records.model import Outcome, Report, Verdict
from ingest_pipeline.records.order import newest_first

SECOND = datetime(2026, 11, 24, 8, tzinfo=UTC)
JUDGED = SECOND + timedelta(minutes=1)


def report(
    version: str, *, ms: int = 0, judged: int = 0, sequencer: str | None = None, **fields: object
) -> Report:
    """A version that S3 took so many milliseconds after a full second."""
    return Report.model_validate(
        {
            "bucket": "ingest",
            "key": "a.wav",
            "version": version,
            "day": "2026-11-24",
            "last_modified": SECOND + timedelta(milliseconds=ms),
            "sequencer": sequencer,
            "verdict": Verdict.VALID,
            "outcome": Outcome.SUPERSEDED,
            "judged_at": JUDGED + timedelta(seconds=judged),
        }
        | fields
    )


def versions(*reports: Report) -> list[str]:
    """The order, which must not depend on the one that the reports come in."""
    orders = {
        tuple(each.version for each in newest_first(order)) for order in permutations(reports)
    }
    (order,) = orders
    return list(order)


def test_nothing_has_no_order() -> None:
    assert newest_first([]) == []


def test_the_second_decides_before_all_else() -> None:
    old = report("old", judged=9, sequencer="0B")
    new = report("new", ms=1000, sequencer="0A")
    bare = report("bare", ms=2000)
    assert versions(old, new, bare) == ["bare", "new", "old"]


def test_within_a_second_the_sequencer_decides() -> None:
    first = report("first", judged=9, sequencer="0055AED6DCD90281E5")
    second = report("second", judged=5, sequencer="0055AED6DCD90281E6")
    third = report("third", judged=1, sequencer="0055AED6DCD90281F0")
    assert versions(first, second, third) == ["third", "second", "first"]


def test_milliseconds_decide_nothing() -> None:
    """The one has the time of its event, the other S3's LastModified."""
    first = report("first", ms=950, sequencer="0A")
    second = report("second", ms=0, sequencer="0B")
    assert versions(first, second) == ["second", "first"]
    assert versions(report("first", ms=950), report("second", judged=1)) == ["second", "first"]


@pytest.mark.parametrize(
    ("older", "newer"), [("00A", "00A1"), ("0099", "00A"), ("00A", "00B0"), ("00A0F", "00A1")]
)
def test_a_shorter_sequencer_goes_on_with_zeros(older: str, newer: str) -> None:
    first, second = report("first", judged=1, sequencer=older), report("second", sequencer=newer)
    assert versions(first, second) == ["second", "first"]


def test_equal_sequencers_leave_it_to_the_looks() -> None:
    first, second = report("first", sequencer="0A0"), report("second", judged=1, sequencer="0A")
    assert versions(first, second) == ["second", "first"]


def test_where_a_sequencer_is_missing_the_looks_decide_for_all_of_its_second() -> None:
    first = report("first", judged=1, sequencer="0B")
    second = report("second", judged=2)
    third = report("third", judged=3, sequencer="0A")
    other = [
        report("later", ms=1000, judged=9, sequencer="0C"),
        report("latest", ms=1000, judged=8, sequencer="0D"),
    ]
    expected = ["latest", "later", "third", "second", "first"]
    assert versions(first, second, third, *other) == expected


def test_what_s3_did_not_date_has_the_time_of_its_look() -> None:
    dated = report("dated", ms=1000)
    undated = report("undated", last_modified=None, judged_at=SECOND + timedelta(seconds=2))
    assert versions(dated, undated) == ["undated", "dated"]


def test_a_reference_to_a_version_keeps_its_sequencer() -> None:
    assert report("v", sequencer="0A").ref.sequencer == "0A"

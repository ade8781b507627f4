from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from ingest_pipeline.values import FIRST_DAY, Frozen, Timestamp, object_uri


class Moment(Frozen):
    at: Timestamp


def told(moment: datetime) -> str:
    return str(Moment(at=moment).model_dump(mode="json")["at"])


def test_timestamps_compare_as_text_as_they_do_as_times() -> None:
    whole = datetime(2026, 3, 1, 12, tzinfo=UTC)
    moments = [whole, whole + timedelta(microseconds=1), whole + timedelta(milliseconds=500)]
    texts = [told(moment) for moment in moments]
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {len("2026-03-01T12:00:00.000000Z")}


def test_a_timestamp_is_told_in_utc_and_comes_back_as_the_same_moment() -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert told(moment) == "2026-02-28T23:30:00.000000Z"
    assert Moment.model_validate({"at": told(moment)}).at == moment


def test_a_time_without_a_zone_is_none() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Moment(at=datetime(2026, 3, 1))  # noqa: DTZ001 - it is what is refused


def test_a_value_neither_changes_nor_takes_what_nobody_declared() -> None:
    moment = Moment(at=FIRST_DAY)
    with pytest.raises(ValidationError, match="frozen"):
        moment.at = FIRST_DAY  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Moment.model_validate({"at": FIRST_DAY, "until": FIRST_DAY})


@pytest.mark.parametrize("key", ["a.wav", "a b/ü%2F+.wav", "new\nline", "/", "s3://x/y"])
def test_a_key_stands_in_its_uri_as_it_is(key: str) -> None:
    assert object_uri("bucket", key) == f"s3://bucket/{key}"

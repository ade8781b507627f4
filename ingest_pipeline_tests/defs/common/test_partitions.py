from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ingest_pipeline.defs.common.partitions import (
    ONE_RUN,
    arrival_days,
    day_range,
    session_days,
)
from ingest_pipeline.values import FIRST_DAY

NOW = datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "last"),
    [(arrival_days, "2026-03-01"), (session_days, "2026-03-02")],
)
def test_today_has_its_partition_from_its_first_second_and_sessions_tomorrow_too(
    days: dg.DailyPartitionsDefinition, last: str
) -> None:
    keys = days.get_partition_keys(current_time=NOW)
    assert (keys[0], keys[-1]) == (f"{FIRST_DAY:%Y-%m-%d}", last)
    assert len(keys) == (datetime.fromisoformat(last) - FIRST_DAY.replace(tzinfo=None)).days + 1


def test_a_day_is_one_of_utc() -> None:
    window = arrival_days.time_window_for_partition_key("2026-03-29")  # clocks change in Europe
    assert window.end - window.start == timedelta(days=1)
    assert window.start.utcoffset() == timedelta(0)


def test_a_backfill_of_many_days_is_one_run() -> None:
    assert ONE_RUN.policy_type.name == "SINGLE_RUN"


def test_days_stand_for_a_range_as_dagster_reads_it() -> None:
    tags = day_range("2026-03-01", "2026-03-03")

    @dg.asset(partitions_def=arrival_days, backfill_policy=ONE_RUN)
    def days(context: dg.AssetExecutionContext) -> dg.Output[list[str]]:
        return dg.Output(list(context.partition_keys))

    result = dg.materialize([days], tags=tags, resources={"io_manager": dg.mem_io_manager})
    assert result.output_for_node("days") == ["2026-03-01", "2026-03-02", "2026-03-03"]


def test_there_is_a_partition_for_each_day_a_session_can_be_dated() -> None:
    keys = session_days.get_partition_keys()
    assert keys[0] == f"{FIRST_DAY:%Y-%m-%d}"
    assert f"{datetime.now(UTC) + timedelta(hours=14):%Y-%m-%d}" in keys


def test_there_is_a_partition_for_each_day_an_object_can_arrive_on() -> None:
    keys = arrival_days.get_partition_keys()
    assert keys[0] == f"{FIRST_DAY:%Y-%m-%d}"
    assert f"{datetime.now(UTC):%Y-%m-%d}" in keys[-2:]

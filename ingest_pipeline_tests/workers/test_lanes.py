import pytest

from ingest_pipeline.workers.lanes import TAG, Lane, lane_limits, lane_of


def test_a_run_is_in_the_lane_that_its_tag_names() -> None:
    assert lane_of({TAG: "fresh"}) is Lane.FRESH
    assert lane_of({TAG: "transcode"}) is Lane.TRANSCODE


@pytest.mark.parametrize("tags", [{}, {TAG: "fast"}, {"dagster/backfill": "abc"}])
def test_a_run_of_no_lane_was_launched_for_whole_days(tags: dict[str, str]) -> None:
    assert lane_of(tags) is Lane.BACKFILL


@pytest.mark.parametrize("processes", [4, 5, 8, 64])
def test_whatever_else_is_going_on_a_process_is_left_for_what_is_fresh(processes: int) -> None:
    limits = {each["value"]: each["limit"] for each in lane_limits(processes, transcodes=1)}
    assert limits.keys() == set(Lane) - {Lane.FRESH}
    assert sum(limits.values()) == processes - 1

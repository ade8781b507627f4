"""Lanes: what a run waits behind, and what never waits behind it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

TAG = "ingest/lane"


class Lane(StrEnum):
    """In the order of their urgency."""

    FRESH = "fresh"  # somebody waits for the outcome of what was just uploaded
    LATER = "later"  # previews and labels: no outcome waits for a picture
    TRANSCODE = "transcode"  # a transcoding takes up to four cores for long
    BACKFILL = "backfill"  # whole days, and what a schedule looks after

    @property
    def queue(self) -> str:
        """The Celery queue of its runs."""
        return f"ingest.{self}"


def lane_of(tags: Mapping[str, str]) -> Lane:
    """The lane that a run's tags name; a run that nobody tagged was launched for whole days."""
    try:
        return Lane(tags.get(TAG, Lane.BACKFILL))
    except ValueError:
        return Lane.BACKFILL


def lane_limits(processes: int, transcodes: int) -> list[dict[str, Any]]:
    """Dagster's `tag_concurrency_limits`: together the others leave one process to what is fresh.

    `processes` are all there are, `transcodes` how many videos are transcoded at a time.
    """
    later = max(1, processes - transcodes - 2)
    limits = {Lane.LATER: later, Lane.TRANSCODE: transcodes, Lane.BACKFILL: 1}
    return [{"key": TAG, "value": str(lane), "limit": limit} for lane, limit in limits.items()]

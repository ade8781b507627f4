"""Which version of a key is newer."""

from collections.abc import Iterable
from datetime import datetime

from more_itertools import flatten, map_reduce

from ingest_pipeline.records.model import Report


def newest_first(reports: Iterable[Report]) -> list[Report]:
    """The versions of one key, the newest first.

    S3 tells LastModified in whole seconds, events tell milliseconds: only whole seconds are
    compared. Within one the events' sequencers decide. Where a version has none (its event never
    came, or its row is older than the field) the looks at all versions of that second do: a mix of
    both would put A before B, B before C and C before A.
    """
    by_second = map_reduce(reports, _second)
    seconds = sorted(by_second, reverse=True)
    return list(flatten(_of_one_second(by_second[second]) for second in seconds))


def _second(report: Report) -> datetime:
    return (report.last_modified or report.judged_at).replace(microsecond=0)


def _of_one_second(reports: list[Report]) -> list[Report]:
    judged = sorted(reports, key=lambda report: report.judged_at, reverse=True)
    width = max(len(report.sequencer or "") for report in reports)
    if not all(report.sequencer for report in reports):
        return judged
    return sorted(judged, key=lambda report: _padded(report, width), reverse=True)


def _padded(report: Report, width: int) -> str:
    """S3 compares sequencers as text, the shorter one filled up with zeros at its end."""
    return (report.sequencer or "").ljust(width, "0")

"""The last word on each object of a batch."""

from collections.abc import Iterable

from ingest_pipeline.records.model import (
    Asset,
    Outcome,
    Report,
    Verdict,
)


def settle(
    reports: Iterable[Report], assets: Iterable[Asset], rejected: Iterable[Report]
) -> list[Report]:
    """The reports with the outcome that the index and the rejection came to.

    `assets` is the index as it stands after this batch wrote to it. A valid version that is not
    in it gave way to a newer one. `rejected` may hold other reports of the day beside: a run that
    is repeated from here reads back all.
    """
    live = {(asset.bucket, asset.file): asset.version for asset in assets if not asset.deleted_at}
    dealt_with = {
        (report.uri, report.version): report
        for report in rejected
        if report.verdict is Verdict.REJECTED
    }
    return [
        dealt_with.get((report.uri, report.version)) or _settle_valid(report, live)
        for report in reports
    ]


def _settle_valid(report: Report, live: dict[tuple[str, str], str]) -> Report:
    if report.outcome is not Outcome.PENDING or report.verdict is not Verdict.VALID:
        return report
    indexed = live.get((report.bucket, report.key)) == report.version
    return report.becomes(Outcome.INDEXED if indexed else Outcome.SUPERSEDED)


def wrongly_removed(outcomes: Iterable[Report]) -> list[Report]:
    """Rejected objects without a broken rule: there must never be one."""
    return [
        report
        for report in outcomes
        if report.outcome is Outcome.REJECTED
        and (report.verdict is not Verdict.REJECTED or not report.reasons)
    ]

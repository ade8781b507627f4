"""The last word on each object of a batch."""

from collections.abc import Iterable

from ingest_pipeline.pipeline.result import Done, Refused, Result, RetryLater
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict, is_settled


def finalize(
    reports: Iterable[Report], assets: Iterable[Asset], rejected: Iterable[Report]
) -> list[Result[Report]]:
    """The reports with the outcome that the index and the rejection came to.

    `assets` is the index as it stands after this batch wrote to it. A valid version is superseded
    only where the index shows what took its place: one that the index does not know yet belongs to
    a run that is still at work, and stays pending.
    """
    standing = {(asset.bucket, asset.file): asset for asset in assets}
    dealt_with = {(report.uri, report.version): report for report in rejected}
    return [
        _answer(
            dealt_with.get((report.uri, report.version))
            or _valid(report, standing.get((report.bucket, report.key)))
        )
        for report in reports
    ]


def _valid(report: Report, standing: Asset | None) -> Report:
    if report.outcome is not Outcome.PENDING or report.verdict is not Verdict.VALID:
        return report
    if standing is None or standing.judged_at < report.judged_at:
        return report
    if standing.version != report.version:
        return report.becomes(Outcome.SUPERSEDED)
    if standing.is_deleted:  # somebody asked for it while this batch was at work
        return report.becomes(Outcome.DELETING)
    return report.becomes(Outcome.INDEXED)


def _answer(report: Report) -> Result[Report]:
    if not is_settled(report):
        return RetryLater(report.ref, report.why or "not in the index yet", report)
    if report.verdict is Verdict.REJECTED:
        return Refused(report.ref, report.why, report)
    return Done(report.ref, report)


def wrongly_removed(outcomes: Iterable[Report]) -> list[Report]:
    """Rejected objects without a broken rule: there must never be one."""
    return [
        report
        for report in outcomes
        if report.outcome is Outcome.REJECTED
        and (report.verdict is not Verdict.REJECTED or not report.reasons)
    ]

from datetime import timedelta

import pytest

from ingest_pipeline.pipeline.ingest.finalize import finalize, wrongly_removed
from ingest_pipeline.pipeline.result import Done, RetryLater, values
from ingest_pipeline.records.model import Asset, Outcome, Report, Verdict
from ingest_pipeline_tests.pipeline.ingest.reports import NOW, asset, report, unread


def settled(found: Report, assets: list[Asset], rejected: list[Report]) -> Outcome:
    (outcome,) = values(finalize([found], assets, rejected))
    return outcome.outcome


def test_a_valid_version_in_the_index_is_indexed() -> None:
    assert settled(report(), [asset()], []) is Outcome.INDEXED


def test_a_valid_version_gave_way_where_the_index_shows_to_what() -> None:
    assert settled(report(), [asset("v2")], []) is Outcome.SUPERSEDED
    assert settled(report(), [asset("v2", is_deleted=True)], []) is Outcome.SUPERSEDED


def test_a_valid_version_whose_deletion_was_asked_for_meanwhile_waits_for_it() -> None:
    (result,) = finalize([report()], [asset(is_deleted=True)], [])
    assert isinstance(result, Done)
    assert result.value is not None
    assert result.value.outcome is Outcome.DELETING


@pytest.mark.parametrize("standing", [None, asset("v0")])
def test_what_the_index_does_not_show_yet_belongs_to_a_run_at_work(standing: Asset | None) -> None:
    earlier = [standing.model_copy(update={"judged_at": NOW - timedelta(1)})] if standing else []
    (result,) = finalize([report()], earlier, [])
    assert isinstance(result, RetryLater)
    assert result.value == report()


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.KEPT, Outcome.FAILED])
def test_a_rejected_version_comes_to_what_the_rejection_came_to(outcome: Outcome) -> None:
    rejected = report(Verdict.REJECTED, outcome)
    assert settled(report(Verdict.REJECTED), [], [rejected]) is outcome


def test_a_rejected_version_that_was_not_dealt_with_stays_open() -> None:
    assert settled(report(Verdict.REJECTED), [], []) is Outcome.PENDING
    other = report(Verdict.REJECTED, Outcome.REJECTED, version="v2")
    assert settled(report(Verdict.REJECTED), [], [other]) is Outcome.PENDING


@pytest.mark.parametrize("found", [unread(outcome) for outcome in Outcome])
def test_what_was_not_judged_keeps_its_outcome(found: Report) -> None:
    assert values(finalize([found], [asset()], [])) == [found]


def test_a_removal_needs_a_broken_rule_on_record() -> None:
    fine = [report(Verdict.REJECTED, Outcome.REJECTED), report(), unread(Outcome.DELETED)]
    wrong = [
        report(Verdict.VALID, Outcome.REJECTED),
        report(Verdict.REJECTED, Outcome.REJECTED).model_copy(update={"reasons": ()}),
    ]
    assert wrongly_removed([*fine, *wrong]) == wrong

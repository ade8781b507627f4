from datetime import UTC, datetime, timedelta

import pytest

from ingest_pipeline.pipeline.ingest.reconcile import Difference
from ingest_pipeline.pipeline.leftovers import Leftover
from ingest_pipeline.pipeline.reconciliation import Reconciled, recent_days
from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.audit import Put
from ingest_pipeline_tests.whole_world import WholeWorld
from ingest_pipeline_tests.world import bodies


def test_what_agrees_is_left_alone(whole: WholeWorld) -> None:
    whole.arrive("a", wavs.valid())
    assert whole.reconcile() == (Reconciled(), [])


def test_it_looks_in_all_directions_at_once(whole: WholeWorld) -> None:
    deleted, removed = whole.arrive("deleted", wavs.valid()), whole.arrive("removed", wavs.valid())
    asked, lacking = whole.arrive("asked", wavs.valid()), whole.put("lacking", wavs.valid())
    whole.wired.ingest([lacking])
    missed = whole.put("missed", wavs.valid())
    whole.order(asked)
    whole.delete(deleted)
    whole.remove("removed")
    whole.make_up(deleted)  # by a run that died before it asked again
    for names in (whole.system.queues.delete, whole.system.queues.enrichment):
        bodies(names.queue)
    done, found = whole.reconcile()
    problems = {each.uri.rpartition("/")[2]: each.problem for each in reversed(found)}
    assert (done.differences, done.sent) == (3, 3)
    assert done.leftovers == done.removed == 4 + 6
    assert done.requested == 1
    assert problems["missed"] == "in the bucket, without a report"
    assert problems["removed"] == "in the index, not in the bucket"
    assert problems["asked"] == "its deletion was asked for and not carried out"
    assert "which is not in the index" in problems["deleted"]
    ended = [Put(ref, Outcome.DELETED) for ref in (deleted, removed, asked)]
    assert whole.audit(*ended, *(Put(ref, Outcome.INDEXED) for ref in (lacking, missed))) == []
    assert whole.reconcile() == (Reconciled(), [])


def test_a_look_alone_changes_nothing_and_tells_the_same(whole: WholeWorld) -> None:
    ref = whole.arrive("a", wavs.valid())
    whole.make_up(ref)
    whole.delete(ref)
    whole.put("missed", wavs.valid())
    whole.make_up(ref)
    files = whole.files()
    reconciliation = whole.wired.reconciler.reconciliation
    told: list[Difference | Leftover] = []
    looked = reconciliation.run(timedelta(0), told.append, dry_run=True)
    assert (looked.sent, looked.removed, looked.requested) == (0, 0, 0)
    assert whole.files() == files
    assert bodies(whole.system.queues.ingest.queue) == []
    done, found = whole.reconcile()
    assert (done.differences, done.leftovers) == (looked.differences, looked.leftovers)
    assert [str(each) for each in found] == [str(each) for each in told]


def test_what_is_young_is_left_to_its_run(whole: WholeWorld) -> None:
    ref = whole.arrive("a", wavs.valid())
    whole.order(ref)
    bodies(whole.system.queues.delete.queue)
    whole.put("missed", wavs.valid())
    told: list[Difference | Leftover] = []
    done = whole.wired.reconciler.reconciliation.run(timedelta(hours=1), told.append)
    assert (done, told) == (Reconciled(), [])


def test_it_never_asks_for_what_is_not_current(whole: WholeWorld) -> None:
    older = whole.put("a", wavs.valid())
    whole.wired.ingest([older])
    whole.wired.ingest([whole.put("a", wavs.wrong_rate())])
    bodies(whole.system.queues.enrichment.queue)
    done, found = whole.reconcile()
    assert (done.requested, found) == (0, [])
    assert whole.files() == []


def test_what_it_did_is_told_in_a_line() -> None:
    assert str(Reconciled(1, 2, 3, 4, 5)) == (
        "1 differences, 2 objects sent through the queue again; 3 leftovers, 4 removed; "
        "5 objects asked for again what they lack"
    )


@pytest.mark.parametrize("ago", [0, 1])
def test_recent_is_today_and_yesterday(ago: int) -> None:
    day = (datetime.now(UTC) - timedelta(days=ago)).strftime("%Y-%m-%d")
    assert day in recent_days()
    assert len(recent_days()) == 2

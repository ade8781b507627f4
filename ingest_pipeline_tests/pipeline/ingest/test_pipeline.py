"""The whole way without Dagster: what `sessions` and the tests of others bring in by themselves."""

from collections.abc import Callable, Sequence

import pytest

from ingest_pipeline.pipeline.ingest.pipeline import Ingested, ingest
from ingest_pipeline.pipeline.result import Done, Refused
from ingest_pipeline.records.model import ObjectRef, Outcome, Report
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World

Ingest = Callable[[Sequence[ObjectRef]], Ingested]


@pytest.fixture
def told() -> list[Report]:
    """The outcomes that were followed up, with what was on record then."""
    return []


@pytest.fixture
def ingest_all(world: World, told: list[Report]) -> Ingest:
    wired = world.wired

    def follow_up(outcomes: Sequence[Report]) -> None:
        assert [world.report(each.ref).outcome for each in outcomes] == [
            each.outcome for each in outcomes
        ], "it is told what is on record"
        told.extend(outcomes)

    def run(refs: Sequence[ObjectRef]) -> Ingested:
        return ingest(
            refs,
            tables=world.tables,
            derived=wired.derived.derived,
            validator=wired.validator.validator(),
            rejector=wired.rejector.rejector(),
            follow_up=follow_up,
        )

    return run


def test_each_object_comes_to_its_outcome_and_its_neighbours_to_theirs(
    world: World, ingest_all: Ingest, told: list[Report]
) -> None:
    good = world.put("good.wav", wavs.valid())
    bad = world.put("bad.wav", wavs.wrong_rate())
    kept = world.put("keep/bad.wav", wavs.wrong_rate())
    gone = world.put("gone.wav", wavs.valid())
    world.remove("gone.wav")
    done = ingest_all([good, bad, kept, gone])
    assert [type(each) for each in done.results] == [Done, Refused, Refused, Done]
    assert done.outcomes == told
    assert {each.key: each.outcome for each in told} == {
        "good.wav": Outcome.INDEXED,
        "bad.wav": Outcome.REJECTED,
        "keep/bad.wav": Outcome.KEPT,
        "gone.wav": Outcome.DELETED,
    }
    assert world.is_indexed("good.wav")
    assert world.content("bad.wav") is None
    assert world.content("keep/bad.wav") == wavs.wrong_rate()


def test_what_each_step_made_of_them_is_told(world: World, ingest_all: Ingest) -> None:
    good = world.put("good.wav", wavs.valid())
    bad = world.put("bad.wav", wavs.wrong_rate())
    before = ingest_all([good])
    world.remove("good.wav")
    done = ingest_all([bad, good])
    assert [each.outcome for each in before.judged] == [Outcome.PENDING]
    assert (before.judged_rows, before.indexed_rows, before.rejected) == (1, 1, [])
    assert [each.key for each in done.judged] == ["bad.wav", "good.wav"]
    assert {each.file for each in done.indexed if each.is_deleted} == {"bad.wav", "good.wav"}
    assert [each.outcome for each in done.rejected] == [Outcome.REJECTED]
    assert (done.judged_rows, done.indexed_rows) == (2, 2)


def test_a_newer_version_ends_the_older_one(world: World, ingest_all: Ingest) -> None:
    old = world.put("a.wav", wavs.valid())
    ingest_all([old])
    new = world.put("a.wav", wavs.valid(960))
    ingest_all([new])
    assert world.report(old).outcome is Outcome.SUPERSEDED
    assert world.report(new).outcome is Outcome.INDEXED
    row = world.asset("a.wav")
    assert row is not None
    assert row.version == new.version


def test_doing_it_again_changes_nothing(world: World, ingest_all: Ingest) -> None:
    ref = world.put("a.wav", wavs.valid())
    for _ in range(2):
        ingest_all([ref])
        assert world.report(ref).outcome is Outcome.INDEXED
        assert world.is_indexed("a.wav")


def test_no_objects_are_a_fine_number(ingest_all: Ingest, told: list[Report]) -> None:
    assert ingest_all([]).results == []
    assert told == []

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from more_itertools import chunked

from ingest_pipeline.media.rules.sources import Sources, load_sources
from ingest_pipeline.pipeline.ingest.whole_days import WholeDays, begin
from ingest_pipeline.records.model import Outcome, Report
from ingest_pipeline.records.tables import REPORTS, UNFINISHED_DAYS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.pipeline.ingest.reports import report
from ingest_pipeline_tests.world import World

_DAYS = count(1)
HOUR = timedelta(hours=1)
MAY_STAND = {Outcome.PENDING, Outcome.INDEXED, Outcome.KEPT, Outcome.FAILED}


@pytest.fixture
def day(world: World) -> Iterator[str]:
    """A day of the test's own: the tables are everybody's."""
    mine = f"2018-01-{next(_DAYS):02}"
    yield mine
    world.tables.delete(UNFINISHED_DAYS, {"listing": "unfinished", "day": mine})


def judged(
    world: World,
    day: str,
    key: str,
    outcome: Outcome = Outcome.INDEXED,
    *,
    ago: timedelta = HOUR,
    run: str | None = "an-earlier-run",
) -> Report:
    """A report on record, of something that was judged some time ago."""
    row = report(outcome=outcome).model_copy(
        update={
            "bucket": world.bucket,
            "key": key,
            "day": day,
            "judged_at": datetime.now(UTC) - ago,
            "run_id": run,
        }
    )
    world.tables.put(REPORTS, [row])
    return row


def begun(
    world: World, *days: str, run: str = "a-run", sources: Sources | None = None
) -> WholeDays:
    return begin(world.clients.s3, world.tables, sources or rules(world), run, days)


def rules(world: World) -> Sources:
    return load_sources(world.settings.sources)


def left(whole: WholeDays) -> list[str]:
    return [ref.key for ref in whole.refs()]


def test_what_may_stand_in_its_bucket_is_looked_at_again_in_the_order_of_judging(
    world: World, day: str
) -> None:
    for number, outcome in enumerate(Outcome):
        judged(world, day, outcome.value, outcome, ago=(9 - number) * HOUR)
    judged(world, day, "of no run", ago=HOUR / 2, run=None)
    whole = begun(world, day)
    expected = [each.value for each in Outcome if each in MAY_STAND] + ["of no run"]
    assert (whole.total, whole.done_before, whole.resumed) == (5, 0, frozenset())
    assert left(whole) == expected
    assert str(whole) == "5 of 5 objects"


def test_a_version_is_named_as_its_report_has_it(world: World, day: str) -> None:
    row = judged(world, day, "a.wav")
    assert list(begun(world, day).refs()) == [row.ref]


def test_what_this_run_has_judged_is_not_met_again_though_its_clock_is_behind(
    world: World, day: str
) -> None:
    whole = begun(world, day, run="mine")
    judged(world, day, "a.wav", run="mine", ago=HOUR)
    judged(world, day, "b.wav", ago=HOUR)
    assert left(whole) == ["b.wav"]


def test_of_many_pages_each_is_met_once_though_judging_moves_it(world: World, day: str) -> None:
    rows = [
        report(outcome=Outcome.INDEXED).model_copy(
            update={"bucket": world.bucket, "key": f"{number:04}.wav", "day": day}
        )
        for number in range(1_100)
    ]
    world.tables.put(REPORTS, rows)
    whole = begun(world, day, run="mine")
    met: list[str] = []
    for refs in chunked(whole.refs(), 250):
        met += [ref.key for ref in refs]
        now = {"judged_at": datetime.now(UTC), "run_id": "mine"}
        world.tables.put(REPORTS, [rows[int(ref.key[:4])].model_copy(update=now) for ref in refs])
    assert met == [row.key for row in rows]
    assert str(whole) == "1100 of 1100 objects"


def test_what_arrives_meanwhile_is_done(world: World, day: str) -> None:
    judged(world, day, "a.wav")
    whole = begun(world, day)
    judged(world, day, "fresh.wav", ago=timedelta(0))
    assert left(whole) == ["a.wav"]
    again = begun(world, day, run="another")
    assert (again.total, again.done_before) == (1, 1)


def test_an_unfinished_day_is_gone_on_with_where_it_was_left(world: World, day: str) -> None:
    for key in ("0.wav", "1.wav", "2.wav", "3.wav"):
        judged(world, day, key)
    first = begun(world, day, run="killed")
    judged(world, day, "0.wav", run="killed", ago=timedelta(0))
    judged(world, day, "1.wav", Outcome.PENDING, run="killed", ago=timedelta(0))
    judged(world, day, "2.wav", Outcome.FAILED, run="killed", ago=timedelta(0))
    again = begun(world, day, run="another")
    assert again.days == first.days
    assert again.resumed == frozenset(first.days)
    assert (again.total, again.done_before) == (3, 1)
    assert left(again) == ["1.wav", "2.wav", "3.wav"]


def test_what_fails_again_is_tried_once_a_run(world: World, day: str) -> None:
    judged(world, day, "a.wav")
    begun(world, day, run="killed")
    judged(world, day, "a.wav", Outcome.FAILED, run="killed", ago=timedelta(0))
    again = begun(world, day, run="another")
    met = []
    for ref in again.refs():
        met.append(ref.key)
        judged(world, day, ref.key, Outcome.FAILED, run="another", ago=timedelta(0))
    assert met == ["a.wav"]


def test_a_finished_day_begins_anew(world: World, day: str) -> None:
    judged(world, day, "a.wav")
    first = begun(world, day)
    first.finish()
    judged(world, day, "a.wav", run="a-run", ago=timedelta(0))
    again = begun(world, day, run="another")
    assert again.resumed == frozenset()
    assert left(again) == ["a.wav"]


def test_other_rules_begin_anew(world: World, day: str) -> None:
    begun(world, day)
    judged(world, day, "a.wav", run="a-run", ago=timedelta(0))
    text = world.settings.sources.read_text()
    world.settings.sources.write_text(f"# the same in other words\n{text}")
    assert begun(world, day).resumed
    world.settings.sources.write_text(text.replace("sample_rate = 48000", "sample_rate = 44100"))
    again = begun(world, day, run="another")
    assert again.resumed == frozenset()
    assert left(again) == ["a.wav"]


def test_what_was_left_long_ago_begins_anew(world: World, day: str) -> None:
    (first,) = begun(world, day).days
    long_ago = first.model_copy(update={"began_at": first.began_at - timedelta(days=8)})
    world.tables.put(UNFINISHED_DAYS, [long_ago])
    judged(world, day, "a.wav")
    again = begun(world, day, run="another")
    assert again.resumed == frozenset()
    assert left(again) == ["a.wav"]


def test_of_several_days_those_that_are_done_are_not_done_again(world: World, day: str) -> None:
    other = f"2019{day[4:]}"
    judged(world, day, "a.wav")
    judged(world, other, "b.wav")
    begun(world, day, other, run="killed")
    judged(world, day, "a.wav", run="killed", ago=timedelta(0))
    again = begun(world, day, other, run="another")
    assert (again.total, again.done_before) == (1, 1)
    assert left(again) == ["b.wav"]
    again.finish()


def test_what_is_of_no_source_any_more_is_passed_over(world: World, day: str) -> None:
    judged(world, day, "a.wav")
    sources = rules(world)
    (bucket, *_) = sources.source
    elsewhere = bucket.model_copy(update={"bucket": "elsewhere"})
    whole = begun(world, day, sources=sources.model_copy(update={"source": (elsewhere,)}))
    assert left(whole) == []
    assert str(whole) == "1 of 1 objects"


def test_the_buckets_show_what_has_no_report_or_stands_although_it_says_otherwise(
    world: World,
) -> None:
    unknown = world.put("unknown.wav", wavs.valid())
    known = world.put("known.wav", wavs.valid())
    rejected = world.put("rejected.wav", wavs.wrong_rate())
    gone = world.put("gone.wav", wavs.valid())
    world.remove("gone.wav")
    (judged_before,) = world.ingest([rejected])
    world.put("rejected.wav", wavs.wrong_rate())
    world.tables.put(REPORTS, [judged_before])
    whole = begun(world, unknown.day)
    world.ingest([known])
    assert world.report(known).judged_at >= whole.days[0].began_at
    found = {ref.key: ref.version for ref in whole.refs(list_buckets=True)}
    assert found.keys() == {"unknown.wav", "rejected.wav"}
    assert found["unknown.wav"] == unknown.version
    assert gone.key not in found
    assert set(left(begun(world, "2015-01-01"))) == set()
    whole.finish()

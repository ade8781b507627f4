from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest

from ingest_pipeline.defs.common.io_managers import (
    TABLE,
)
from ingest_pipeline.defs.common.pages import MadeReports, ReportPages, Tally
from ingest_pipeline.defs.common.partitions import arrival_days
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.defs.runs import RANGE_END, RANGE_START
from ingest_pipeline_tests.world import World

Materialize = Callable[..., dg.ExecuteInProcessResult]


def report(world: World, key: str, day: str, *, is_read: bool = True) -> Report:
    return Report(
        bucket=world.bucket,
        key=key,
        version="v1",
        day=day,
        probe=Probe(kind=Kind.AUDIO) if is_read else None,
        verdict=Verdict.VALID if is_read else Verdict.UNJUDGED,
        outcome=Outcome.INDEXED if is_read else Outcome.DELETED,
        judged_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )


class Pipeline:
    """An asset that writes these rows, and one that notes what it reads of them."""

    def __init__(self, instance: dg.DagsterInstance, rows: list[Report]) -> None:
        self.read: list[Report] = []
        self._instance = instance

        @dg.asset(
            partitions_def=arrival_days,
            io_manager_key="tables",
            metadata={TABLE: REPORTS.name},
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def written() -> MadeReports:
            return MadeReports([rows], Tally(), lambda _tally: {})

        @dg.asset(partitions_def=arrival_days, backfill_policy=dg.BackfillPolicy.single_run())
        def reader(written: ReportPages) -> None:
            self.read = sorted((row for page in written for row in page), key=lambda row: row.key)

        self._assets = [written, reader]

    def materialize(self, first: str, last: str, *names: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            self._assets,
            instance=self._instance,
            resources={"tables": resources(settings()).dynamodb_io_manager},
            tags={RANGE_START: first, RANGE_END: last},
            selection=list(names),
        )


def test_rows_come_back_in_the_run_that_wrote_them_without_others_of_the_day(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    day = "2016-01-01"
    our_world.tables.put(REPORTS, [report(our_world, "other.wav", day)])
    rows = [report(our_world, f"{n}.wav", day) for n in range(3)]
    pipeline = Pipeline(instance, rows)
    result = pipeline.materialize(day, day, "written", "reader")
    assert pipeline.read == rows
    (event,) = result.asset_materializations_for_node("written")
    assert event.metadata["rows written"].value == 3
    assert event.metadata["rows that gave way"].value == 0


@pytest.mark.parametrize("days", [("2016-02-01", "2016-02-01"), ("2016-02-01", "2016-02-03")])
def test_another_run_reads_all_rows_of_its_partitions(
    our_world: World, instance: dg.DagsterInstance, days: tuple[str, str]
) -> None:
    rows = [report(our_world, f"{day}.wav", f"2016-02-0{day}") for day in range(1, 5)]
    pipeline = Pipeline(instance, rows)
    pipeline.materialize(*days, "written")
    pipeline.materialize(*days, "reader")
    read = [row for row in pipeline.read if row.bucket == our_world.bucket]
    assert read == [row for row in rows if days[0] <= row.day <= days[1]]


def test_a_stored_row_that_won_comes_back(our_world: World, instance: dg.DagsterInstance) -> None:
    day = "2016-03-01"
    stored = report(our_world, "a.wav", day)
    our_world.tables.put(REPORTS, [stored])
    new = report(our_world, "b.wav", day, is_read=False)
    pipeline = Pipeline(instance, [report(our_world, "a.wav", day, is_read=False), new])
    result = pipeline.materialize(day, day, "written", "reader")
    assert pipeline.read == [stored, new]
    (event,) = result.asset_materializations_for_node("written")
    assert event.metadata["rows that gave way"].value == 1


def test_no_rows_are_a_fine_number(our_world: World, instance: dg.DagsterInstance) -> None:
    day = "2016-04-01"
    our_world.tables.put(REPORTS, [report(our_world, "other.wav", day)])
    pipeline = Pipeline(instance, [])
    assert pipeline.materialize(day, day, "written", "reader").success
    assert pipeline.read == []

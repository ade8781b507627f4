import json
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest
from more_itertools import chunked

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.defs.common.io_managers import TABLE
from ingest_pipeline.defs.common.last_step import LastStep
from ingest_pipeline.defs.common.pages import TOGETHER, MadeReports, ReportPages, Tally
from ingest_pipeline.defs.common.partitions import arrival_days
from ingest_pipeline.defs.common.resources.queues import BATCH_TAG
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.pipeline.queue import leases as leases_module
from ingest_pipeline.pipeline.queue.batching import Batch
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, Verdict
from ingest_pipeline.records.tables import PREVIEWS, REPORTS, report_key
from ingest_pipeline.settings import settings
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import (
    RANGE_END,
    RANGE_START,
    enrich_objects,
    executed,
    ingest_objects,
    objects_config,
    requests,
    run,
)
from ingest_pipeline_tests.world import World, bodies

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
        self.largest_page = 0
        self._instance = instance

        @dg.asset(
            partitions_def=arrival_days,
            io_manager_key="tables",
            metadata={TABLE: REPORTS.name},
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def written() -> MadeReports:
            return MadeReports(chunked(rows, TOGETHER), Tally(), lambda _tally: {})

        @dg.asset(partitions_def=arrival_days, backfill_policy=dg.BackfillPolicy.single_run())
        def reader(written: ReportPages) -> None:
            pages = list(written)
            self.largest_page = max(map(len, pages), default=0)
            self.read = sorted((row for page in pages for row in page), key=lambda row: row.key)

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


def many(world: World, day: str) -> list[Report]:
    """More rows than are held on to."""
    return [report(world, f"{number:04}.wav", day) for number in range(2 * TOGETHER + 50)]


def test_a_whole_day_is_read_in_pages_of_bounded_size(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    day = "2016-05-01"
    rows = many(our_world, day)
    our_world.tables.put(REPORTS, rows)
    pipeline = Pipeline(instance, [])
    pipeline.materialize(day, day, "reader")
    assert [row for row in pipeline.read if row.bucket == our_world.bucket] == rows
    assert pipeline.largest_page == TOGETHER


def test_of_many_rows_only_those_come_that_the_run_wrote_and_in_pages(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    day = "2016-06-01"
    our_world.tables.put(REPORTS, [report(our_world, "other.wav", day)])
    rows = many(our_world, day)
    pipeline = Pipeline(instance, rows)
    pipeline.materialize(day, day, "written", "reader")
    assert pipeline.read == rows
    assert pipeline.largest_page == TOGETHER


def in_partition(ref: ObjectRef, batch: Batch) -> dict[str, str]:
    return {"dagster/partition": ref.day, BATCH_TAG: batch.id}


def test_a_reexecution_reads_its_own_batch_and_leaves_concurrent_ones_to_their_runs(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, older = our_world.put("mine.wav", wavs.valid()), our_world.put("b.wav", wavs.valid())
    our_world.ingest([older])
    our_world.send(mine)
    (batch,) = our_world.wired.ingest_consumer.consumer.poll(slots=1)
    config, tags = objects_config([mine]), in_partition(mine, batch)
    with monkeypatch.context() as dying:
        dying.setattr("ingest_pipeline.defs.ingest.assets.finalize", no_time_left)
        died = executed(ingest_objects, instance, config, tags)
    assert not died.success
    assert our_world.report(mine).outcome is Outcome.PENDING

    # Another run of the same day is between its first and its last step: the newer version is in
    # the index, and not final.
    newer = our_world.put("b.wav", wavs.valid(960))
    steps = ("probe_report", "valid_asset_index", "rejected_objects")
    assert run(instance, newer.day, [newer], assets=steps).success

    again = executed(ingest_objects, instance, config, tags, failed_run=died.run_id)
    assert again.success
    (event,) = again.asset_materializations_for_node("ingest_receipts")
    assert (event.metadata["objects"].value, event.metadata["messages"].value) == (1, 1)
    assert again.asset_materializations_for_node("probe_report") == [], "it begins where it failed"
    assert our_world.report(mine).outcome is Outcome.INDEXED
    assert our_world.report(older).outcome is Outcome.INDEXED, "the newer one is not final yet"
    assert our_world.report(newer).outcome is Outcome.PENDING


def no_time_left(*_: object) -> None:
    raise InterruptedError("as if the process had been killed")


def test_answers_of_another_run_are_what_is_on_record(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "_RETRY_SECONDS", 0)
    ref = our_world.put("a.wav", wavs.valid())
    our_world.ingest([ref])
    queue = our_world.system.queues.enrichment.queue
    queue.send(ingest_body(ref))
    (request,) = requests(instance, "enrich_objects_sensor")
    tags = {**request.tags, "dagster/partition": str(request.partition_key)}
    with monkeypatch.context() as dying:
        dying.setattr(LastStep, "acknowledge", no_time_left)
        died = executed(enrich_objects, instance, request.run_config, tags)
    assert not died.success

    key = report_key(ref.uri, ref.row_version)
    preview = our_world.tables.get(PREVIEWS, key)
    assert preview is not None
    our_world.tables.delete(PREVIEWS, key)
    lacking = executed(enrich_objects, instance, request.run_config, tags, died.run_id)
    assert not lacking.success, "its preview is not on record"
    assert [json.loads(body) for body in bodies(queue)] == [json.loads(ingest_body(ref))]

    queue.send(ingest_body(ref))
    our_world.tables.put(PREVIEWS, [preview])
    again = executed(enrich_objects, instance, request.run_config, tags, died.run_id)
    assert again.success
    assert again.asset_materializations_for_node("previews") == []

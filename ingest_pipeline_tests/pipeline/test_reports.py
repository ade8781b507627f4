from datetime import UTC, datetime, timedelta

from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.records.model import Outcome, Report, Verdict
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline_tests.world import World, some_ref

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def put(world: World, key: str, *versions: str) -> dict[str, Report]:
    """A report of each version, the newest last; each version's ETag is its name in capitals."""
    reports = {
        version: Report(
            bucket=world.bucket,
            key=key,
            version=version,
            etag=version.upper(),
            day="2026-03-01",
            verdict=Verdict.VALID,
            outcome=Outcome.INDEXED,
            judged_at=NOON + timedelta(seconds=number),
        )
        for number, version in enumerate(versions)
    }
    world.tables.put(REPORTS, reports.values())
    return reports


def test_a_version_means_its_own_report(world: World) -> None:
    reports = put(world, "k", "a", "b")
    assert reports_of(world.tables, [some_ref(world.bucket, "k", version="a")]) == [reports["a"]]


def test_a_key_alone_means_its_newest_report_and_not_the_last_by_name(world: World) -> None:
    reports = put(world, "k", "z", "a")
    assert reports_of(world.tables, [some_ref(world.bucket, "k")]) == [reports["a"]]


def test_a_listing_means_the_content_that_it_saw(world: World) -> None:
    reports = put(world, "k", "a", "b")
    assert reports_of(world.tables, [some_ref(world.bucket, "k", etag="A")]) == [reports["a"]]
    assert reports_of(world.tables, [some_ref(world.bucket, "k", etag="other")]) == []


def test_a_report_that_is_meant_twice_comes_once_and_the_unknown_not_at_all(world: World) -> None:
    reports = put(world, "k", "a")
    refs = [
        some_ref(world.bucket, "k", version="a"),
        some_ref(world.bucket, "k"),
        some_ref(world.bucket, "k/below"),
        some_ref(world.bucket, "never", version="a"),
    ]
    assert reports_of(world.tables, refs) == [reports["a"]]
    assert reports_of(world.tables, []) == []

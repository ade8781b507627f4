"""Which write wins: proved by DynamoDB itself, in the order in which two runs may come."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from ingest_pipeline.media.model import Kind, Label, Probe
from ingest_pipeline.records.model import (
    Asset,
    ImageLabels,
    JobEnd,
    Outcome,
    Report,
    TranscodeJob,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    IMAGE_LABELS,
    REJECTIONS,
    REPORTS,
    TRANSCODE_JOBS,
    image_labels_key,
    rendition_key,
    report_key,
)
from ingest_pipeline_tests.world import World

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = "2026-03-01"


def report(world: World, outcome: Outcome, *, is_read: bool = True) -> Report:
    return Report(
        bucket=world.bucket,
        key="a.wav",
        version="v1",
        day=DAY,
        probe=Probe(kind=Kind.AUDIO) if is_read else None,
        verdict=Verdict.VALID,
        outcome=outcome,
        judged_at=NOON,
    )


def stored(world: World, *reports: Report) -> Outcome:
    for each in reports:
        world.tables.put(REPORTS, [each])
    row = world.tables.get(REPORTS, report_key(f"s3://{world.bucket}/a.wav", "v1"))
    assert row is not None
    return row.outcome


@pytest.mark.parametrize("unread", [Outcome.SUPERSEDED, Outcome.DELETED, Outcome.FAILED])
def test_what_was_not_read_never_hides_what_was(world: World, unread: Outcome) -> None:
    read = report(world, Outcome.INDEXED)
    blind = report(world, unread, is_read=False)
    assert stored(world, read, blind) is Outcome.INDEXED


@pytest.mark.parametrize("first", [Outcome.PENDING, Outcome.FAILED])
def test_what_was_not_read_ends_what_is_not_final(world: World, first: Outcome) -> None:
    blind = report(world, Outcome.DELETED, is_read=False)
    assert stored(world, report(world, first), blind) is Outcome.DELETED


def test_a_deletion_that_was_carried_out_is_not_asked_for_again(world: World) -> None:
    deleted, deleting = report(world, Outcome.DELETED), report(world, Outcome.DELETING)
    assert stored(world, deleted, deleting) is Outcome.DELETED
    assert stored(world, report(world, Outcome.INDEXED), deleting) is Outcome.DELETING


def test_only_rejections_are_found_among_rejections(world: World) -> None:
    stored(world, report(world, Outcome.INDEXED))
    assert list(world.tables.query(REPORTS, REJECTIONS, world.bucket)) == []
    stored(world, report(world, Outcome.REJECTED))
    assert len(list(world.tables.query(REPORTS, REJECTIONS, world.bucket))) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_latest_look_wins_in_whatever_order_the_runs_write(
    world: World, order: tuple[int, ...]
) -> None:
    looks = [
        Asset(
            bucket=world.bucket,
            file="a.wav",
            version=f"v{number}",
            day=DAY,
            last_modified=NOON,
            judged_at=NOON + timedelta(microseconds=number),
            deleted_at=NOON if number == 1 else None,
        )
        for number in range(3)
    ]
    for number in order:
        world.tables.put(ASSETS, [looks[number]])
    assert world.asset("a.wav") == looks[2]


def test_tombstones_alone_expire_long_after_an_event_can_be_late() -> None:
    row = Asset(bucket="b", file="k", version="v", day=DAY, last_modified=NOON, judged_at=NOON)
    assert ASSETS.index(row) == {}
    kept = ASSETS.index(row.model_copy(update={"deleted_at": NOON}))["expires_at"]
    assert kept - NOON.timestamp() == timedelta(days=90).total_seconds()


def job(world: World, *, token: str = "t", **fields: object) -> TranscodeJob:  # noqa: S107
    return TranscodeJob.model_validate(
        {
            "bucket": world.bucket,
            "key": "a.mp4",
            "version": "v1",
            "preset": "Web",
            "arrived": NOON,
            "token": token,
            "submitted_at": NOON,
        }
        | fields
    )


def known(world: World) -> TranscodeJob:
    uri = f"s3://{world.bucket}/a.mp4"
    row = world.tables.get(TRANSCODE_JOBS, rendition_key(uri, "v1", "Web"))
    assert row is not None
    return row


def test_a_job_that_has_ended_is_not_under_way_again_unless_it_is_another(world: World) -> None:
    ended = job(world, end=JobEnd(status="COMPLETE"))
    world.tables.put(TRANSCODE_JOBS, [ended])
    world.tables.put(TRANSCODE_JOBS, [job(world, job_id="named late")])
    assert known(world) == ended
    another = job(world, token="another")
    world.tables.put(TRANSCODE_JOBS, [another])
    assert known(world) == another


def test_labels_are_found_by_what_they_are_a_kind_of_in_any_case(world: World) -> None:
    labels = ImageLabels(
        bucket=world.bucket,
        key="a.jpg",
        version="v1",
        day=DAY,
        model="m",
        max_labels=5,
        min_confidence=75,
        labels=(Label(name="Beagle", confidence=90, parents=("Dog", "Animal")),),
        made_at=NOON,
    )
    assert IMAGE_LABELS.index(labels) == {"words": "animal\nbeagle\ndog"}
    world.tables.put(IMAGE_LABELS, [labels])
    assert world.tables.get(IMAGE_LABELS, image_labels_key(labels.uri, "v1", "m")) == labels

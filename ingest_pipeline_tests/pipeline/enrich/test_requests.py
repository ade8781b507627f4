"""Who still lacks what: asked of makers that say so themselves, and of the real queues."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ingest_pipeline.aws.events import delete_order_body, ingest_body
from ingest_pipeline.media.model import Kind, Probe, Reason
from ingest_pipeline.pipeline.enrich.requests import Requests, labels_into, photos_into
from ingest_pipeline.pipeline.result import Done, RetryLater
from ingest_pipeline.records.model import (
    POSTED,
    ImageLabels,
    ObjectRef,
    Outcome,
    PhotoStatus,
    Report,
)
from ingest_pipeline.records.tables import ARRIVAL_DAYS, ASSETS, DAYS, REPORTS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.photo_reports import indexed, refused
from ingest_pipeline_tests.world import World, bodies, some_ref

NOW = timedelta(0)
TOO_SMALL = Reason(rule="shortest_side", found=4, wanted="at least 16")


@dataclass
class Maker:
    """Makes something of the objects whose keys end so; what it has made is no longer missing."""

    of: str
    made: set[str] = field(default_factory=set)

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        return [
            report.ref
            for report in reports
            if report.outcome is Outcome.INDEXED
            and report.key.endswith(self.of)
            and report.key not in self.made
        ]


@pytest.fixture
def previewer() -> Maker:
    return Maker(".wav")


@pytest.fixture
def requests(world: World, previewer: Maker) -> Requests:
    return replace(
        world.wired.requests.requests,
        rendition_makers=[Maker("film.wav")],
        enrichment_makers=[previewer, Maker(".wav")],
    )


def asked(world: World, kind: str) -> list[str]:
    """The keys that the messages of a queue ask for."""
    queue = getattr(world.system.queues, kind).queue
    return sorted(json.loads(body)["Records"][0]["s3"]["object"]["key"] for body in bodies(queue))


def ingested(world: World, *keys: str) -> list[Report]:
    return world.ingest([world.put(key, wavs.valid()) for key in keys])


def today(reports: list[Report]) -> set[str]:
    return {report.day for report in reports}


def test_each_queue_is_asked_once_for_all_that_its_makers_lack(
    world: World, requests: Requests
) -> None:
    requests.follow_up(ingested(world, "a.wav", "film.wav"))
    assert asked(world, "rendition") == ["film.wav"]
    assert asked(world, "enrichment") == ["a.wav", "film.wav"]


def test_what_is_not_indexed_lacks_nothing(world: World, requests: Requests) -> None:
    requests.follow_up(world.ingest([world.put("bad.wav", wavs.wrong_rate())]))
    assert asked(world, "enrichment") == []


def test_the_days_of_what_arrived_are_noted(world: World, requests: Requests) -> None:
    reports = ingested(world, "a.wav")
    requests.follow_up(reports)
    noted = {row.day for row in world.tables.query(DAYS, ARRIVAL_DAYS, "all")}
    assert today(reports) <= noted


def lacking(world: World, requests: Requests, reports: list[Report], grace: timedelta) -> list[str]:
    found = requests.lacking(today(reports), grace)
    return sorted(ref.key for ref in found if ref.bucket == world.bucket)


def test_what_lacks_something_is_told_once_and_not_while_it_is_young(
    world: World, requests: Requests, previewer: Maker
) -> None:
    reports = ingested(world, "a.wav", "film.wav")
    assert lacking(world, requests, reports, NOW) == ["a.wav", "film.wav"]
    assert lacking(world, requests, reports, timedelta(minutes=10)) == []
    previewer.made |= {"a.wav", "film.wav"}
    assert lacking(world, requests, reports, NOW) == ["a.wav", "film.wav"], "another maker lacks it"


def test_what_was_tried_and_has_a_reason_is_not_tried_for_ever(
    world: World, requests: Requests
) -> None:
    (report,) = ingested(world, "a.wav")
    reason = Reason(rule="transcodable", found="no frame", wanted="a rendition")
    world.tables.put(REPORTS, [report.becomes(Outcome.INDEXED, reasons=(reason,))])
    assert lacking(world, requests, [report], NOW) == []


def test_a_version_that_is_no_longer_in_the_index_lacks_nothing(
    world: World, requests: Requests
) -> None:
    (old,) = ingested(world, "a.wav")
    (new,) = ingested(world, "a.wav")
    assert old.outcome is Outcome.INDEXED
    found = list(requests.lacking(today([old]), NOW))
    assert [ref.version for ref in found if ref.bucket == world.bucket] == [new.version]


def test_nothing_is_asked_for_again_while_requests_wait(world: World, requests: Requests) -> None:
    reports = ingested(world, "a.wav", "film.wav")
    queues = world.system.queues
    assert requests.busy_queues() == []
    queues.enrichment.queue.send("a request that waits")
    assert requests.busy_queues() == [queues.enrichment.queue.name]
    requests.request_again(today(reports), NOW)
    assert asked(world, "rendition") == ["film.wav"], "the other queue is idle"
    assert bodies(queues.enrichment.queue) == ["a request that waits"]


def test_what_the_tables_say_is_done_or_to_be_tried_again(world: World, requests: Requests) -> None:
    lacks, deleted = ingested(world, "a.wav", "b.wav")
    world.tables.put(REPORTS, [deleted.becomes(Outcome.DELETED)])
    unknown = some_ref(world.bucket, "never.wav", version="v1")
    refs = [lacks.ref, deleted.ref, unknown]
    answers = requests.on_record(refs)
    assert [type(each) for each in answers] == [RetryLater, Done, Done]
    assert [each.ref.uri for each in answers] == [ref.uri for ref in refs]


def test_what_is_indexed_of_a_day_is_what_stands_and_was_looked_at(
    world: World, requests: Requests
) -> None:
    reports = ingested(world, "a.wav", "gone.wav", "posted.wav")
    _, gone, posted = (world.asset(each.key) for each in reports)
    assert gone
    assert posted
    at = datetime.now(UTC)
    world.tables.put(ASSETS, [gone.model_copy(update={"deleted_at": at, "judged_at": at})])
    world.tables.put(ASSETS, [posted.model_copy(update={"version": POSTED, "judged_at": at})])
    foreign = posted.model_copy(update={"bucket": f"foreign-{uuid4().hex[:8]}"})
    world.tables.put(ASSETS, [foreign])
    found = [ref for ref in requests.indexed_on(today(reports)) if ref.bucket == world.bucket]
    assert [(ref.key, ref.version) for ref in found] == [("a.wav", reports[0].version)]
    assert foreign.bucket not in {ref.bucket for ref in requests.indexed_on(today(reports))}


def test_an_image_whose_post_is_gone_goes_too(world: World) -> None:
    posts = replace(world.system.posts(), bucket=world.bucket)
    report = indexed(
        world.clients, world.bucket, world.put(f"ada/{uuid4()}/photo.png", wavs.PNG).key
    )
    labels = ImageLabels(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        model="m",
        max_labels=5,
        min_confidence=75,
        made_at=datetime.now(UTC),
    )
    orders = world.system.queues.delete.queue
    labels_into(posts)([(report, labels)])
    assert bodies(orders) == [delete_order_body(report.bucket, report.key)]
    photos_into(posts)([report, refused(report)])
    assert bodies(orders) == [delete_order_body(report.bucket, report.key)], "not the refused one"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, PhotoStatus.VALID),
        ({"outcome": Outcome.REJECTED, "reasons": (TOO_SMALL,)}, PhotoStatus.REFUSED),
        ({"outcome": Outcome.KEPT, "reasons": (TOO_SMALL,)}, PhotoStatus.REFUSED),
        ({"outcome": Outcome.KEPT, "restored_at": datetime.now(UTC)}, PhotoStatus.AWAITING),
        ({"probe": Probe(kind=Kind.AUDIO, container="wav")}, PhotoStatus.AWAITING),
        *(
            ({"outcome": outcome}, PhotoStatus.AWAITING)
            for outcome in Outcome
            if outcome not in {Outcome.INDEXED, Outcome.REJECTED, Outcome.KEPT}
        ),
    ],
)
def test_posts_are_told_what_became_of_their_photos(
    world: World, changes: dict[str, object], status: PhotoStatus
) -> None:
    posts = replace(world.system.posts(), bucket=world.bucket)
    user = uuid4().hex
    post_id, _ = posts.create(user, "Monday", "Coffee")
    ref = world.put(f"{user}/{post_id}/photo.png", wavs.PNG)
    photos_into(posts)([indexed(world.clients, ref.bucket, ref.key).model_copy(update=changes)])
    (post,) = posts.all(user)
    assert post.status is status
    assert post.reason == (str(TOO_SMALL) if status is PhotoStatus.REFUSED else None)


def test_a_request_is_an_ordinary_message(world: World, requests: Requests) -> None:
    (report,) = ingested(world, "a.wav")
    requests.follow_up([report])
    (body,) = bodies(world.system.queues.enrichment.queue)
    assert json.loads(body) == json.loads(ingest_body(report.ref))

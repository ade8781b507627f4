from datetime import UTC, datetime, timedelta

import pytest

from ingest_pipeline.aws.events import delete_order_body, ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline.records.model import Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, bodies, some_ref


def message(body: str) -> Message:
    return Message(id="m", handle="h", body=body, receive_count=1, sent_at=datetime.now(UTC))


def test_a_delete_request_is_parsed_by_the_sources_of_the_file(world: World) -> None:
    consumer = world.wired.delete_consumer
    (ref,) = consumer.parse(message(delete_order_body(world.bucket, "a.wav"))).objects
    assert (ref.bucket, ref.key) == (world.bucket, "a.wav")
    foreign = consumer.parse(message(delete_order_body("foreign", "a.wav")))
    assert foreign.objects == ()
    assert foreign.problems == ("refused: s3://foreign/a.wav lies in no source",)


def test_an_arrival_is_no_delete_request(world: World) -> None:
    parsed = world.wired.delete_consumer.parse(message(ingest_body(some_ref(world.bucket, "a"))))
    assert parsed.objects == ()
    assert parsed.problems


@pytest.mark.parametrize("run_id", ["a-run", None])
def test_reports_are_of_the_run_that_judged_and_the_run_that_deleted(
    world: World, run_id: str | None
) -> None:
    ref = world.put("a.wav", wavs.valid())
    (result,) = world.wired.validator.validator(run_id).validate([ref])
    assert result.value is not None
    assert result.value.run_id == run_id
    world.ingest([ref])
    world.wired.deleter.deleter("deleting").delete([ref])
    report = world.report(ref)
    assert (report.outcome, report.run_id) == (Outcome.DELETED, "deleting")


def test_what_is_rejected_goes_to_the_bucket_that_the_ui_shows(world: World) -> None:
    quarantine = world.make_bucket(f"quarantine-{world.bucket}")
    rejector = world.wired.rejector.model_copy(update={"quarantine_bucket": quarantine})
    ref = world.put("quarantine/bad.wav", wavs.wrong_rate())
    (judged,) = world.wired.validator.validator().validate([ref])
    assert judged.value is not None
    rejector.rejector().reject([judged.value])
    assert world.content(ref.key) is None
    stored = world.clients.s3.get_object(Bucket=quarantine, Key=ref.key)
    assert stored["Body"].read() == wavs.wrong_rate()


def test_reconciliation_looks_into_the_buckets_that_are_watched_and_mends_by_its_queues(
    world: World,
) -> None:
    world.put("missed.wav", wavs.valid())
    reconciliation = world.wired.reconciler.reconciliation
    assert list(reconciliation.buckets) == [world.bucket], "sessions announce themselves"
    found = list(reconciliation.reconciler.differences(world.bucket, timedelta(0)))
    reconciliation.reconciler.repair(found)
    assert len(bodies(world.system.queues.ingest.queue)) == 1

import pytest

from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.ingest.reject import Rejector
from ingest_pipeline.pipeline.result import RetryLater, values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World


def examined(world: World, *refs: ObjectRef) -> list[Report]:
    return values(world.wired.validator.validator().validate(refs))


def reject(world: World, *reports: Report) -> list[Report]:
    return values(world.wired.rejector.rejector().reject(reports))


def test_rejected_objects_are_deleted_recoverably(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    reports = examined(world, ref)
    (outcome,) = reject(world, *reports)
    assert outcome.outcome is Outcome.REJECTED
    assert outcome.deleted_at is not None
    assert outcome.reasons == reports[0].reasons
    assert world.content("a.wav") is None
    version = world.clients.s3.get_object(
        Bucket=world.bucket, Key="a.wav", VersionId=ref.version or ""
    )
    assert version["Body"].read() == wavs.wrong_rate()


def test_only_rejected_objects_are_touched(world: World) -> None:
    refs = [world.put("valid.wav", wavs.valid()), world.put("photo.jxl", wavs.JPEG_XL)]
    kept = [
        report.becomes(Outcome.KEPT)
        for report in examined(world, world.put("kept.wav", wavs.wrong_rate()))
    ]
    assert reject(world, *examined(world, *refs), *kept) == []
    assert all(world.content(key) for key in ("valid.wav", "photo.jxl", "kept.wav"))


@pytest.mark.parametrize("newer", [wavs.valid(), wavs.wrong_rate(960), b""])
def test_an_object_overwritten_since_it_was_judged_is_not_deleted(
    world: World, newer: bytes
) -> None:
    reports = examined(world, world.put("a.wav", wavs.wrong_rate()))
    world.put("a.wav", newer)
    (outcome,) = reject(world, *reports)
    assert (outcome.outcome, outcome.deleted_at) == (Outcome.SUPERSEDED, None)
    assert world.content("a.wav") == newer


def test_an_object_that_is_already_gone_is_rejected_all_the_same(world: World) -> None:
    reports = examined(world, world.put("a.wav", wavs.wrong_rate()))
    first, second = reject(world, *reports), reject(world, *reports)
    assert [each.outcome for each in (*first, *second)] == [Outcome.REJECTED, Outcome.REJECTED]


@pytest.mark.parametrize("name", ["a.wav", "my file+1.wav", "new\nline.wav", "Übung 100%.wav"])
def test_quarantine_keeps_a_copy_under_the_same_key(world: World, name: str) -> None:
    key = f"quarantine/{world.bucket}/{name}"
    (outcome,) = reject(world, *examined(world, world.put(key, wavs.wrong_rate())))
    assert outcome.outcome is Outcome.REJECTED
    assert world.content(key) is None
    assert world.quarantined(key) == wavs.wrong_rate()


def test_quarantine_does_not_delete_what_was_overwritten(world: World) -> None:
    key = f"quarantine/{world.bucket}/a.wav"
    reports = examined(world, world.put(key, wavs.wrong_rate()))
    world.put(key, wavs.valid())
    (outcome,) = reject(world, *reports)
    assert outcome.outcome is Outcome.SUPERSEDED
    assert world.content(key) == wavs.valid()
    assert world.quarantined(key) == wavs.wrong_rate()


def test_without_a_quarantine_bucket_nothing_is_deleted(world: World) -> None:
    key = f"quarantine/{world.bucket}/a.wav"
    reports = examined(world, world.put(key, wavs.wrong_rate()))
    rejector = Rejector(world.clients.s3, world.system.sources, "no-such-bucket", threads=1)
    (result,) = rejector.reject(reports)
    assert isinstance(result, RetryLater)
    assert result.value is not None
    outcome = result.value
    assert outcome.outcome is Outcome.FAILED
    assert [reason.rule for reason in outcome.reasons] == ["sample_rate", "deletable"]
    assert world.content(key) == wavs.wrong_rate()


def test_sources_that_keep_keep(world: World) -> None:
    (outcome,) = reject(world, *examined(world, world.put("keep/a.wav", wavs.wrong_rate())))
    assert (outcome.outcome, outcome.verdict) == (Outcome.KEPT, Verdict.REJECTED)
    assert world.content("keep/a.wav") == wavs.wrong_rate()


def test_what_lies_in_no_source_any_more_is_kept(world: World) -> None:
    reports = examined(world, world.put("a.wav", wavs.wrong_rate()))
    elsewhere = world.system.sources.source[-1].model_copy(update={"bucket": "elsewhere"})
    rejector = Rejector(world.clients.s3, Sources(source=(elsewhere,)), "no-such-bucket", 1)
    assert [each.outcome for each in values(rejector.reject(reports))] == [Outcome.KEPT]
    assert world.content("a.wav") == wavs.wrong_rate()


def test_many_are_rejected_at_once(world: World) -> None:
    refs = [world.put(f"{n:02}.wav", wavs.wrong_rate()) for n in range(40)]
    outcomes = reject(world, *examined(world, *refs))
    assert {each.outcome for each in outcomes} == {Outcome.REJECTED}
    assert [each.key for each in outcomes] == [ref.key for ref in refs]
    assert [world.content(ref.key) for ref in refs] == [None] * 40

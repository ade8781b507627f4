import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.objects.ranged import BLOCK
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.media.image.reader import ImageReader
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.rules.rule import AudioRules, Rule
from ingest_pipeline.media.rules.sources import Sources
from ingest_pipeline.pipeline.ingest.validate import Validator
from ingest_pipeline.pipeline.result import Done, RetryLater, values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import REPORTS, report_key
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.media import pictures
from ingest_pipeline_tests.media.pictures import encoded
from ingest_pipeline_tests.world import World, some_ref


def examined(world: World, *refs: ObjectRef) -> list[Report]:
    return values(world.wired.validator.validator("run 1").validate(refs))


def only(reports: Sequence[Report]) -> Report:
    (report,) = reports
    return report


def reasons(report: Report) -> list[str]:
    return [str(reason) for reason in report.reasons]


def without_right_to_read(world: World, part_of_url: str) -> Validator:
    """A validator to whom S3 refuses every object with this in its URL."""
    s3 = connect(world.settings).s3

    def refuse(request: AWSRequest, **_: Any) -> AWSResponse | None:
        url = request.url or ""
        if part_of_url not in url:
            return None
        body = b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>"
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse(url, 403, HTTPHeaders(), raw)

    # The stubs do not know that an answer of this event is taken instead of the server's.
    s3.meta.events.register("before-send.s3.GetObject", refuse)  # type: ignore[arg-type]
    return Validator(s3, world.tables, world.system.sources, threads=4)


def demanding(world: World, rules: dict[str, Rule]) -> Validator:
    """A validator with these rules of audio, and no others."""
    (first, *_) = world.system.sources.source
    source = first.model_copy(update={"audio": AudioRules().model_copy(update=rules)})
    return replace(world.wired.validator.validator(), sources=Sources(source=(source,)))


def sound(amplitude: float) -> bytes:
    """Two seconds of a tone of 1 kHz, 16 bits, longer than a block."""
    content = io.BytesIO()
    wave = amplitude * np.sin(2 * np.pi * 1000 * np.arange(2 * 48_000) / 48_000)
    soundfile.write(content, np.stack([wave, wave], axis=1), 48_000, "PCM_16", format="WAV")
    return content.getvalue()


def test_nothing_is_examined_to_nothing(world: World) -> None:
    assert examined(world) == []


def test_a_valid_object_is_reported_with_all_that_is_known(world: World) -> None:
    before = datetime.now(UTC)
    ref = world.put("a.wav", wavs.valid(480))
    report = only(examined(world, ref))
    assert report.probe is not None
    assert report.probe.audio is not None
    assert (report.verdict, report.outcome, report.reasons) == (Verdict.VALID, Outcome.PENDING, ())
    assert (report.uri, report.version, report.day) == (ref.uri, ref.version, ref.day)
    assert (report.etag, report.size, report.last_modified) == (ref.etag, ref.size, ref.arrived)
    assert (report.calls, report.bytes_read, report.run_id) == (1, ref.size, "run 1")
    assert before <= report.judged_at <= datetime.now(UTC)
    audio = report.probe.audio
    assert (audio.channel_count, audio.frame_count, audio.duration) == (2, 480, "0.01")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (wavs.wrong_rate(), ["sample_rate 44100, wanted 48000"]),
        (b"no media at all", ["kind other (text), wanted audio, video or image"]),
        (b"", ["size 0, wanted at least 1 byte"]),
    ],
)
def test_a_rejected_object_is_reported_with_every_reason(
    world: World, content: bytes, why: list[str]
) -> None:
    report = only(examined(world, world.put("a.wav", content)))
    assert (report.verdict, report.outcome) == (Verdict.REJECTED, Outcome.PENDING)
    assert reasons(report) == why


def test_quality_is_measured_where_a_rule_asks_for_it(world: World) -> None:
    refs = [world.put("soft.wav", sound(0.1)), world.put("hard.wav", sound(1.5))]
    validator = demanding(
        world, {"true_peak": Rule(most=-3), "clipped_samples": Rule(choices=(0,))}
    )
    soft, hard = values(validator.validate(refs))
    assert soft.verdict is Verdict.VALID
    assert soft.probe is not None
    assert soft.probe.audio is not None
    assert soft.probe.audio.quality is not None
    assert soft.probe.audio.quality.integrated_loudness == pytest.approx(-20, abs=0.2)
    assert (soft.calls, soft.bytes_read) == (2, BLOCK + (soft.size or 0))
    assert hard.verdict is Verdict.REJECTED
    assert {reason.rule for reason in hard.reasons} == {"true_peak", "clipped_samples"}
    world.tables.put(REPORTS, [soft])
    assert world.tables.get(REPORTS, report_key(soft.uri, soft.version)) == soft


def test_without_such_a_rule_no_more_is_read_than_the_header(world: World) -> None:
    validator = demanding(world, {"sample_rate": Rule(choices=(48_000,))})
    report = only(values(validator.validate([world.put("a.wav", sound(0.1))])))
    assert (report.verdict, report.calls, report.bytes_read) == (Verdict.VALID, 1, BLOCK)
    assert report.probe is not None
    assert report.probe.audio is not None
    assert report.probe.audio.quality is None


def test_what_is_broken_or_no_audio_is_not_measured(world: World) -> None:
    validator = demanding(world, {"true_peak": Rule(most=-3)})
    refs = [world.put("half.wav", wavs.truncated()), world.put("a.png", wavs.PNG)]
    half, picture = values(validator.validate(refs))
    assert [reason.rule for reason in half.reasons] == ["complete"]
    assert picture.verdict is Verdict.VALID
    assert {half.calls, picture.calls} == {1}


def test_audio_that_cannot_be_decoded_is_refused_with_the_words(world: World) -> None:
    content = io.BytesIO()
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, 48_000)
    soundfile.write(content, wave, 48_000, "PCM_16", format="FLAC")
    broken = bytearray(content.getvalue())
    broken[len(broken) // 4 :] = bytes(len(broken) - len(broken) // 4)
    validator = demanding(world, {"true_peak": Rule(most=-3)})
    report = only(values(validator.validate([world.put("a.flac", bytes(broken))])))
    assert report.verdict is Verdict.REJECTED
    assert [reason.rule for reason in report.reasons] == ["measurable"]
    assert "of 48000 frames can be decoded" in report.why


def test_what_could_not_be_measured_for_now_comes_again(world: World, tmp_path: Path) -> None:
    validator = replace(
        demanding(world, {"true_peak": Rule(most=-3)}), ffmpeg=tmp_path / "no-such-program"
    )
    (answer,) = validator.validate([world.put("a.wav", sound(0.1))])
    assert isinstance(answer, RetryLater)
    assert "no-such-program" in answer.reason


def test_half_an_upload_is_rejected(world: World) -> None:
    report = only(examined(world, world.put("a.wav", wavs.truncated())))
    assert report.verdict is Verdict.REJECTED
    assert reasons(report)


def test_content_counts_and_names_do_not(world: World) -> None:
    refs = [world.put("UPPER.WAV", wavs.valid()), world.put("photo.jpg", wavs.valid())]
    refs += [world.put("picture.wav", wavs.PNG), world.put("picture.png", wavs.JPEG_XL)]
    verdicts = [report.verdict for report in examined(world, *refs)]
    assert verdicts == [Verdict.VALID, Verdict.VALID, Verdict.VALID, Verdict.UNJUDGED]


def test_an_image_is_read_whole_in_two_calls_and_decoded(world: World) -> None:
    photo = encoded(pictures.photo((2000, 1500)), "PNG")
    assert len(photo) > 4 * BLOCK
    refs = [world.put("photo.jpg", photo), world.put("half.png", photo[: len(photo) // 2])]
    report, half = examined(world, *refs)
    assert report.probe is not None
    assert report.probe.image is not None
    assert (report.probe.image.width, report.probe.image.height) == (2000, 1500)
    assert (report.verdict, report.outcome) == (Verdict.VALID, Outcome.PENDING)
    assert (report.calls, report.bytes_read) == (2, len(photo))
    assert (half.verdict, [reason.rule for reason in half.reasons]) == (
        Verdict.REJECTED,
        ["decodable"],
    )


def test_an_image_that_could_not_be_looked_at_fails_alone(world: World, tmp_path: Path) -> None:
    refs = [world.put("a.png", wavs.PNG), world.put("a.wav", wavs.valid())]
    with ImageReader(program=tmp_path / "missing.py") as images:
        validator = replace(world.wired.validator.validator(), _images=images)
        results = validator.validate(refs)
    assert [type(result) for result in results] == [RetryLater, Done]
    failed, valid = values(results)
    assert (failed.outcome, failed.verdict) == (Outcome.FAILED, Verdict.UNJUDGED)
    assert valid.verdict is Verdict.VALID


def test_an_indexed_image_is_no_recording(world: World) -> None:
    report = only(world.ingest([world.put("photo.png", wavs.PNG)]))
    asset = world.asset("photo.png")
    assert report.outcome is Outcome.INDEXED
    assert asset is not None
    assert asset.channel_count is None


def test_an_image_of_another_kind_is_recognised_and_left_alone(world: World) -> None:
    report = only(examined(world, world.put("photo.jxl", wavs.JPEG_XL)))
    assert report.probe is not None
    assert (report.probe.kind, report.probe.probed) == (Kind.IMAGE, False)
    assert (report.verdict, report.outcome) == (Verdict.UNJUDGED, Outcome.KEPT)


def test_an_object_of_no_source_is_left_alone_and_not_even_read(world: World) -> None:
    report = only(examined(world, some_ref("foreign-bucket", "a.wav", version="v1")))
    assert (report.verdict, report.outcome) == (Verdict.UNJUDGED, Outcome.KEPT)
    assert (report.probe, report.calls, report.version) == (None, 0, "v1")
    assert reasons(report) == ["source foreign-bucket, wanted a bucket and prefix of sources.toml"]


@pytest.mark.parametrize("bucket", ["foreign-bucket", None])
def test_a_name_that_nobody_ever_saw_is_no_success_and_leaves_no_row(
    world: World, bucket: str | None
) -> None:
    named = ObjectRef(bucket=bucket or world.bucket, key="nevr.wav", arrived=datetime.now(UTC))
    (result,) = world.wired.validator.validator().validate([named])
    assert isinstance(result, RetryLater)
    assert result.value is None
    assert result.reason in (
        "source foreign-bucket, wanted a bucket and prefix of sources.toml",
        "present nothing stands at the key, wanted an object",
    )
    assert world.ingest([named]) == []


def test_a_name_of_an_object_that_stood_tells_its_end(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    world.ingest([ref])
    world.remove("a.wav")
    named = ObjectRef(bucket=ref.bucket, key=ref.key, arrived=datetime.now(UTC))
    assert only(world.ingest([named])).outcome is Outcome.DELETED
    assert not world.is_indexed("a.wav")


@pytest.mark.parametrize("is_named_alone", [False, True])
def test_what_marks_a_folder_is_left_alone_without_a_report(
    world: World, *, is_named_alone: bool
) -> None:
    folder, neighbour = world.put("photos/", b""), world.put("photos/a.wav", wavs.valid())
    if is_named_alone:
        folder = ObjectRef(bucket=folder.bucket, key=folder.key, arrived=folder.arrived)
    results = world.wired.validator.validator().validate([folder, neighbour])
    assert results[0] == Done(folder)
    assert [report.key for report in world.ingest([folder, neighbour])] == ["photos/a.wav"]
    assert world.content("photos/") == b""
    world.remove("photos/")
    if not is_named_alone:
        assert world.ingest([folder]) == []


def test_what_has_content_is_no_folder_whatever_its_name(world: World) -> None:
    assert only(examined(world, world.put("a.wav/", wavs.valid()))).verdict is Verdict.VALID


def archived(world: World, key: str, content: bytes, storage_class: str) -> ObjectRef:
    world.clients.s3.put_object(
        Bucket=world.bucket,
        Key=key,
        Body=content,
        StorageClass=storage_class,  # type: ignore[arg-type]
    )
    state = object_state(world.clients.s3, world.bucket, key)
    return ObjectRef(
        bucket=world.bucket,
        key=key,
        version=state.version,
        etag=state.etag,
        size=state.size,
        arrived=state.last_modified,
    )


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_kept_with_a_reason_at_once(world: World, storage_class: str) -> None:
    older = world.put("a.wav", wavs.valid())
    world.ingest([older])
    ref = archived(world, "a.wav", wavs.valid(960), storage_class)
    report = only(world.ingest([ref]))
    assert (report.verdict, report.outcome) == (Verdict.UNJUDGED, Outcome.KEPT)
    assert (report.version, report.size) == (ref.version, ref.size)
    assert reasons(report) == [f"storage_class {storage_class}, wanted one that can be read"]
    assert world.report(ref) == report
    assert not world.is_indexed("a.wav"), "the bucket no longer shows the version of before"
    (result,) = world.wired.validator.validator().validate([ref])
    assert isinstance(result, Done)


def test_what_was_found_before_an_object_was_archived_still_holds(world: World) -> None:
    found = only(world.ingest([world.put("before.wav", wavs.valid())]))
    ref = archived(world, "a.wav", wavs.valid(), "GLACIER")
    known = found.model_copy(update={"key": ref.key, "version": ref.version})
    world.tables.put(REPORTS, [known])
    assert world.ingest([ref]) == [known]


def test_a_long_header_is_read_block_by_block(world: World) -> None:
    ref = world.put("a.wav", wavs.long_header(3 * BLOCK))
    report = only(examined(world, ref))
    assert report.verdict is Verdict.VALID
    assert report.calls < 4
    assert report.bytes_read < 3 * BLOCK


@pytest.mark.parametrize(
    "key", ["new\nline.wav", "my file+1.wav", "Übung/日本 100%.wav", "a//b.wav"]
)
def test_odd_keys_are_examined_like_others(world: World, key: str) -> None:
    report = only(examined(world, world.put(key, wavs.valid())))
    assert (report.key, report.verdict) == (key, Verdict.VALID)


def test_the_order_of_the_references_is_kept(world: World) -> None:
    refs = [world.put(f"{n}.wav", wavs.valid()) for n in range(40)]
    assert [report.key for report in examined(world, *refs)] == [ref.key for ref in refs]


def test_a_reference_of_a_listing_leads_to_the_version_at_hand(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    listed = ref.model_copy(update={"version": None})
    assert only(examined(world, listed)).version == ref.version


def test_a_deleted_object_of_which_no_version_is_known_is_gone(world: World) -> None:
    report = only(examined(world, some_ref(world.bucket, "never.wav", etag="e1")))
    assert (report.outcome, report.verdict, report.version) == (
        Outcome.DELETED,
        Verdict.UNJUDGED,
        "e1",
    )
    assert report.deleted_at == report.judged_at
    assert reasons(report) == ["present nothing stands at the key, wanted an object"]


@pytest.mark.parametrize("frames", [480, 100_000])
def test_an_object_deleted_before_its_turn_is_read_from_below_its_marker(
    world: World, frames: int
) -> None:
    ref = world.put("a.wav", wavs.valid(frames))
    world.remove("a.wav")
    report = only(examined(world, ref))
    assert report.probe is not None
    assert report.probe.audio is not None
    assert report.probe.audio.frame_count == frames
    assert (report.outcome, report.verdict) == (Outcome.DELETED, Verdict.VALID)
    assert reasons(report) == ["present nothing stands at the key, wanted an object"]


def test_an_invalid_object_deleted_before_its_turn_is_rejected_with_its_reasons(
    world: World,
) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    world.remove("a.wav")
    report = only(world.ingest([ref]))
    assert (report.outcome, report.verdict) == (Outcome.REJECTED, Verdict.REJECTED)
    assert reasons(report) == ["sample_rate 44100, wanted 48000"]


def test_a_repeated_message_finds_the_outcome_on_record(world: World) -> None:
    ref = world.put("a.wav", wavs.wrong_rate())
    first = world.ingest([ref])
    assert only(first).outcome is Outcome.REJECTED
    assert world.ingest([ref]) == first


@pytest.mark.parametrize("version_is_known", [True, False])
def test_a_rejection_that_was_cut_short_is_completed(
    world: World, *, version_is_known: bool
) -> None:
    if not version_is_known:
        world.bucket = world.make_bucket(f"{world.bucket}-plain", is_versioned=False)
        sources = world.settings.sources
        text = sources.read_text().replace(world.bucket.removesuffix("-plain"), world.bucket)
        sources.write_text(text)
    ref = world.put("a.wav", wavs.wrong_rate())
    reports = examined(world, ref)
    world.tables.put(REPORTS, reports)
    values(world.wired.rejector.rejector().reject(reports))  # and here the run dies
    report = only(world.ingest([ref]))
    assert report.outcome is Outcome.REJECTED
    assert reasons(report) == ["sample_rate 44100, wanted 48000"]


def test_an_indexed_object_that_its_owner_deleted_is_told_as_deleted(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    indexed = only(world.ingest([ref]))
    world.remove("a.wav")
    deleted = only(world.ingest([ref]))
    assert (indexed.outcome, deleted.outcome) == (Outcome.INDEXED, Outcome.DELETED)
    assert deleted.probe == indexed.probe
    assert not world.is_indexed("a.wav")


def test_an_overwritten_object_gives_way(world: World) -> None:
    older = world.put("a.wav", wavs.valid())
    newer = world.put("a.wav", wavs.valid(960))
    reports = examined(world, older, newer)
    assert [report.outcome for report in reports] == [Outcome.SUPERSEDED, Outcome.PENDING]
    assert reports[0].probe is None
    assert reasons(reports[0])[0].startswith("present overwritten")


def test_an_object_that_cannot_be_read_fails_alone(world: World) -> None:
    refs = [world.put(f"{name}.wav", wavs.valid()) for name in ("1", "secret", "3")]
    reports = values(without_right_to_read(world, "secret").validate(refs))
    assert [report.outcome for report in reports] == [
        Outcome.PENDING,
        Outcome.FAILED,
        Outcome.PENDING,
    ]
    failed = reports[1]
    assert (failed.verdict, failed.probe, failed.version) == (
        Verdict.UNJUDGED,
        None,
        refs[1].version,
    )
    assert "AccessDenied" in reasons(failed)[0]


def test_a_deleted_object_that_cannot_be_read_fails_alone(world: World) -> None:
    refs = [world.put(f"{name}.wav", wavs.valid()) for name in ("deleted", "standing")]
    world.remove("deleted.wav")
    reports = values(without_right_to_read(world, "versionId=").validate(refs))
    assert [report.outcome for report in reports] == [Outcome.FAILED, Outcome.PENDING]


def test_what_failed_is_taken_in_when_it_comes_again(world: World) -> None:
    ref = world.put("secret.wav", wavs.valid())
    world.tables.put(REPORTS, values(without_right_to_read(world, "secret").validate([ref])))
    assert world.report(ref).outcome is Outcome.FAILED
    assert only(world.ingest([ref])).outcome is Outcome.INDEXED


@pytest.mark.parametrize("content", [wavs.wrong_rate(), wavs.valid(), wavs.JPEG_XL])
def test_what_was_restored_stays_marked_and_is_not_rejected(world: World, content: bytes) -> None:
    ref = world.put("a.wav", content)
    (report,) = examined(world, ref)
    restored_at = datetime.now(UTC) - timedelta(days=1)
    world.tables.put(REPORTS, [report.becomes(Outcome.KEPT, restored_at=restored_at)])
    again = only(examined(world, ref))
    assert again.restored_at == restored_at
    assert again.verdict is report.verdict
    expected = Outcome.PENDING if report.verdict is Verdict.VALID else Outcome.KEPT
    assert again.outcome is expected


def test_an_object_stays_one_of_the_day_that_its_event_told(world: World) -> None:
    uploaded = world.put("a.wav", wavs.valid())
    ref = uploaded.model_copy(update={"arrived": uploaded.arrived + timedelta(days=1)})
    first = only(world.ingest([ref]))
    again = only(world.ingest([first.ref]))
    assert first.ref.day == uploaded.day, "S3 says when a long upload began"
    assert first.day == again.day == ref.day
    row = world.asset("a.wav")
    assert row is not None
    assert row.day == ref.day

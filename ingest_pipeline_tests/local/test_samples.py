"""Files into a bucket of the embedded AWS, and what became of them."""

import time
from datetime import UTC, datetime
from pathlib import Path

from ingest_pipeline.local.samples import (
    SAMPLES,
    Upload,
    Uploaded,
    comments,
    event_counts,
    image_labels,
    outcomes,
    plan_uploads,
    put,
    put_sample_sessions,
    renditions,
    sample_uploads,
    unseen,
    videos,
)
from ingest_pipeline.media.model import Kind
from ingest_pipeline.records.model import ObjectRef, Outcome, Report
from ingest_pipeline_tests.wavs import valid, wrong_rate
from ingest_pipeline_tests.world import World


def file(folder: Path, name: str, content: bytes = b"content") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def upload(world: World, folder: Path, name: str, content: bytes) -> Uploaded:
    return put(world.system, Upload(file(folder, name, content), world.bucket, name))


def taken_in(world: World, uploaded: Uploaded) -> Report:
    ref = ObjectRef(
        bucket=uploaded.bucket,
        key=uploaded.key,
        version=uploaded.version,
        arrived=datetime.now(UTC),
    )
    (report,) = world.ingest([ref])
    return report


def test_a_file_is_uploaded_under_its_name(tmp_path: Path) -> None:
    path = file(tmp_path, "deep/inside/a.wav")
    assert list(plan_uploads([path], "b", "")) == [Upload(path, "b", "a.wav")]


def test_a_folder_is_uploaded_whole_below_its_own_name(tmp_path: Path) -> None:
    second = file(tmp_path, "march/week 2/b.wav")
    first = file(tmp_path, "march/week 1/a.wav")
    (tmp_path / "march" / "empty").mkdir()
    assert list(plan_uploads([tmp_path / "march"], "b", "2026/")) == [
        Upload(first, "b", "2026/march/week 1/a.wav"),
        Upload(second, "b", "2026/march/week 2/b.wav"),
    ]


def test_the_samples_are_the_media_files_of_their_folder() -> None:
    uploads = sample_uploads("b")
    assert {each.bucket for each in uploads} == {"b"}
    assert [each.key for each in uploads] == [
        *(f"audio_{number}.wav" for number in range(1, 6)),
        "audio_6.flac",
        "photo.jpg",
        "video.webm",
    ]
    assert all(each.path.parent == SAMPLES and each.size > 0 for each in uploads)


def test_what_was_put_is_named_by_its_version(world: World, tmp_path: Path) -> None:
    first, second = (upload(world, tmp_path, "a b.wav", body) for body in (b"first", b"second"))
    assert first.uri == f"s3://{world.bucket}/a b.wav"
    assert first.version != second.version
    found = world.clients.s3.get_object(Bucket=world.bucket, Key="a b.wav", VersionId=first.version)
    assert found["Body"].read() == b"first"


def test_without_versions_it_is_named_by_its_etag(world: World, tmp_path: Path) -> None:
    bucket = world.make_bucket(f"{world.bucket}-plain", is_versioned=False)
    uploaded = put(world.system, Upload(file(tmp_path, "a.wav", b"content"), bucket, "a.wav"))
    assert uploaded.version == "9a0364b9e99bb480dd25e1f0284c8555"


def test_each_piece_that_was_sent_is_told(world: World, tmp_path: Path) -> None:
    sent: list[int] = []
    big = Upload(file(tmp_path, "big.bin", bytes(20 * 2**20)), world.bucket, "big.bin")
    put(world.system, big, sent.append)
    assert sum(sent) == big.size == 20 * 2**20
    assert len(sent) > 1


def test_unseen_is_what_was_never_recorded_in_any_version(world: World, tmp_path: Path) -> None:
    taken_in(world, upload(world, tmp_path, "seen.wav", valid()))
    upload(world, tmp_path, "seen.wav", wrong_rate())
    uploads = [Upload(file(tmp_path, name), world.bucket, name) for name in ("new.wav", "seen.wav")]
    assert unseen(world.system, uploads) == uploads[:1]


def test_outcomes_come_in_the_order_of_their_names(world: World, tmp_path: Path) -> None:
    bad = upload(world, tmp_path, "b.wav", wrong_rate())
    good = upload(world, tmp_path, "a.wav", valid())
    for each in (bad, good):
        taken_in(world, each)
    reports = outcomes(world.system, [bad, good], timeout=30)
    assert [(each.key, each.outcome) for each in reports] == [
        ("a.wav", Outcome.INDEXED),
        ("b.wav", Outcome.REJECTED),
    ]


def test_outcomes_are_waited_for_no_longer_than_wanted(world: World, tmp_path: Path) -> None:
    done = upload(world, tmp_path, "done.wav", valid())
    taken_in(world, done)
    waiting = upload(world, tmp_path, "waiting.wav", valid())
    begun = time.monotonic()
    reports = outcomes(world.system, [done, waiting], timeout=1)
    assert [each.key for each in reports] == ["done.wav"]
    assert 1 <= time.monotonic() - begun < 5


def test_an_older_versions_outcome_is_not_the_newer_ones(world: World, tmp_path: Path) -> None:
    older = upload(world, tmp_path, "a.wav", valid())
    taken_in(world, older)
    newer = upload(world, tmp_path, "a.wav", valid(960))
    assert outcomes(world.system, [newer], timeout=0) == []
    (report,) = outcomes(world.system, [older], timeout=0)
    assert report.version == older.version


def test_what_nobody_made_is_missing_when_the_time_is_over(world: World, tmp_path: Path) -> None:
    video = taken_in(
        world, upload(world, tmp_path, "v.webm", (SAMPLES / "video.webm").read_bytes())
    )
    photo = taken_in(world, upload(world, tmp_path, "p.jpg", (SAMPLES / "photo.jpg").read_bytes()))
    sound = taken_in(world, upload(world, tmp_path, "a.wav", valid()))
    reports = [video, photo, sound]
    assert {each.outcome for each in reports} == {Outcome.INDEXED}
    assert [each.probe and each.probe.kind for each in videos(reports)] == [Kind.VIDEO]
    begun = time.monotonic()
    assert renditions(world.system, reports, timeout=0.6) == []
    assert image_labels(world.system, reports, timeout=0.6) == []
    assert time.monotonic() - begun >= 1.2, "it was waited for"


def test_nothing_is_waited_for_where_nothing_is_to_be_made(world: World, tmp_path: Path) -> None:
    sound = taken_in(world, upload(world, tmp_path, "a.wav", valid()))
    begun = time.monotonic()
    assert renditions(world.system, [sound], timeout=60) == []
    assert image_labels(world.system, [sound], timeout=60) == []
    assert time.monotonic() - begun < 10


def test_made_up_sessions_are_put_and_incomplete_ones_have_no_events(world: World) -> None:
    session_ids = put_sample_sessions(world.system)
    assert len(set(session_ids)) == 4
    listed = world.clients.s3.list_objects_v2(Bucket=world.session_bucket)["Contents"]
    reports = [each["Key"] for each in listed if each["Key"].endswith("logged_Upload_Report.json")]
    assert len(reports) == 4
    assert event_counts(world.system, session_ids, timeout=0) == {}
    assert comments(world.system, session_ids, timeout=0) == {}
    spoken = [each["Key"] for each in listed if each["Size"] > 100_000]
    assert [key.rpartition("/")[0].endswith("audio_tags") for key in spoken] == [True]

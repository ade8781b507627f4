"""Renditions in Dagster: what its sensors ask for, and what its runs tell."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
)
from ingest_pipeline.records.tables import (
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
)
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System
from ingest_pipeline_tests.defs.runs import (
    metadata,
    passed_checks,
    records,
    requests,
    run_as_requested,
)
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip
from ingest_pipeline_tests.mediaconvert import StandIn, stand_in
from ingest_pipeline_tests.world import World


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds that are source and rendition in one: as the preset `Web` wants them."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    options = (*H264, "-profile:v", "main", "-pix_fmt", "yuv420p", *AAC)
    return make_clip(path, *options, size="320x240", seconds=2).read_bytes()


@pytest.fixture
def queues(our_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, with queues for videos that are its own."""
    for kind in ("rendition", "transcode"):
        for suffix in ("queue", "dead_letter_queue"):
            name = f"{kind}-{suffix}-{our_world.bucket}"
            our_world.clients.sqs.create_queue(QueueName=name)
            monkeypatch.setenv(f"INGEST_{kind.upper()}_{suffix.upper()}", name)
    settings.cache_clear()
    return our_world


@pytest.fixture
def service(queues: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in for MediaConvert, which the definitions use."""
    assert queues.system
    with stand_in() as running:
        monkeypatch.setenv("INGEST_TRANSCODER", "mediaconvert")
        monkeypatch.setenv("INGEST_MEDIACONVERT_ROLE", "arn:aws:iam::000000000000:role/transcode")
        monkeypatch.setenv("AWS_ENDPOINT_URL_MEDIACONVERT", running.endpoint)
        settings.cache_clear()
        yield running


def system() -> System:
    """The system that the definitions work with."""
    return System(settings())


def ordered(world: World, clip: bytes) -> ObjectRef:
    """An indexed video whose rendition is asked for."""
    ref = world.put("a|film.mp4", clip)
    (outcome,) = world.ingest([ref])
    assert outcome.outcome is Outcome.INDEXED, outcome.reasons
    resources(settings()).requests.requests.follow_up([outcome])
    assert system().queues.rendition.queue.depth().waiting == 1
    return ref


def rendered(instance: dg.DagsterInstance, sensor: str) -> dg.ExecuteInProcessResult:
    """The run that a tick of a sensor asks for, which succeeds."""
    (request,) = requests(instance, sensor)
    result = run_as_requested(instance, "transcode_videos", request)
    assert result.success
    return result


def assert_empty(*kinds: str) -> None:
    for kind in kinds:
        depth = getattr(system().queues, kind).queue.depth()
        assert depth.waiting == depth.in_flight == 0


def test_a_run_shows_the_video_before_and_after_and_what_plays_it(
    queues: World, instance: dg.DagsterInstance, clip: bytes
) -> None:
    ref = ordered(queues, clip)
    result = rendered(instance, "transcode_videos_sensor")
    (row,) = queues.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri)
    shown = metadata(result, "renditions")
    assert (shown["renditions"], shown["submitted"], shown["failed"]) == (1, [], [])
    before, after = records(shown["table"])
    video = f"{ref.bucket}/a|film.mp4"
    assert before[:7] == [video, "before", len(clip), "320x240", 2.0, "h264", "aac"]
    assert after[:4] == [video, "Web", row.size, "320x240"]
    assert str(after[4]).startswith("2.0")
    assert after[-2:] == [row.bit_rate // 1000, f"{row.seconds_taken} s, copied"]
    place = f"http://localhost:{settings().api_port}/content/{ref.bucket}"
    query = f"key=a%7Cfilm.mp4&version={ref.version}&preset=Web"
    assert shown["play"] == f"[a&#124;film.mp4]({place}?{query})"
    assert str(shown["picture"]).startswith("![poster](data:image/jpeg;base64,")
    assert passed_checks(result)["every_rendition_stands"]
    assert_empty("rendition")


def test_a_job_is_submitted_by_one_run_and_finished_by_another(
    service: StandIn, queues: World, instance: dg.DagsterInstance, clip: bytes
) -> None:
    ref = ordered(queues, clip)
    submission = rendered(instance, "transcode_videos_sensor")
    (job_id,) = service.jobs
    told = metadata(submission, "renditions")
    assert (told["renditions"], told["submitted"]) == (0, [f"{ref.uri}: {job_id}"])
    assert_empty("rendition")

    picture = b"\xff\xd8 a picture"
    for group, bucket, key in service.outputs(job_id):
        body = clip if group == "video" else picture
        queues.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
    system().queues.transcode.queue.send(service.end(job_id, "COMPLETE"))
    finish = rendered(instance, "transcode_jobs_sensor")
    (row,) = queues.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri)
    assert (row.engine, row.run_id) == ("mediaconvert", finish.run_id)
    assert metadata(finish, "renditions")["renditions"] == 1
    assert passed_checks(finish)["every_rendition_stands"]
    assert_empty("rendition", "transcode")


def test_a_failed_job_is_told_by_its_run(
    service: StandIn, queues: World, instance: dg.DagsterInstance, clip: bytes
) -> None:
    ref = ordered(queues, clip)
    rendered(instance, "transcode_videos_sensor")
    (job_id,) = service.jobs
    system().queues.transcode.queue.send(service.end(job_id, "ERROR", errorCode=1030))
    result = rendered(instance, "transcode_jobs_sensor")
    failed = str(metadata(result, "renditions")["failed"])
    assert f"{ref.uri}: Web: MediaConvert ERROR 1030, its codec or container" in failed
    assert_empty("rendition", "transcode")

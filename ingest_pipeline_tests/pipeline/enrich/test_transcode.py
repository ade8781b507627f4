import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.objects.publish import (
    publish,
    publish_copy,
    published,
)
from ingest_pipeline.defs.common.wiring import Resources, resources
from ingest_pipeline.pipeline.enrich import transcode_mediaconvert
from ingest_pipeline.pipeline.enrich.transcode import (
    Transcoding,
    wrong_renditions,
)
from ingest_pipeline.pipeline.queue.leases import leased
from ingest_pipeline.pipeline.result import Done, Result, RetryLater
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Rendition,
    TranscodeJob,
)
from ingest_pipeline.records.tables import (
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
    TRANSCODE_JOBS,
)
from ingest_pipeline.system import System
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip, make_hls, run_plain_ffmpeg
from ingest_pipeline_tests.mediaconvert import EXCHANGE, StandIn, stand_in
from ingest_pipeline_tests.world import World, bodies

ROLE = "arn:aws:iam::000000000000:role/transcode"
KEY = "-films/ein Stück.webm"


@dataclass(frozen=True)
class Clips:
    """A source of two seconds, another one, and what they become."""

    source: bytes
    other: bytes
    rendition: bytes
    picture: bytes
    ladder: dict[str, bytes]  # of two rungs, as the service names its files


@dataclass
class Studio:
    """A world whose videos are transcoded by one engine."""

    world: World
    system: System
    said: list[str] = field(default_factory=list)

    def ingest(self, content: bytes, key: str = KEY) -> ObjectRef:
        """Upload and index a video."""
        ref = self.world.put(key, content)
        (outcome,) = self.world.ingest([ref])
        assert outcome.outcome is Outcome.INDEXED, outcome.reasons
        return ref

    @property
    def wired(self) -> Resources:
        return resources(self.system.config)

    def answer(self, ref: ObjectRef) -> Result[Transcoding]:
        return self.wired.transcoder.transcoder("run-1").transcode(ref, self.said.append)

    def transcode(self, ref: ObjectRef) -> Transcoding | None:
        """What came of it, if there was something to do."""
        answer = self.answer(ref)
        assert not isinstance(answer, RetryLater)
        return answer.value

    def rows(self, ref: ObjectRef) -> list[Rendition]:
        return list(self.world.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri))

    def content(self, key: str) -> bytes:
        bucket = self.system.config.rendition_bucket
        return self.world.clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def standing(self) -> list[str]:
        """What stands in the bucket of renditions."""
        listed = self.world.clients.s3.list_objects_v2(Bucket=self.system.config.rendition_bucket)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def reasons(self, ref: ObjectRef) -> list[str]:
        report = self.world.report(ref)
        assert report.outcome is Outcome.INDEXED
        return [str(reason) for reason in report.reasons]


@dataclass
class ServiceStudio(Studio):
    """A world whose videos are transcoded by the stand-in for MediaConvert."""

    service: StandIn = field(kw_only=True)
    clips: Clips = field(kw_only=True)

    def submitted(self, ref: ObjectRef) -> TranscodeJob:
        """Transcode a video that has no job yet; its job."""
        done = self.transcode(ref)
        assert done is not None
        assert (done.made, done.failures) == ((), ())
        (job,) = done.jobs
        assert job.job_id in self.service.jobs
        return job

    def job(self, job: TranscodeJob) -> TranscodeJob | None:
        """The job's row as it is now."""
        return self.world.tables.get(TRANSCODE_JOBS, TRANSCODE_JOBS.key(job))

    def write_outputs(self, job: TranscodeJob, video: bytes) -> None:
        """Put what the service would have made where the request says."""
        for group, bucket, key in self.service.outputs(str(job.job_id)):
            name = key.rpartition("/")[2]
            bodies = {"video": video, "ladder": self.clips.ladder.get(name, b"")}
            body = bodies.get(group, self.clips.picture)
            self.world.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def tell(self, body: str) -> list[ObjectRef]:
        """What the sensor makes of an event: the objects of the runs that it asks for."""
        self.system.queues.transcode.queue.send(body)
        batches = self.wired.transcode_consumer.consumer.poll(slots=5)
        queue, tables = self.system.queues.transcode.queue, self.system.tables
        for batch in batches:
            with leased(queue, tables, batch.id, 60) as leases:
                leases.acknowledge(map(Done, batch.objects))
        depth = self.system.queues.transcode.queue.depth()
        assert depth.waiting == depth.in_flight == 0
        return [ref for batch in batches for ref in batch.objects]

    def complete(self, job: TranscodeJob, video: bytes | None = None) -> list[ObjectRef]:
        """Have the service do a job, and tell of it."""
        self.write_outputs(job, video or self.clips.rendition)
        return self.tell(self.service.end(str(job.job_id), "COMPLETE"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    vp8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
    source = make_clip(folder / "source.webm", *vp8, size="320x240", seconds=2)
    other = make_clip(folder / "other.webm", *vp8, size="240x320", seconds=2)
    small = ("-profile:v", "main", "-pix_fmt", "yuv420p")
    rendition = make_clip(folder / "out.mp4", *H264, *small, *AAC, size="320x240", seconds=2)
    picture = folder / "picture.jpg"
    run_plain_ffmpeg("-i", rendition, "-frames:v", "1", picture)
    return Clips(
        source=source.read_bytes(),
        other=other.read_bytes(),
        rendition=rendition.read_bytes(),
        picture=picture.read_bytes(),
        ladder=make_hls(source, folder / "hls"),
    )


def configured(world: World, **changes: Any) -> System:
    """A system with queues of transcodings and a bucket of renditions of the test's own."""
    name = world.bucket.removeprefix("world-")
    queues = {
        "transcode_queue": f"transcode-{name}",
        "transcode_dead_letter_queue": f"transcode-dead-{name}",
    }
    for queue in queues.values():
        world.clients.sqs.create_queue(QueueName=queue)
    bucket = world.make_bucket(f"world-renditions-{name}")
    update = queues | {"rendition_bucket": bucket} | changes
    system = System(world.settings.model_copy(update=update))
    system.clients = connect(system.config)
    return system


@pytest.fixture
def local(world: World) -> Studio:
    return Studio(world, configured(world))


@pytest.fixture
def studio(world: World, clips: Clips) -> Iterator[ServiceStudio]:
    with stand_in() as service:
        system = configured(
            world,
            transcoder="mediaconvert",
            mediaconvert_role=ROLE,
            mediaconvert_endpoint=service.endpoint,
        )
        yield ServiceStudio(world, system, service=service, clips=clips)


def test_a_video_is_transcoded_once_and_says_how_far_it_is(local: Studio, clips: Clips) -> None:
    ref = local.ingest(clips.source)
    done = local.transcode(ref)
    assert done is not None
    (made,) = done.made
    assert local.rows(ref) == [made]
    assert (made.engine, made.rendition_key) == ("ffmpeg", f"output/web/{KEY}")
    assert (made.video_codec, made.audio_codec) == ("h264", "aac")
    assert len(local.content(made.rendition_key)) == made.size
    assert any(line.startswith("Web: 100 %, speed ") for line in local.said)
    assert local.transcode(ref) is None


def test_an_ffmpeg_that_is_set_and_not_there_is_told_and_nothing_is_held_against_the_video(
    world: World, clips: Clips, tmp_path: Path
) -> None:
    local = Studio(world, configured(world, ffmpeg=tmp_path / "ffmpeg"))
    ref = local.ingest(clips.source)
    answer = local.answer(ref)
    assert isinstance(answer, RetryLater)
    assert answer.reason.endswith("ffmpeg is no program")
    assert local.reasons(ref) == []


def test_an_older_versions_late_rendition_never_replaces_a_newer_ones(
    local: Studio, clips: Clips
) -> None:
    older, newer = local.ingest(clips.source), local.ingest(clips.other)
    done = local.transcode(newer)
    assert done is not None
    (made,) = done.made
    standing = local.content(made.rendition_key)
    assert local.transcode(older) is None
    assert local.said[-1] == f"{older.uri} is replaced or deleted"
    assert local.content(made.rendition_key) == standing
    assert local.rows(older) == [made]


def test_a_newer_versions_rendition_replaces_an_older_ones(local: Studio, clips: Clips) -> None:
    older = local.ingest(clips.source)
    local.transcode(older)
    newer = local.ingest(clips.other)
    done = local.transcode(newer)
    assert done is not None
    (made,) = done.made
    assert (made.width, made.height) == (240, 320)
    assert len(local.content(made.rendition_key)) == made.size
    bucket = local.system.config.rendition_bucket
    standing = published(local.world.clients.s3, bucket, made.rendition_key)
    assert standing.source_version == newer.version


def test_a_preset_that_fails_is_a_reason_and_does_not_stop_the_next(
    world: World, clips: Clips, tmp_path: Path
) -> None:
    presets = tmp_path / "presets.toml"
    text = world.settings.presets.read_text(encoding="utf-8")
    head, preset, _ = text.split("\n[[preset]]\n")
    short = preset.replace('"Web"', '"Short"').replace("14_400", "1")
    text = f"{head}\n[[preset]]\n{short}\n[[preset]]\n{preset}"
    presets.write_text(text, encoding="utf-8")
    local = Studio(world, configured(world, presets=presets))
    ref = local.ingest(clips.source)
    done = local.transcode(ref)
    assert done is not None
    assert [made.preset for made in done.made] == ["Web"]
    assert [failure.preset for failure in done.failures] == ["Short"]
    (reason,) = local.reasons(ref)
    assert reason.startswith("transcodable 2.0")
    assert reason.endswith("s, wanted at most 1 s, wanted a rendition")


def test_a_rendition_that_is_not_there_as_its_row_says_is_told(local: Studio, clips: Clips) -> None:
    s3 = local.world.clients.s3
    ref = local.ingest(clips.source)
    done = local.transcode(ref)
    assert done is not None
    (made,) = done.made
    assert wrong_renditions(s3, [made]) == []
    larger = made.model_copy(update={"size": made.size + 1})
    assert wrong_renditions(s3, [larger]) == [
        f"{ref.uri}: {made.size} bytes stand there, wanted {made.size + 1}"
    ]
    unchecked = made.model_copy(update={"checks": ()})
    assert wrong_renditions(s3, [unchecked]) == [f"{ref.uri}: it passed no check"]
    s3.delete_object(Bucket=made.rendition_bucket, Key=made.rendition_key)
    assert wrong_renditions(s3, [made]) == [f"{ref.uri}: nothing stands at {made.rendition_key}"]


def test_of_two_versions_of_one_second_the_standing_one_is_published(
    local: Studio, clips: Clips, tmp_path: Path
) -> None:
    older, newer = local.ingest(clips.source), local.ingest(clips.other)
    moment = local.world.report(newer).last_modified
    reports = [
        local.world.report(ref).model_copy(update={"last_modified": moment})
        for ref in (newer, older)
    ]
    s3, bucket = local.world.clients.s3, local.system.config.rendition_bucket
    made = local.world.put("made", b"made")
    file = tmp_path / "made"
    file.write_bytes(b"made")
    ways: dict[str, Callable[..., bool]] = {
        "file": partial(publish, s3, file),
        "copy": partial(publish_copy, s3, made),
    }
    for key, put in ways.items():
        written = [put(bucket, key, content_type="text/plain", source=report) for report in reports]
        assert written == [True, False]
        assert published(s3, bucket, key).source_version == newer.version


def test_a_video_is_submitted_once_and_its_message_may_go(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    assert studio.job(job) == job
    assert studio.said == [f"Web: submitted as job {job.job_id}"]
    again = studio.transcode(ref)
    assert again is not None
    assert (again.made, again.jobs) == ((), (job,))
    assert len(studio.service.requests) == 1
    (asked,) = studio.service.requests
    assert asked["role"] == ROLE
    assert asked["settings"]["inputs"][0]["fileInput"] == f"s3://{studio.world.bucket}/{KEY}"


def test_a_job_that_is_complete_becomes_the_rendition(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    (told,) = studio.complete(job)
    assert (told.uri, told.version) == (ref.uri, ref.version)
    done = studio.transcode(told)
    assert done is not None
    (made,) = done.made
    assert studio.rows(ref) == [made]
    assert (made.engine, made.run_id) == ("mediaconvert", "run-1")
    assert made.rendition_key == f"output/web/{KEY}"
    assert made.thumbnail_keys == (f"thumbnails/web/{KEY}/00001.jpg",)
    assert (made.width, made.height, made.video_codec) == (320, 240, "h264")
    assert "width 320, wanted 320 within 2" in made.checks
    assert studio.content(made.rendition_key) == studio.clips.rendition
    assert studio.content(str(made.poster_key)) == studio.clips.picture
    stored = studio.world.clients.s3.head_object(
        Bucket=made.rendition_bucket, Key=made.rendition_key
    )
    assert stored["ContentType"] == "video/mp4"
    assert wrong_renditions(studio.world.clients.s3, [made]) == []
    assert not [key for key in studio.standing() if key.startswith("transcoding/")]
    assert studio.job(job) is None


@pytest.fixture
def streaming(studio: ServiceStudio, tmp_path: Path) -> ServiceStudio:
    """A studio that makes a ladder of two rungs, and nothing else."""
    text = studio.system.config.presets.read_text(encoding="utf-8")
    head, _, ladder = text.split("\n[[preset]]\n")
    rungs = "rungs = [{ side = 240, bit_rate = 400_000 }, { side = 120, bit_rate = 200_000 }]"
    begin, end = ladder.index("rungs = ["), ladder.index("\n]\n") + 2
    ladder = ladder[:begin] + rungs + ladder[end:]
    head = head.replace('default = "Web"', 'default = "Stream"')
    presets, sources = tmp_path / "presets.toml", tmp_path / "sources.toml"
    presets.write_text(f"{head}\n[[preset]]\n{ladder}", encoding="utf-8")
    bucket = studio.world.bucket
    sources.write_text(
        f'[[source]]\nbucket = "{bucket}"\nkinds = ["video"]\npresets = ["Stream"]\n',
        encoding="utf-8",
    )
    update = {"presets": presets, "sources": sources}
    studio.system.config = studio.system.config.model_copy(update=update)
    return studio


def test_a_ladder_of_the_service_becomes_a_rendition_and_goes_with_its_video(
    streaming: ServiceStudio,
) -> None:
    ref = streaming.ingest(streaming.clips.source)
    job = streaming.submitted(ref)
    (told,) = streaming.complete(job)
    done = streaming.transcode(told)
    assert done is not None
    (made,) = done.made
    assert streaming.rows(ref) == [made]
    assert made.files == (
        *("master_0.ts", "master_1.ts", "poster.jpg"),
        *("master_0.m3u8", "master_1.m3u8", "master.m3u8"),
    )
    assert made.rendition_key.startswith(f"streams/stream/{ref.bucket}/{KEY}/")
    assert (made.engine, made.width, made.height) == ("mediaconvert", 320, 240)
    assert (made.video_codec, made.audio_codec) == ("h264", "aac")
    assert "width 160, wanted 160 within 2" in made.checks
    for name, content in streaming.clips.ladder.items():
        key = f"{made.rendition_key.rpartition('/')[0]}/{name}"
        assert streaming.content(key) == content
    assert wrong_renditions(streaming.world.clients.s3, [made]) == []
    types = [
        streaming.world.clients.s3.head_object(Bucket=made.rendition_bucket, Key=key)["ContentType"]
        for key in (made.rendition_key, made.file_keys[0], str(made.poster_key))
    ]
    assert types == ["application/vnd.apple.mpegurl", "video/mp2t", "image/jpeg"]
    assert sorted(streaming.standing()) == sorted(made.file_keys)
    assert streaming.job(job) is None
    streaming.wired.transcoder.transcoder().derived.remove_all(ref.bucket, KEY)
    assert streaming.standing() == []
    assert streaming.rows(ref) == []


def test_a_ladder_of_an_older_version_takes_its_files_back(streaming: ServiceStudio) -> None:
    older = streaming.ingest(streaming.clips.source)
    job = streaming.submitted(older)
    streaming.ingest(streaming.clips.other)
    (told,) = streaming.complete(job)
    assert streaming.transcode(told) is None
    assert streaming.standing() == []
    assert streaming.job(job) is None


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("master_1.m3u8", b"master_1.ts", b"master_2.ts", "names master_2.ts, which is not there"),
        ("master_1.m3u8", b"#EXT-X-ENDLIST", b"", "or no end"),
        ("master.m3u8", b"master_1.m3u8", b"other.m3u8", "other.m3u8 cannot be read"),
        ("master.m3u8", b"master_1.m3u8", b"master_0.m3u8", "the ladder has 2 rungs in 1 files"),
    ],
)
def test_a_ladder_that_is_not_whole_is_not_published(
    streaming: ServiceStudio, name: str, old: bytes, new: bytes, problem: str
) -> None:
    ladder = streaming.clips.ladder
    assert old in ladder[name]
    broken = ladder | {name: ladder[name].replace(old, new)}
    streaming.clips = replace(streaming.clips, ladder=broken)
    ref = streaming.ingest(streaming.clips.source)
    (told,) = streaming.complete(streaming.submitted(ref))
    streaming.transcode(told)
    (reason,) = streaming.reasons(ref)
    assert problem in reason
    assert streaming.standing() == []


def test_a_rung_that_s3_copies_in_no_single_request_is_a_reason(
    streaming: ServiceStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcode_mediaconvert, "_COPY_BYTES", 50_000)
    ref = streaming.ingest(streaming.clips.source)
    (told,) = streaming.complete(streaming.submitted(ref))
    streaming.transcode(told)
    (reason,) = streaming.reasons(ref)
    assert "S3 copies 50000 at most" in reason
    assert streaming.standing() == []


def test_an_event_that_comes_again_does_nothing(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    (told,) = studio.complete(job)
    studio.transcode(told)
    rows = studio.rows(ref)
    assert studio.complete(job) == []
    assert studio.transcode(ref) is None
    assert studio.rows(ref) == rows


def test_an_event_that_was_lost_is_asked_for(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    studio.write_outputs(job, studio.clips.rendition)
    studio.service.end(str(job.job_id), "COMPLETE")
    done = studio.transcode(ref)  # of a message like any other: `redrive`, or a backfill
    assert done is not None
    assert len(done.made) == 1


def test_an_event_that_outruns_the_submitter_finds_its_job(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    unnamed = job.model_copy(update={"job_id": None})
    studio.world.tables.put(TRANSCODE_JOBS, [unnamed])  # as if its run were not that far yet
    (told,) = studio.complete(job)
    studio.world.tables.put(TRANSCODE_JOBS, [job])  # and now it is
    done = studio.transcode(told)
    assert done is not None
    assert len(done.made) == 1


def test_an_event_of_an_earlier_job_of_the_same_request_is_nobodys(
    studio: ServiceStudio,
) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    late = studio.service.end(str(job.job_id), "ERROR", errorCode=1432)
    again = job.model_copy(update={"job_id": "1-again"})  # the role was mended meanwhile
    studio.world.tables.put(TRANSCODE_JOBS, [again])
    assert studio.tell(late) == []
    assert studio.job(job) == again


def test_a_job_of_an_older_version_publishes_nothing(studio: ServiceStudio) -> None:
    older = studio.ingest(studio.clips.source)
    job = studio.submitted(older)
    newer = studio.ingest(studio.clips.other)
    (told,) = studio.complete(job)
    assert studio.transcode(told) is None
    assert studio.said[-1] == f"{older.uri} is replaced or deleted"
    assert studio.job(job) is None
    assert studio.standing() == []
    assert studio.submitted(newer).version == newer.version


def test_a_video_that_was_deleted_is_not_submitted(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    studio.world.remove(KEY)
    done = studio.transcode(ref)
    assert done is not None
    assert done.jobs == ()
    assert studio.service.requests == []


def test_an_error_of_the_video_is_a_reason_and_the_video_stays(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    event = studio.service.end(
        str(job.job_id), "ERROR", errorCode=1010, errorMessage="Unable to open input file"
    )
    (told,) = studio.tell(event)
    done = studio.transcode(told)
    assert done is not None
    assert [failure.preset for failure in done.failures] == ["Web"]
    (reason,) = studio.reasons(ref)
    assert reason == (
        "transcodable MediaConvert ERROR 1010, the file cannot be opened: "
        "Unable to open input file, wanted a rendition"
    )
    assert studio.world.is_indexed(KEY)
    assert studio.world.content(KEY) == studio.clips.source
    assert studio.tell(event) == []
    assert studio.rows(ref) == []


def test_a_job_that_somebody_canceled_is_a_reason_and_is_not_waited_for(
    studio: ServiceStudio,
) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    (told,) = studio.tell(studio.service.end(str(job.job_id), "CANCELED"))
    assert studio.transcode(told) is not None
    assert studio.reasons(ref) == ["transcodable MediaConvert CANCELED, wanted a rendition"]
    assert studio.job(job) is None
    assert len(studio.service.requests) == 1


def test_a_failure_of_the_service_is_tried_again_by_a_message_three_times_in_all(
    studio: ServiceStudio,
) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    for attempt in (1, 2):
        event = studio.service.end(
            str(job.job_id), "ERROR", errorCode=1999, errorMessage="Unexpected"
        )
        (told,) = studio.tell(event)
        done = studio.transcode(told)
        assert done is not None
        assert done.failures == ()
        assert studio.tell(event) == []
        (message,) = bodies(studio.system.queues.rendition.queue)
        assert json.loads(message)["Records"][0]["s3"]["object"]["versionId"] == ref.version
        job = studio.submitted(ref)
        assert job.attempt == attempt + 1
    assert len({asked["clientRequestToken"] for asked in studio.service.requests}) == 3
    (told,) = studio.tell(studio.service.end(str(job.job_id), "ERROR", errorCode=1999))
    studio.transcode(told)
    assert bodies(studio.system.queues.rendition.queue) == []
    (reason,) = studio.reasons(ref)
    assert reason.startswith("transcodable MediaConvert ERROR 1999, an unexpected error")


def test_what_is_not_as_wanted_is_not_published(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    (told,) = studio.complete(job, video=studio.clips.other)
    studio.transcode(told)
    (reason,) = studio.reasons(ref)
    assert reason.startswith("transcodable the rendition is ")
    assert studio.standing() == []
    assert studio.job(job) is None


def test_a_complete_job_without_its_files_is_a_reason(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    (told,) = studio.tell(studio.service.end(str(job.job_id), "COMPLETE"))
    studio.transcode(told)
    assert studio.reasons(ref) == [
        "transcodable MediaConvert took no picture of the rendition, wanted a rendition"
    ]


def test_what_the_service_refuses_is_a_reason(studio: ServiceStudio) -> None:
    ref = studio.ingest(studio.clips.source)
    studio.service.answers.append("refused")
    studio.transcode(ref)
    (reason,) = studio.reasons(ref)
    assert reason.startswith("transcodable MediaConvert refused the job: /outputGroups/0")


def test_a_preset_that_was_changed_meanwhile_gets_a_job_of_its_own(
    studio: ServiceStudio, tmp_path: Path
) -> None:
    ref = studio.ingest(studio.clips.source)
    job = studio.submitted(ref)
    presets = tmp_path / "presets.toml"
    text = studio.system.config.presets.read_text(encoding="utf-8")
    presets.write_text(text.replace("2_200_000", "1_100_000"), encoding="utf-8")
    studio.system.config = studio.system.config.model_copy(update={"presets": presets})
    changed = studio.submitted(ref)
    assert changed.token != job.token
    assert studio.complete(job) == []


def test_junk_goes_to_the_dead_letters_with_its_problem(studio: ServiceStudio) -> None:
    assert studio.tell(json.dumps({"Records": []})) == []
    (message,) = studio.system.queues.transcode.dead_letters.receive(60)
    assert message.attributes["problem"].startswith("no event of our jobs: detail-type")
    assert studio.tell(json.dumps(EXCHANGE["events"]["PROGRESSING"])) == []

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.events.models import EventPattern, EventPatternParser

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.mediaconvert.job_event import (
    JobEvent,
    JobEventError,
    parse_job_event,
)
from ingest_pipeline.aws.mediaconvert.job_request import job_request
from ingest_pipeline.aws.mediaconvert.service import (
    JobRefusedError,
    MediaConvert,
    describe_end,
    is_passing,
)
from ingest_pipeline.local.server import TEMPLATE
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.presets import (
    Preset,
    load_presets,
)
from ingest_pipeline.records.model import (
    JobEnd,
    TranscodeJob,
)
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests.mediaconvert import EXCHANGE, StandIn, recorded, stand_in

TOKEN = EXCHANGE["request"]["clientRequestToken"]
ROLE = EXCHANGE["request"]["role"]
JOB_ID = EXCHANGE["answers"]["submitted"]["body"]["job"]["id"]
JOB = TranscodeJob(
    bucket="films",
    key="a film/café.webm",
    version="3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH",
    preset="Web",
    arrived=datetime(2026, 3, 1, tzinfo=UTC),
    token=TOKEN,
    submitted_at=datetime(2026, 3, 1, tzinfo=UTC),
)
WEB = load_presets().named("Web")


def preset(name: str, **changes: Any) -> Preset:
    return Preset.model_validate(WEB.model_dump() | {"name": name} | changes)


def encoding(codec: str, **changes: Any) -> dict[str, Any]:
    return WEB.video.model_dump() | {"codec": codec, "profile": None, "level": None} | changes


PRESETS = {
    "Web": WEB,
    "hevc": preset("hevc", video=encoding("hevc", profile="main", level="3.1")),
    "average": preset("average", video=encoding("h264", quality=None)),
    "webm": preset(
        "webm",
        container="webm",
        video=encoding("vp9"),
        audio=WEB.audio.model_dump() | {"codec": "opus", "bit_rate": 100_000},
    ),
    "old-webm": preset(
        "old-webm",
        container="webm",
        video=encoding("vp8"),
        audio=WEB.audio.model_dump() | {"codec": "vorbis", "bit_rate": 130_000},
    ),
}


def video(**changes: Any) -> VideoInfo:
    """1920x1080 at 60 frames a second, in stereo."""
    fields = {
        "duration_seconds": 2.0,
        "width": 1920,
        "height": 1080,
        "display_width": 1920,
        "display_height": 1080,
        "frame_rate": 60.0,
        "video_codec": "vp9",
        "audio_codec": "opus",
        "audio_channels": 2,
        "audio_rate": 48_000,
        "video_streams": 1,
        "audio_streams": 1,
    }
    return VideoInfo.model_validate(fields | changes)


SOURCES = {
    "1080p60": video(),
    "portrait": video(rotation=90, display_width=1080, display_height=1920, frame_rate=29.97),
    "anamorphic": video(
        width=720, height=576, display_width=1024, display_height=576, frame_rate=25.0
    ),
    "silent": video(audio_streams=0, audio_codec=None, audio_channels=None, audio_rate=None),
    "mono": video(audio_channels=1),
    "unknown": VideoInfo(video_streams=1),
}


def request(source: str = "1080p60", by: str = "Web") -> dict[str, Any]:
    return job_request(JOB, PRESETS[by], SOURCES[source], "ingest-renditions", "transcoding/1/")


def output(request: dict[str, Any], group: int = 0) -> dict[str, Any]:
    (found,) = request["Settings"]["OutputGroups"][group]["Outputs"]
    assert isinstance(found, dict)
    return found


def codec_settings(request: dict[str, Any]) -> dict[str, Any]:
    _, settings = output(request)["VideoDescription"]["CodecSettings"].values()
    assert isinstance(settings, dict)
    return settings


def box(request: dict[str, Any], group: int = 0) -> tuple[str, int, int]:
    description = output(request, group)["VideoDescription"]
    return description["ScalingBehavior"], description["Width"], description["Height"]


@pytest.fixture
def service() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture
def mediaconvert(service: StandIn) -> MediaConvert:
    return MediaConvert(connect(Settings(mediaconvert_endpoint=service.endpoint)), ROLE)


# --- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", PRESETS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_request_is_one_by_botocores_model_of_the_service(source: str, by: str) -> None:
    client = boto3.client("mediaconvert", region_name="us-east-1")
    shape = client.meta.service_model.operation_model("CreateJob").input_shape
    report = ParamValidator().validate(request(source, by) | {"Role": ROLE}, shape)
    assert report.generate_report() == ""


def test_what_goes_over_the_wire_is_what_was_recorded(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    mediaconvert.submit(request())
    assert service.requests == [EXCHANGE["request"]]


def test_the_queue_is_named_where_there_is_one(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    queue = "arn:aws:mediaconvert:us-east-1:111122223333:queues/videos"
    MediaConvert(mediaconvert.clients, ROLE, queue).submit(request())
    assert service.requests[0]["queue"] == queue


@pytest.mark.parametrize(
    ("source", "by", "settings"),
    [
        ("1080p60", "Web", {"FramerateNumerator": 30_000, "FramerateDenominator": 1000}),
        ("portrait", "Web", {"FramerateControl": "INITIALIZE_FROM_SOURCE"}),
        ("unknown", "Web", {"FramerateControl": "INITIALIZE_FROM_SOURCE"}),
        ("1080p60", "webm", {"FramerateNumerator": 30_000, "FramerateDenominator": 1000}),
        ("1080p60", "Web", {"RateControlMode": "QVBR", "QvbrSettings": {"QvbrQualityLevel": 7}}),
        ("1080p60", "average", {"RateControlMode": "VBR", "Bitrate": 2_200_000}),
        ("1080p60", "hevc", {"CodecProfile": "MAIN_MAIN", "CodecLevel": "LEVEL_3_1"}),
        ("anamorphic", "Web", {"ParControl": "SPECIFIED", "ParNumerator": 1, "ParDenominator": 1}),
    ],
)
def test_how_the_picture_is_encoded(source: str, by: str, settings: dict[str, Any]) -> None:
    found = codec_settings(request(source, by))
    assert found | settings == found
    assert found["GopSize"] == 90


def test_a_rate_that_needs_no_cap_is_not_told(service: StandIn) -> None:
    assert service.requests == []
    assert "FramerateNumerator" not in codec_settings(request("portrait"))


@pytest.mark.parametrize(
    ("source", "wanted", "small"),
    [
        ("1080p60", ("FIT_NO_UPSCALE", 1280, 720), ("FIT_NO_UPSCALE", 192, 108)),
        ("portrait", ("FIT_NO_UPSCALE", 1280, 720), ("FIT_NO_UPSCALE", 192, 108)),
        ("unknown", ("FIT_NO_UPSCALE", 1280, 720), ("FIT_NO_UPSCALE", 192, 108)),
        ("anamorphic", ("STRETCH_TO_OUTPUT", 1024, 576), ("STRETCH_TO_OUTPUT", 192, 108)),
    ],
)
def test_the_picture_is_shrunk_to_fit_with_square_pixels(
    source: str, wanted: tuple[str, int, int], small: tuple[str, int, int]
) -> None:
    asked = request(source)
    assert (box(asked, 0), box(asked, 1), box(asked, 2)) == (wanted, wanted, small)


def test_a_silent_source_is_asked_for_no_sound_and_one_channel_becomes_two() -> None:
    silent = request("silent")
    assert "AudioDescriptions" not in output(silent)
    assert "AudioSelectors" not in silent["Settings"]["Inputs"][0]
    (sound,) = output(request("mono"))["AudioDescriptions"]
    assert sound["RemixSettings"]["ChannelMapping"] == {
        "OutputChannels": [{"InputChannels": [0]}, {"InputChannels": [0]}]
    }
    assert "RemixSettings" not in output(request())["AudioDescriptions"][0]


def test_sound_takes_the_nearest_that_the_service_can() -> None:
    (opus,) = output(request(by="webm"))["AudioDescriptions"]
    assert opus["CodecSettings"]["OpusSettings"] == {
        "Bitrate": 96_000,
        "SampleRate": 48_000,
        "Channels": 2,
    }
    (vorbis,) = output(request(by="old-webm"))["AudioDescriptions"]
    assert vorbis["CodecSettings"]["VorbisSettings"] == {
        "VbrQuality": 4,
        "SampleRate": 44_100,
        "Channels": 2,
    }


def test_a_submission_is_answered_with_the_jobs_name_and_repeated_it_is_one_job(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    first, again = mediaconvert.submit(request()), mediaconvert.submit(request())
    assert first == again
    assert first in service.jobs
    assert [asked["clientRequestToken"] for asked in service.requests] == [TOKEN, TOKEN]


@pytest.mark.parametrize("passing", ["throttled", "failing"])
def test_a_passing_answer_is_asked_again(
    service: StandIn, mediaconvert: MediaConvert, passing: str
) -> None:
    service.answers.append(passing)
    assert mediaconvert.submit(request()) in service.jobs
    assert len(service.requests) == 2


def test_what_the_service_refuses_is_told_with_its_words(
    service: StandIn, mediaconvert: MediaConvert
) -> None:
    service.answers.append("refused")
    with pytest.raises(JobRefusedError, match=r"^/outputGroups/0/outputs/0: Invalid combination"):
        mediaconvert.submit(request())
    service.answers.append("forbidden")  # not the video's doing
    with pytest.raises(ClientError, match="ForbiddenException"):
        mediaconvert.submit(request())


def test_a_job_is_asked_how_it_ended(service: StandIn, mediaconvert: MediaConvert) -> None:
    job_id = mediaconvert.submit(request())
    assert mediaconvert.end_of(job_id) is None
    service.end(job_id, "ERROR", errorCode=1010, errorMessage="no parser")
    assert mediaconvert.end_of(job_id) == JobEnd(status="ERROR", code=1010, message="no parser")
    unknown = mediaconvert.end_of("1-none")
    assert unknown is not None
    assert unknown.status == "CANCELED"


# --- hearing --------------------------------------------------------------------------------------


def event(status: str, **detail: Any) -> Any:
    """A recorded event of the recorded job."""
    message = json.loads(json.dumps(EXCHANGE["events"][status]))
    message["detail"] |= {"userMetadata": EXCHANGE["request"]["userMetadata"], **detail}
    return message


def test_the_end_of_a_job_names_its_version_and_preset() -> None:
    ended = JobEvent(
        bucket=JOB.bucket,
        key=JOB.key,
        version=JOB.version,
        preset=JOB.preset,
        token=JOB.token,
        job_id=JOB_ID,
        end=JobEnd(status="COMPLETE"),
    )
    assert parse_job_event(json.dumps(event("COMPLETE"))) == ended
    failed = parse_job_event(json.dumps(event("ERROR")))
    assert failed is not None
    assert failed.end == JobEnd(status="ERROR", code=1040, message="Example error message")


def test_a_job_that_goes_on_is_none() -> None:
    assert parse_job_event(json.dumps(event("PROGRESSING"))) is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "Expecting property name"),
        ("[]", "body: Input should be a valid dictionary"),
        (json.dumps({"Records": []}), "detail-type: Field required"),
        (json.dumps(event("COMPLETE", userMetadata={})), "detail.userMetadata.bucket: Field requ"),
        (json.dumps(event("ERROR", jobId="")), "detail.jobId: String should have at least 1"),
        ("[" * 100_000, "no event of our jobs"),
    ],
)
def test_what_is_no_event_of_our_jobs_is_told(body: str, problem: str) -> None:
    with pytest.raises(JobEventError) as caught:
        parse_job_event(body)
    assert problem in str(caught.value)


def test_the_stacks_rule_takes_the_ends_of_our_jobs_and_nothing_else() -> None:
    rule = yaml.safe_load(TEMPLATE.read_text())["Resources"]["TranscodeRule"]["Properties"]
    filled = json.dumps(rule["EventPattern"]).replace(
        json.dumps({"Fn::Sub": "${BucketName}-renditions"}), json.dumps("ingest-renditions")
    )
    pattern = EventPattern(filled, EventPatternParser(filled).parse())
    others = EXCHANGE["request"]["userMetadata"] | {"rendition_bucket": "others-renditions"}
    taken = [
        pattern.matches_event(each)
        for each in (
            event("COMPLETE"),
            event("ERROR"),
            event("PROGRESSING"),
            event("COMPLETE", userMetadata={}),
            event("COMPLETE", userMetadata=others),
            event("COMPLETE") | {"source": "others"},
        )
    ]
    assert taken == [True, True, False, False, False, False]


# --- its errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "passing"),
    [(1010, False), (1040, False), (1404, False), (1432, False), (3450, False), (1999, True)],
)
def test_only_the_services_own_failures_pass(code: int, *, passing: bool) -> None:
    assert is_passing(JobEnd(status="ERROR", code=code)) is passing


def test_a_failure_without_a_code_passes_and_a_canceled_job_stays_so() -> None:
    assert is_passing(JobEnd(status="ERROR"))
    assert not is_passing(JobEnd(status="CANCELED"))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            JobEnd(status="ERROR", code=1010, message="Unable to open input file [x]"),
            "MediaConvert ERROR 1010, the file cannot be opened: Unable to open input file [x]",
        ),
        (JobEnd(status="ERROR", code=3450, message="no"), "MediaConvert ERROR 3450, no"),
        (JobEnd(status="ERROR"), "MediaConvert ERROR"),
        (JobEnd(status="CANCELED", message="gone"), "MediaConvert CANCELED, gone"),
    ],
)
def test_an_end_is_described(end: JobEnd, words: str) -> None:
    assert describe_end(end) == words


def test_the_recorded_answers_are_ones_by_botocores_model() -> None:
    client = boto3.client("mediaconvert", region_name="us-east-1")
    errors = client.meta.service_model.operation_model("CreateJob").error_shapes
    statuses = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in errors}
    for name in ("throttled", "failing", "refused", "forbidden", "unknown"):
        answer = recorded(name)
        assert statuses[answer["headers"]["x-amzn-ErrorType"]] == answer["status"]
    job = client.meta.service_model.shape_for("Job").members
    wire = {shape.serialization.get("name", name) for name, shape in job.items()}
    assert recorded("submitted")["body"]["job"].keys() <= wire

from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from ingest_pipeline_tests.aws.mediaconvert.jobs import PRESETS, ROLE, SOURCES, request
from ingest_pipeline_tests.mediaconvert import StandIn


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


@pytest.mark.parametrize("by", PRESETS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_request_is_one_by_botocores_model_of_the_service(source: str, by: str) -> None:
    client = boto3.client("mediaconvert", region_name="us-east-1")
    shape = client.meta.service_model.operation_model("CreateJob").input_shape
    report = ParamValidator().validate(request(source, by) | {"Role": ROLE}, shape)
    assert report.generate_report() == ""


@pytest.mark.parametrize(
    ("source", "by", "settings"),
    [
        ("1080p60", "Web", {"FramerateNumerator": 30_000, "FramerateDenominator": 1000}),
        ("portrait", "Web", {"FramerateControl": "INITIALIZE_FROM_SOURCE"}),
        ("unknown", "Web", {"FramerateControl": "INITIALIZE_FROM_SOURCE"}),
        ("1080p60", "webm", {"FramerateNumerator": 30_000, "FramerateDenominator": 1000}),
        ("1080p60", "Web", {"RateControlMode": "QVBR", "QvbrSettings": {"QvbrQualityLevel": 7}}),
        ("1080p60", "average", {"RateControlMode": "VBR", "Bitrate": 2_200_000}),
        ("1080p60", "Web", {"CodecProfile": "MAIN", "NumberReferenceFrames": 3}),
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


@pytest.mark.parametrize("group", [0, 1, 2])
def test_an_interlaced_source_is_deinterlaced_where_it_is_flagged(group: int) -> None:
    description = output(request("interlaced"), group)["VideoDescription"]
    assert description["VideoPreprocessors"] == {
        "Deinterlacer": {"Mode": "DEINTERLACE", "Control": "NORMAL", "Algorithm": "INTERPOLATE"}
    }
    assert "VideoPreprocessors" not in output(request(), group)["VideoDescription"]


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


def test_a_ladder_is_a_group_of_hls_with_a_rung_for_each_size_that_the_source_fills() -> None:
    ladder, poster = request(by="Stream")["Settings"]["OutputGroups"]
    settings = ladder["OutputGroupSettings"]["HlsGroupSettings"]
    assert settings["Destination"] == "s3://ingest-renditions/transcoding/1/master"
    assert (settings["SegmentControl"], settings["SegmentLength"]) == ("SINGLE_FILE", 4)
    rungs = [
        (
            each["NameModifier"],
            each["VideoDescription"]["Height"],
            each["VideoDescription"]["CodecSettings"]["H264Settings"]["MaxBitrate"],
        )
        for each in ladder["Outputs"]
    ]
    assert rungs == [
        ("_0", 1080, 5_000_000),
        ("_1", 720, 2_800_000),
        ("_2", 480, 1_400_000),
        ("_3", 240, 400_000),
    ]
    assert all("AudioDescriptions" in each for each in ladder["Outputs"])
    assert poster["OutputGroupSettings"]["Type"] == "FILE_GROUP_SETTINGS"


def test_the_rungs_of_an_upright_film_are_as_wide_as_they_say() -> None:
    ladder, _ = request("portrait", by="Stream")["Settings"]["OutputGroups"]
    boxes = [each["VideoDescription"] for each in ladder["Outputs"]]
    assert [(box["Width"], box["Height"]) for box in boxes] == [
        (1080, 1920),
        (720, 1920),
        (480, 1920),
        (240, 1920),
    ]


def test_the_rungs_of_a_small_or_silent_film_are_those_that_there_are() -> None:
    small, _ = request("anamorphic", by="Stream")["Settings"]["OutputGroups"]
    assert [each["NameModifier"] for each in small["Outputs"]] == ["_0", "_1"]
    silent, _ = request("silent", by="Stream")["Settings"]["OutputGroups"]
    assert not any("AudioDescriptions" in each for each in silent["Outputs"])


def test_rungs_are_cut_at_the_same_moments_and_a_single_film_where_it_likes() -> None:
    ladder, _ = request(by="Stream")["Settings"]["OutputGroups"]
    for each in ladder["Outputs"]:
        found = each["VideoDescription"]["CodecSettings"]["H264Settings"]
        assert (found["SceneChangeDetect"], found["GopClosedCadence"]) == ("DISABLED", 1)
    assert "SceneChangeDetect" not in codec_settings(request())

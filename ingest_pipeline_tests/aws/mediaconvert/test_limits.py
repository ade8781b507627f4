from typing import Any

import boto3
import pytest

from ingest_pipeline.aws.mediaconvert.limits import (
    BIT_RATES,
    LEAST_SIDE,
    LEVELS,
    MOST_REFS,
    MOST_SEGMENT_SECONDS,
    MOST_SIDE,
    PROFILES,
    beyond_limits,
    level_name,
    profile_name,
)
from ingest_pipeline.media.video.presets import Preset, VideoEncoding
from ingest_pipeline_tests.aws.mediaconvert.jobs import (
    PRESETS,
    STREAM,
    WEB,
    encoding,
    preset,
)

SETTINGS = {"h264": "H264Settings", "hevc": "H265Settings"}


def members(shape: str) -> Any:
    client = boto3.client("mediaconvert", region_name="us-east-1")
    return client.meta.service_model.shape_for(shape).members


@pytest.mark.parametrize("codec", SETTINGS)
def test_names_and_limits_are_those_of_botocores_model(codec: str) -> None:
    model = members(SETTINGS[codec])
    names = [profile_name(video(codec, profile=profile)) for profile in PROFILES[codec]]
    assert set(names) <= set(model["CodecProfile"].enum)
    levels = [level_name(video(codec, level=level)) for level in LEVELS[codec]]
    assert ["AUTO", *levels] == model["CodecLevel"].enum
    assert model["NumberReferenceFrames"].metadata == {"min": 1, "max": MOST_REFS}
    for side in ("Width", "Height"):
        limits = {"min": LEAST_SIDE, "max": MOST_SIDE}
        assert members("VideoDescription")[side].metadata == limits


def test_limits_of_ladders_are_those_of_botocores_model() -> None:
    rates = {"min": BIT_RATES[0], "max": BIT_RATES[1]}
    assert members("H264Settings")["MaxBitrate"].metadata == rates
    seconds = {"min": 1, "max": MOST_SEGMENT_SECONDS}
    assert members("HlsGroupSettings")["SegmentLength"].metadata == seconds


@pytest.mark.parametrize(
    ("changes", "mistakes"),
    [
        (
            {"rungs": [{"side": 481, "bit_rate": 2000}]},
            ["rung 1: side: 481 is odd, and MediaConvert's pictures have even sides"],
        ),
        (
            {"rungs": [{"side": 480, "bit_rate": 2000}, {"side": 30, "bit_rate": 999}]},
            [
                "rung 2: side: 30 is not within MediaConvert's 32 to 8192",
                "rung 2: bit_rate: 999 is not within MediaConvert's 1000 to 1152000000",
            ],
        ),
        (
            {"max_width": 1921},
            ["max_width: 1921 is odd, and MediaConvert's pictures have even sides"],
        ),
        (
            {"segment_seconds": 2**31},
            ["segment_seconds: 2147483648 is not within MediaConvert's 1 to 2147483647"],
        ),
        (
            {"video": encoding("h264", refs=7)},
            ["[video] refs: 7 is not within MediaConvert's 1 to 6"],
        ),
    ],
)
def test_what_a_ladder_has_beyond_its_limits_is_told(
    changes: dict[str, Any], mistakes: list[str]
) -> None:
    ladder = Preset.model_validate(STREAM.model_dump() | changes)
    assert list(beyond_limits(ladder)) == mistakes


def video(codec: str, **changes: Any) -> VideoEncoding:
    return VideoEncoding.model_validate(encoding(codec, **changes))


@pytest.mark.parametrize("name", PRESETS)
def test_our_presets_are_within_its_limits(name: str) -> None:
    assert list(beyond_limits(PRESETS[name])) == []


@pytest.mark.parametrize(
    ("codec", "changes"),
    [
        ("h264", {"refs": 6, "profile": "high10", "level": "4.0"}),
        ("hevc", {"refs": 1, "profile": "main422-10", "level": "6.2"}),
        ("h264", {"refs": None}),
    ],
)
def test_what_is_within_its_limits_is_taken(codec: str, changes: dict[str, Any]) -> None:
    assert list(beyond_limits(preset("it", video=encoding(codec, **changes)))) == []


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        (
            {"thumbnails": {"width": 192, "height": 31, "every_seconds": 60}},
            "[thumbnails] height: 31 is not within MediaConvert's 32 to 8192",
        ),
        (
            {"thumbnails": {"width": 16, "height": 32, "every_seconds": 60}},
            "[thumbnails] width: 16 is not within MediaConvert's 32 to 8192",
        ),
        ({"max_width": 9000}, "max_width: 9000 is not within MediaConvert's 32 to 8192"),
        ({"max_height": 30}, "max_height: 30 is not within MediaConvert's 32 to 8192"),
        (
            {"video": encoding("h264", refs=7)},
            "[video] refs: 7 is not within MediaConvert's 1 to 6",
        ),
        (
            {"video": encoding("h264", profile="high444")},
            (
                '[video] profile: "high444" is not one of MediaConvert\'s '
                "baseline, main, high, high10, high422"
            ),
        ),
        (
            {"video": encoding("hevc", profile="main12")},
            '[video] profile: "main12" is not one of MediaConvert\'s main, main10, main422-10',
        ),
        (
            {"video": encoding("hevc", level="5.3")},
            (
                '[video] level: "5.3" is not one of MediaConvert\'s '
                "1, 2, 2.1, 3, 3.1, 4, 4.1, 5, 5.1, 5.2, 6, 6.1, 6.2"
            ),
        ),
    ],
)
def test_what_is_beyond_its_limits_is_told(changes: dict[str, Any], mistake: str) -> None:
    assert list(beyond_limits(preset("it", **changes))) == [mistake]


def test_all_that_is_beyond_them_is_told_at_once() -> None:
    wrong = WEB.video.model_dump() | {"refs": 16, "profile": "x", "level": "9"}
    assert len(list(beyond_limits(preset("it", max_width=2, video=wrong)))) == 4

from pathlib import Path

import pytest
from pydantic import JsonValue

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.copying import may_copy
from ingest_pipeline.media.video.presets import VIDEO_CODECS, Preset, load_presets
from ingest_pipeline_tests.media.clips import AAC, make_clip, turned, video_of

WEB = load_presets().named()
MAIN = ("-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuv420p", "-g", "50")


@pytest.fixture(scope="module")
def conforming(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    return video_of(make_clip(path, *MAIN, *AAC, "-ac", "2", "-ar", "48000", seconds=2))


def test_what_the_preset_would_make_itself_is_copied(conforming: VideoInfo) -> None:
    assert may_copy(WEB, conforming)
    assert not may_copy(WEB.model_copy(update={"remux": False}), conforming)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", (*MAIN, *AAC)),
        ("a.mov", (*MAIN, *AAC)),
        ("a.mp4", (*MAIN, "-an")),
        ("a.mp4", ("-c:v", "libx264", "-profile:v", "baseline", "-g", "90", *AAC)),
        ("a.mp4", (*MAIN, *AAC, "-level", "3.1")),
    ],
)
def test_real_files_that_conform(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    assert may_copy(WEB, video_of(make_clip(tmp_path / name, *options)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("high.mp4", (*MAIN, *AAC, "-profile:v", "high")),
        ("444.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p", *AAC)),
        ("full.mp4", ("-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuvj420p", *AAC)),
        ("level.mp4", (*MAIN, *AAC, "-level", "4.0")),
        ("gop.mp4", (*MAIN, *AAC, "-g", "250", "-x264-params", "scenecut=0")),
        ("rate.mp4", (*MAIN, *AAC, "-r", "50")),
        ("odd.mp4", (*MAIN, *AAC, "-vf", "setsar=4/3")),
        ("interlaced.mp4", (*MAIN, *AAC, "-flags", "+ildct+ilme", "-vf", "setfield=tff")),
        ("mp3.mp4", (*MAIN, "-c:a", "libmp3lame")),
        ("6.mp4", (*MAIN, *AAC, "-ac", "6")),
        ("96.mp4", (*MAIN, *AAC, "-ar", "96000")),
        ("fat.mp4", (*MAIN, *AAC, "-qp", "4", "-vf", "scale=640:360,noise=alls=90:allf=t")),
        ("hevc.mp4", ("-c:v", "libx265", "-x265-params", "log-level=error", *AAC)),
        ("a.mkv", (*MAIN, *AAC)),  # which has no table of its whole pictures
    ],
)
def test_real_files_that_do_not(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    path = tmp_path / name
    seconds = 5 if name == "gop.mp4" else 1
    make_clip(path, *options, seconds=seconds)
    assert not may_copy(WEB, video_of(path))


def test_a_turned_one_does_not(tmp_path: Path) -> None:
    assert not may_copy(WEB, video_of(turned(make_clip(tmp_path / "a.mp4", *MAIN, *AAC), 90)))


@pytest.mark.parametrize(
    "facts",
    [
        {"width": 1282, "display_width": 1282},
        {"height": 722, "display_height": 722},
        {"video_streams": 2},
        {"video_profile": "Baseline"},  # which only its own decoders know
        {"video_level": None},
        {"longest_gop": None},
        {"frame_rate": None},
        {"frame_rate": 0.5},  # of 50 frames from one whole picture to the next: 100 s
        {"bit_rate": 2_360_001},
        {"color_transfer": "arib-std-b67"},
        {"audio_profile": "HE-AAC"},
        {"audio_rate": None},
    ],
)
def test_each_fact_that_is_beyond_or_unknown_speaks_against_it(
    conforming: VideoInfo, facts: dict[str, JsonValue]
) -> None:
    assert not may_copy(WEB, conforming.model_copy(update=facts))


def test_other_codecs_are_never_copied(conforming: VideoInfo) -> None:
    for container, codecs in VIDEO_CODECS.items():
        for codec in set(codecs) - {"h264"}:
            preset = _preset(codec, container)
            video = conforming.model_copy(update={"video_codec": codec})
            assert not may_copy(preset, video)


def _preset(codec: str, container: str) -> Preset:
    video = WEB.video.model_copy(update={"codec": codec})
    return WEB.model_copy(update={"video": video, "container": container})

import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.sandbox import confinement
from ingest_pipeline.media.video.ffmpeg import run_ffmpeg
from ingest_pipeline.media.video.presets import (
    Preset,
    load_presets,
)
from ingest_pipeline.media.video.program import find_ffmpeg
from ingest_pipeline.media.video.transcode import (
    Progress,
    Transcoded,
    TranscodeError,
    TranscodeResourceError,
    TranscodeStoppedError,
    _most_seconds,
    transcode,
)
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media.clips import (
    AAC,
    H264,
    big_buck_bunny,
    bikes,
    hdr_clip,
    huge_vp8,
    joined,
    make_clip,
    run_plain_ffmpeg,
    turned,
    video_of,
)

WEB = load_presets().named()
ENCODING = WEB.model_copy(update={"remux": False})

OTHER_PRESETS = """
default = "480p"
[[preset]]
name = "480p"
container = "mp4"
max_width = 854
max_height = 480
max_frame_rate = 24
max_seconds = 7200
max_bytes = 1000000000
video = { codec = "h264", profile = "main", bit_rate = 1000000, gop = 48 }
audio = { codec = "aac", bit_rate = 96000, sample_rate = 48000, channels = 1 }
thumbnails = { width = 64, height = 64, every_seconds = 1 }

[[preset]]
name = "VP9"
container = "webm"
max_width = 320
max_height = 320
max_frame_rate = 30
max_seconds = 7200
max_bytes = 1000000000
video = { codec = "vp9", bit_rate = 500000, quality = 40, gop = 90, options = { cpu-used = 8 } }
audio = { codec = "opus", bit_rate = 64000, sample_rate = 48000, channels = 2 }
thumbnails = { width = 64, height = 64, every_seconds = 60 }

[[preset]]
name = "VP8"
container = "webm"
max_width = 320
max_height = 320
max_frame_rate = 30
max_seconds = 7200
max_bytes = 1000000000
video = { codec = "vp8", bit_rate = 500000, gop = 90, options = { cpu-used = 8 } }
audio = { codec = "vorbis", bit_rate = 64000, sample_rate = 44100, channels = 2 }
thumbnails = { width = 64, height = 64, every_seconds = 60 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "renditions"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes some seconds to transcode."""
    path = tmp_path_factory.mktemp("clips") / "minute.mp4"
    return make_clip(path, *H264, *AAC, size="1280x720", rate="30", seconds=12)


def ignore(_: Progress) -> None:
    """Take no notice."""


def rendered(source: Path, folder: Path, preset: Preset = ENCODING) -> Transcoded:
    done = transcode(source, folder, preset, video_of(source), on_progress=ignore)
    assert set(folder.iterdir()) == {done.path, done.poster, *done.thumbnails}
    return done


class Seen:
    """What PyAV finds in a rendition, all of it decoded: independent of our own probe."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            self.metadata = container.metadata | {
                key: value for stream in container.streams for key, value in stream.metadata.items()
            }
            stream = container.streams.video[0]
            self.codec = stream.codec_context.codec.canonical_name
            self.profile = stream.codec_context.profile
            self.pixel_shape = float(stream.sample_aspect_ratio or 1)
            self.pixel_format = stream.pix_fmt
            self.frame_rate = float(stream.average_rate or 0)
            frames = list(container.decode(stream))
            self.frames = len(frames)
            self.rotation = frames[0].rotation
            self.size = (frames[0].width, frames[0].height)
            self.last = frames[-1].time or 0.0
            self.keys = [n for n, frame in enumerate(frames) if frame.key_frame]
            self.sounds = [
                (audio.codec_context.codec.canonical_name, audio.rate, audio.channels)
                for audio in container.streams.audio
            ]


# --- renditions -----------------------------------------------------------------------------------


def test_a_real_clip_becomes_what_the_preset_says(folder: Path) -> None:
    progress: list[Progress] = []
    source = big_buck_bunny()
    done = transcode(source, folder, WEB, video_of(source), on_progress=progress.append)
    assert (done.path.name, done.poster.name) == ("video.mp4", "poster.jpg")
    assert [path.name for path in done.thumbnails] == ["thumbnail-00001.png"]
    seen = Seen(done.path)
    assert (seen.codec, seen.profile, seen.pixel_format) == ("h264", "Main", "yuv420p")
    assert (seen.size, seen.frame_rate, seen.pixel_shape) == ((1280, 720), 25.0, 1)
    assert seen.sounds == [("aac", 44_100, 2)]
    assert seen.last == pytest.approx(5.3, abs=0.2)
    assert max(b - a for a, b in zip(seen.keys, seen.keys[1:], strict=False)) <= 90
    assert done.path.stat().st_size * 8 / 5.3 < 2_500_000
    content = done.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # plays before all of it is there
    assert done.probe.faults == ()
    assert {check.name for check in done.checks} >= {"video_codec", "duration", "width", "height"}
    assert 0 < done.seconds < 60
    assert progress[-1].seconds == pytest.approx(5.3, abs=0.2)
    assert progress[-1].percent == pytest.approx(100, abs=3)
    assert [p.seconds for p in progress] == sorted(p.seconds for p in progress)
    assert picture_size(done.poster) == ("mjpeg", (1280, 720))
    assert picture_size(done.thumbnails[0]) == ("png", (192, 108))


def picture_size(path: Path) -> tuple[str, tuple[int, int]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.codec.canonical_name, (stream.width, stream.height)


def test_what_is_small_is_not_enlarged_and_silence_stays(folder: Path) -> None:
    seen = Seen(rendered(bikes(), folder).path)
    assert (seen.size, seen.frame_rate, seen.sounds) == ((640, 272), 25.0, [])


@pytest.mark.parametrize(
    ("size", "options", "wanted"),
    [
        ("1920x1080", (), (1280, 720)),
        ("1080x1920", (), (404, 720)),  # 405 is odd
        ("1921x1081", ("-pix_fmt", "yuv444p"), (1278, 720)),
        ("161x121", ("-pix_fmt", "yuv444p"), (160, 120)),
        ("720x576", ("-vf", "setsar=64/45"), (1024, 576)),
        ("1440x1080", ("-vf", "setsar=4/3"), (1280, 720)),
        ("640x360", ("-vf", "setsar=1/2"), (320, 360)),
        ("2048x16", (), (1280, 10)),
    ],
)
def test_every_shape_fits_and_keeps_its_own(
    tmp_path: Path, folder: Path, size: str, options: tuple[str, ...], wanted: tuple[int, int]
) -> None:
    source = make_clip(
        tmp_path / "a.mkv", *H264, *options, size=size, seconds=0.4, picture="testsrc", sound=False
    )
    done = rendered(source, folder)
    seen = Seen(done.path)
    assert (seen.size, seen.pixel_shape, seen.rotation) == (wanted, 1, 0)
    width, height = picture_size(done.thumbnails[0])[1]
    assert width <= 192
    assert height <= 108


def test_a_turned_clip_comes_out_upright(tmp_path: Path, folder: Path) -> None:
    """Red above blue, turned by its header: the rendition has blue and red side by side."""
    plain = tmp_path / "plain.mp4"
    red_above_blue = (
        "color=red:size=320x120:rate=25:duration=0.4[a];color=blue:size=320x120:rate=25"
    )
    graph = f"{red_above_blue}:duration=0.4[b];[a][b]vstack"
    run_plain_ffmpeg("-filter_complex", graph, *H264, plain)
    done = rendered(turned(plain, 90), folder)
    assert (Seen(done.path).size, Seen(done.path).rotation) == ((240, 320), 0)
    with av.open(str(done.path)) as container:
        picture = next(container.decode(video=0)).to_rgb()
        row = bytes(picture.planes[0])[160 * picture.planes[0].line_size :]
    left, right = row[20 * 3 : 20 * 3 + 3], row[220 * 3 : 220 * 3 + 3]
    assert left[0] > 200 > left[2] + 150  # counterclockwise, what was above comes to the left
    assert right[2] > 200 > right[0] + 150


@pytest.mark.parametrize(
    ("clip", "degrees", "wanted"),
    [
        (("160x120", "2"), 90, (120, 320)),
        (("160x120", "2"), 180, (320, 120)),
        (("160x120", "1/2"), -90, (120, 80)),
        (("720x576", "64/45"), 90, (404, 720)),  # 405 is odd
        (("1440x1080", "4/3"), -90, (404, 720)),
    ],
)
def test_a_turned_clip_of_odd_pixels_has_its_true_shape(
    tmp_path: Path, folder: Path, clip: tuple[str, str], degrees: int, wanted: tuple[int, int]
) -> None:
    size, shape = clip
    odd = ("-vf", f"negate,setsar={shape}")
    plain = make_clip(tmp_path / "a.mp4", *H264, *odd, size=size, seconds=0.4, sound=False)
    seen = Seen(rendered(turned(plain, degrees), folder).path)
    assert (seen.size, seen.pixel_shape, seen.rotation) == (wanted, 1, 0)


BARS_IN_MOTION = "scroll=horizontal=0.02"
FIELDS = f"{BARS_IN_MOTION},tinterlace={{}},setfield={{}}"  # two of its pictures a frame
AS_FIELDS = ("-flags", "+ildct+ilme", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", (*H264, *AS_FIELDS, "-vf", FIELDS.format("interleave_top", "tff"))),
        ("b.mp4", (*H264, *AS_FIELDS, "-vf", FIELDS.format("interleave_bottom", "bff"))),
        (
            "a.mpg",
            ("-c:v", "mpeg2video", *AS_FIELDS, "-vf", FIELDS.format("interleave_top", "tff")),
        ),
    ],
)
def test_an_interlaced_film_comes_out_without_combs(
    tmp_path: Path, folder: Path, name: str, options: tuple[str, ...]
) -> None:
    clip = tmp_path / name
    make_clip(clip, *options, rate="50", size="320x240", picture="pal75bars", sound=False)
    done = rendered(clip, folder)
    assert (Seen(done.path).frame_rate, Seen(done.path).frames) == (25.0, 25)
    assert between_rows(clip) > 8
    assert between_rows(done.path) < 1.5


def test_lines_of_a_film_that_is_not_interlaced_are_left_alone(
    tmp_path: Path, folder: Path
) -> None:
    lines = ("-vf", "geq=lum='if(mod(Y,2),180,60)':cb=128:cr=128")
    clip = make_clip(tmp_path / "a.mp4", *H264, *lines, seconds=0.4, sound=False)
    assert between_rows(rendered(clip, folder).path) == pytest.approx(120, abs=10)


def between_rows(path: Path) -> float:
    """How much rows of the tenth frame differ from the next: upright bars do not."""
    luma = luma_of(path)
    return float(np.abs(np.diff(luma, axis=0)).mean())


def luma_of(path: Path, number: int = 9) -> np.ndarray:
    with av.open(str(path)) as container:
        frame = next(itertools.islice(container.decode(video=0), number, None))
        return frame.to_ndarray()[: frame.height].astype(int)


@pytest.mark.parametrize(("negated", "luma"), [("", 16), (",negate", 235)])
@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_the_full_range_of_colours_becomes_the_usual_one(
    tmp_path: Path, folder: Path, codec: str, negated: str, luma: int
) -> None:
    full = ("-c:v", codec, "-vf", f"scale=out_range=full,format=yuvj420p{negated}")
    clip = tmp_path / "a.mov"
    make_clip(clip, *full, "-color_range", "pc", picture="color", seconds=0.4, sound=False)
    assert luma_of(clip).mean() == pytest.approx(0 if luma == 16 else 255, abs=1)
    done = rendered(clip, folder)
    assert Seen(done.path).pixel_format == "yuv420p"
    assert luma_of(done.path).mean() == pytest.approx(luma, abs=1)


VP8 = ("-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime")
WHITE = ("-vf", "negate")
BLACK = 60  # luma at the most


def test_a_film_that_changes_its_size_is_padded_and_never_stretched(
    tmp_path: Path, folder: Path
) -> None:
    """A phone is turned and turned back while a browser records, then the picture gets smaller."""
    sizes = ("640x360", "360x640", "640x360", "320x180")
    pieces = [
        make_clip(tmp_path / f"{n}.webm", *VP8, *WHITE, size=size, picture="color", sound=False)
        for n, size in enumerate(sizes)
    ]
    done = rendered(joined(tmp_path / "turned.webm", *pieces), folder)
    seen = Seen(done.path)
    assert (seen.size, seen.pixel_shape) == ((640, 360), 1)
    assert seen.last == pytest.approx(3.96, abs=0.1)
    assert seen.frames == pytest.approx(100, abs=4)
    for second, wanted in enumerate((640, 202, 640, 640)):  # 360 rows of 9:16 are 202 wide
        first, columns = shown_in(done.path, second * 25 + 12)
        assert columns == pytest.approx(wanted, abs=3)
        assert first == pytest.approx((640 - wanted) / 2, abs=3)


def shown_in(path: Path, number: int) -> tuple[int, int]:
    """Where the columns of a frame begin that are not black, and how many they are."""
    columns = np.flatnonzero(luma_of(path, number).max(axis=0) > BLACK)
    assert luma_of(path, number)[:, columns].max(axis=1).min() > BLACK  # all rows are shown
    return int(columns[0]), len(columns)


@pytest.mark.parametrize(
    ("transfer", "level", "luma"),
    [
        ("smpte2084", 0, 16),
        ("smpte2084", 0.5081, 151),  # 100 cd/m2
        ("smpte2084", 0.75, 235),  # 1,000
        ("arib-std-b67", 0.5, 115),
        ("arib-std-b67", 1, 235),
    ],
)
def test_film_of_a_high_dynamic_range_becomes_what_every_screen_shows(
    tmp_path: Path, folder: Path, transfer: str, level: float, luma: int
) -> None:
    clip = hdr_clip(tmp_path / "a.mp4", transfer, level)
    done = rendered(clip, folder)
    assert (Seen(done.path).pixel_format, done.warnings) == ("yuv420p", ())
    assert colors_of(done.path) == ("bt709", "bt709", "bt709", "tv")
    assert luma_of(done.path).mean() == pytest.approx(luma, abs=25)
    assert "MASTERING_DISPLAY" in notes_of(clip)
    assert "MASTERING_DISPLAY" not in notes_of(done.path)


def notes_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return repr(list(next(container.decode(video=0)).side_data))


def colors_of(path: Path) -> tuple[str | None, ...]:
    video = video_of(path)
    return video.color_primaries, video.color_transfer, video.color_matrix, video.color_range


@pytest.mark.parametrize("told", ["color_primaries=film:colorspace=fcc", "field_mode=prog"])
def test_high_dynamic_range_without_its_other_colours_is_that_of_bt2020(
    tmp_path: Path, folder: Path, told: str
) -> None:
    clip = hdr_clip(tmp_path / "a.mp4", "smpte2084", 0.5081, told=told)
    assert "bt2020" not in str(video_of(clip))
    done = rendered(clip, folder)
    assert colors_of(done.path) == ("bt709", "bt709", "bt709", "tv")


def test_an_ffmpeg_that_cannot_map_tones_leaves_them_and_says_so(
    tmp_path: Path, folder: Path
) -> None:
    lesser = tmp_path / "ffmpeg"
    real = find_ffmpeg()
    lesser.write_text(
        f'#!/bin/sh\nif [ "$2" = -filters ]; then {real} -filters | /bin/grep -v zscale\n'
        f'else exec {real} "$@"; fi\n'
    )
    lesser.chmod(0o755)
    clip = hdr_clip(tmp_path / "a.mp4", "arib-std-b67", 0.5)
    done = transcode(clip, folder, WEB, video_of(clip), on_progress=ignore, ffmpeg=lesser)
    assert done.warnings == (
        "PQ or HLG as it was, for ffmpeg lacks the filters zscale and tonemap: colours look pale",
    )
    assert Seen(done.path).pixel_format == "yuv420p"
    assert video_of(done.path).color_transfer == "arib-std-b67"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("444.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p")),
        ("422-10.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv422p10le")),
        ("10.mp4", ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10")),
        ("alpha.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuva420p")),
        ("alpha.mov", ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le")),
        ("rgb.mkv", ("-c:v", "libx264rgb", "-pix_fmt", "rgb24")),
    ],
)
def test_other_pixels_show_the_same_picture(
    tmp_path: Path, folder: Path, name: str, options: tuple[str, ...]
) -> None:
    grey = ("-vf", "lutrgb=128:128:128")
    make_clip(tmp_path / name, *grey, *options, seconds=0.4, picture="color", sound=False)
    done = rendered(tmp_path / name, folder)
    assert Seen(done.path).pixel_format == "yuv420p"
    assert luma_of(done.path).mean() == pytest.approx(126, abs=2)


def test_two_large_frames_that_are_far_apart_are_shrunk_once_each(
    tmp_path: Path, folder: Path
) -> None:
    """8K for twelve seconds, of which two pictures are there."""
    apart = ("-vf", "setpts=N*12/TB", "-fps_mode", "passthrough", "-c:v", "mjpeg")
    clip = tmp_path / "a.mkv"
    make_clip(clip, *apart, size="7680x4320", seconds=0.08, picture="color", sound=False)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = rendered(clip, folder)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 6
    assert Seen(done.path).last == pytest.approx(12, abs=0.1)
    assert Seen(done.path).frames == pytest.approx(300, abs=2)


@pytest.mark.parametrize(("rate", "wanted"), [("60", 30), ("24000/1001", 23.976), ("15", 15)])
def test_the_rate_is_capped_and_never_raised(
    tmp_path: Path, folder: Path, rate: str, wanted: float
) -> None:
    source = make_clip(tmp_path / "a.mp4", *H264, *AAC, rate=rate, seconds=2)
    seen = Seen(rendered(source, folder).path)
    assert seen.frame_rate == pytest.approx(wanted, abs=0.01)
    assert seen.frames == pytest.approx(2 * wanted, abs=2)


def test_a_rate_that_varies_keeps_its_length(tmp_path: Path, folder: Path) -> None:
    """As a phone or a browser records: frames come when they come."""
    slower = ("-vf", "select='lt(t,1)+not(mod(n,5))'", "-fps_mode", "vfr")
    source = make_clip(tmp_path / "a.mkv", *H264, *AAC, *slower, rate="50", seconds=3)
    seen = Seen(rendered(source, folder).path)
    assert seen.frame_rate <= 30.1
    assert seen.last == pytest.approx(2.9, abs=0.2)


def test_what_a_browser_records_is_transcoded(tmp_path: Path, folder: Path) -> None:
    """No length in its header, no index: WebM as MediaRecorder writes it."""
    vp8 = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1")
    source = make_clip(tmp_path / "a.webm", *vp8, size="320x240", rate="30", seconds=3)
    seen = Seen(rendered(source, folder).path)
    assert (seen.codec, seen.sounds) == ("h264", [("aac", 44_100, 2)])
    assert seen.last == pytest.approx(2.97, abs=0.1)


@pytest.mark.parametrize("name", ["a.mov", "a.avi", "a.ts", "a.mpg", "a.ogv", "a.flv", "a.wmv"])
def test_every_container_is_read(tmp_path: Path, folder: Path, name: str) -> None:
    source = make_clip(tmp_path / name, "-ar", "44100", seconds=2)
    seen = Seen(rendered(source, folder).path)
    assert (seen.codec, seen.size) == ("h264", (160, 120))


@pytest.mark.parametrize("preset", [ENCODING, WEB])
def test_nothing_of_the_maker_is_left(tmp_path: Path, folder: Path, preset: Preset) -> None:
    source = make_clip(
        tmp_path / "a.mov",
        *(
            *H264,
            *AAC,
            "-g",
            "25",
            "-metadata",
            "location=+48.1+011.5/",
            "-metadata",
            "title=secret",
        ),
        *("-metadata:s:v", "title=secret", "-metadata", "creation_time=2026-01-02T03:04:05Z"),
        *("-movflags", "use_metadata_tags"),
    )
    assert b"+48.1+011.5/" in source.read_bytes()
    done = rendered(source, folder, preset)
    assert done.remuxed is preset.remux
    assert b"+48.1" not in done.path.read_bytes()
    assert b"secret" not in done.path.read_bytes()
    assert not {"location", "title", "creation_time"} & Seen(done.path).metadata.keys()


CONFORMING = ("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-g", "50", *AAC)


def test_what_is_as_wanted_already_keeps_its_tracks(tmp_path: Path, folder: Path) -> None:
    noted = ("-bsf:v", "h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+at+48.1")
    clip = make_clip(tmp_path / "a.mp4", *CONFORMING, *noted, size="640x360", seconds=4)
    assert b"at+48.1" in clip.read_bytes()
    done = rendered(clip, folder, WEB)
    assert (done.remuxed, done.warnings) == (True, ())
    assert {check.name for check in done.checks} >= {"video_codec", "duration", "width", "height"}
    content = done.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"at+48.1" not in content
    assert pictures_of(done.path) == pictures_of(clip)
    assert Seen(done.path).sounds == [("aac", 44_100, 1)]
    assert picture_size(done.poster) == ("mjpeg", (640, 360))
    assert len(done.thumbnails) == 1
    assert not rendered(clip, folder).remuxed  # where the preset does not allow it


def pictures_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def test_a_copy_that_is_not_as_wanted_is_encoded_after_all(tmp_path: Path, folder: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", *CONFORMING, size="640x360", seconds=2)
    video = video_of(clip)
    wrong = video.model_copy(update={"width": 320, "height": 180})
    wrong = wrong.model_copy(update={"display_width": 320, "display_height": 180})
    done = transcode(clip, folder, WEB, wrong, on_progress=ignore)
    assert not done.remuxed
    (warning,) = done.warnings
    assert warning.startswith("encoded, for a copy of its tracks would not do: the rendition is")
    assert Seen(done.path).size == (320, 180)


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"width": 320, "height": 240, "duration_seconds": 10}, 320),
        ({"width": 3840, "height": 2160, "frame_rate": 60, "duration_seconds": 3600}, 25_612),
        ({"width": 8192, "height": 4320, "frame_rate": 30, "duration_seconds": 100}, 1800),
        ({"width": 8192, "height": 4320, "frame_rate": 0.001, "duration_seconds": 900}, 2100),
        ({"width": 1920, "height": 1080, "frame_rate": 30, "duration_seconds": 14_400}, 28_800),
        ({"duration_seconds": 100}, 1800),
    ],
)
def test_a_film_gets_the_time_that_it_is_worth(facts: dict[str, float], seconds: float) -> None:
    video = VideoInfo.model_validate(facts | {"video_streams": 1})
    assert _most_seconds(video, facts["duration_seconds"]) == pytest.approx(seconds, abs=1)


def test_one_thumbnail_a_minute(tmp_path: Path, folder: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", *H264, size="64x48", rate="10", seconds=125, sound=False)
    done = rendered(source, folder)
    assert [path.name for path in done.thumbnails] == [
        f"thumbnail-0000{number}.png" for number in (1, 2, 3)
    ]
    assert len({path.read_bytes() for path in done.thumbnails}) == 3


@pytest.mark.parametrize(
    "name", ["with space.mp4", "ünï☃.mp4", "-i.mp4", "%03d.mp4", "a:b'c\"d\n$(x);.mp4", "no suffix"]
)
def test_names_are_only_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make_clip(tmp_path / "plain.mp4", *H264, seconds=0.4, sound=False)
    odd = tmp_path / f"100%d {name}"
    odd.mkdir()
    shutil.copy(plain, odd / name)
    monkeypatch.chdir(odd)
    for source in (odd / name, Path(name)):
        done = transcode(source, odd, WEB, video_of(source), on_progress=ignore)
        assert Seen(done.path).size == (160, 120)
        assert done.path.parent == odd


def test_other_presets_are_entries_and_not_code(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "presets.toml"
    path.write_text(OTHER_PRESETS)
    presets = load_presets(path)
    source = make_clip(tmp_path / "a.mp4", *H264, *AAC, size="1280x720", rate="30", seconds=2)
    done = {name: rendered(source, folder_of(folder, name), presets.named(name)) for name in
            ("480p", "VP8", "VP9")}  # fmt: skip
    seen = {name: Seen(one.path) for name, one in done.items()}
    assert done["VP9"].path.name == "video.webm"
    assert [(s.codec, s.size, s.sounds) for s in seen.values()] == [
        ("h264", (852, 480), [("aac", 48_000, 1)]),
        ("vp8", (320, 180), [("vorbis", 44_100, 2)]),
        ("vp9", (320, 180), [("opus", 48_000, 2)]),
    ]
    assert seen["480p"].frame_rate == 24.0
    assert len(done["480p"].thumbnails) == 2
    assert picture_size(done["480p"].thumbnails[0])[1] == (64, 36)


def folder_of(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def test_a_second_rendition_replaces_the_first(tmp_path: Path, folder: Path) -> None:
    first = rendered(make_clip(tmp_path / "a.mp4", *H264, seconds=0.4), folder)
    begun = first.path.read_bytes()
    (folder / "thumbnail-00002.png").write_bytes(b"of a longer one")
    second = rendered(make_clip(tmp_path / "b.mp4", *H264, seconds=0.8), folder)
    assert second.path == first.path
    assert second.path.read_bytes() != begun


# --- refusals -------------------------------------------------------------------------------------


def refused(source: Path, folder: Path, video: VideoInfo, preset: Preset = WEB) -> str:
    with pytest.raises(TranscodeError) as caught:
        transcode(source, folder, preset, video, on_progress=ignore)
    assert list(folder.iterdir()) == []
    assert own_children() == []
    return str(caught.value)


def test_sound_alone_is_refused(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.mp4"
    run_plain_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", *AAC, path)
    sound = VideoInfo(audio_streams=1, duration_seconds=1)
    assert refused(path, folder, sound) == "there is no video in it"


def test_huge_frames_are_refused_whatever_the_header_says(tmp_path: Path, folder: Path) -> None:
    honest = huge_vp8(tmp_path / "a.webm", in_the_container_too=True)
    assert refused(honest, folder, video_of(honest)) == (
        "256000000 pixels, wanted at most 35389440"
    )
    lying = huge_vp8(tmp_path / "b.webm", in_the_container_too=False)
    small = VideoInfo(video_streams=1, width=320, height=320, display_width=320, display_height=320)
    assert "ffmpeg ended with" in refused(lying, folder, small)


def test_a_video_that_is_too_long_is_refused(folder: Path) -> None:
    short = WEB.model_copy(update={"max_seconds": 5})
    assert refused(bikes(), folder, video_of(bikes()), short) == "10.0 s, wanted at most 5 s"


def test_half_a_video_is_no_rendition(tmp_path: Path, folder: Path) -> None:
    """ffmpeg reports success for it."""
    whole = make_clip(tmp_path / "a.mp4", *H264, "-movflags", "+faststart", seconds=10)
    half = tmp_path / "half.mp4"
    content = whole.read_bytes()
    half.write_bytes(content[: len(content) // 2])
    message = refused(half, folder, video_of(whole))
    assert message.startswith("the rendition is not as wanted: duration ")


def test_what_grows_too_large_is_refused(folder: Path) -> None:
    small = WEB.model_copy(update={"max_bytes": 100_000})
    message = refused(big_buck_bunny(), folder, video_of(big_buck_bunny()), small)
    assert message.startswith("the rendition is not as wanted: duration ")


def test_what_is_no_video_is_refused_with_ffmpegs_words(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(os.urandom(50_000))
    message = refused(path, folder, VideoInfo(video_streams=1))
    assert "Invalid data found when processing input" in message
    assert "No such file" in refused(tmp_path / "missing", folder, VideoInfo(video_streams=1))


def test_an_encoder_option_that_does_not_exist_is_told(folder: Path) -> None:
    video = WEB.video.model_copy(update={"options": {"preset": "warp"}})
    wrong = WEB.model_copy(update={"video": video})
    assert "ffmpeg ended with" in refused(bikes(), folder, video_of(bikes()), wrong)


# --- attacks --------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def test_texts_that_name_other_files_read_nothing(
    tmp_path: Path, folder: Path, listener: socket.socket
) -> None:
    make_clip(tmp_path / "neighbour.mp4", *H264)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.mp4"
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    for text in (
        "ffconcat version 1.0\nfile neighbour.mp4\n",
        f"ffconcat version 1.0\nfile {url}\n",
        hls.format("neighbour.mp4"),
        hls.format(url),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    ):
        for name in ("attack.mp4", "attack.m3u8"):
            path = tmp_path / name
            path.write_text(text)
            refused(path, folder, VideoInfo(video_streams=1))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_without_our_guards_the_attack_works(tmp_path: Path) -> None:
    make_clip(tmp_path / "neighbour.mp4", *H264)
    attack = tmp_path / "attack.mp4"
    attack.write_text("ffconcat version 1.0\nfile neighbour.mp4\n")
    run_plain_ffmpeg("-i", attack, "-c", "copy", tmp_path / "stolen.mp4")
    assert Seen(tmp_path / "stolen.mp4").size == (160, 120)


def test_an_address_is_no_source(folder: Path, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.mp4"
    assert "No such file" in refused(Path(url), folder, VideoInfo(video_streams=1))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_ffmpeg_reads_its_source_and_none_of_its_neighbours(tmp_path: Path, folder: Path) -> None:
    neighbour = tmp_path / "neighbour"
    neighbour.write_text("ours")
    fake = tmp_path / "ffmpeg"
    fake.write_text(
        f"#!/bin/sh\nhead -c 8 {bikes()} | tail -c 4 >&2\ncat {neighbour} >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    with pytest.raises(TranscodeError) as caught:
        transcode(bikes(), folder, WEB, video_of(bikes()), on_progress=ignore, ffmpeg=fake)
    assert "ftyp" in str(caught.value)
    expected = "Permission denied" if confinement.landlock_version() else "ours"
    assert expected in str(caught.value)


def test_ffmpeg_itself_reaches_no_network(
    tmp_path: Path, folder: Path, listener: socket.socket
) -> None:
    """Were it told to, and without its own guards."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.mp4"
    with pytest.raises(TranscodeError, match="Operation not permitted"):
        run_ffmpeg(
            find_ffmpeg(),
            ["-loglevel", "error", "-i", url, "-f", "null", "-"],
            folder,
            source=tmp_path,
            seconds=10,
            most_bytes=1000,
            on_line=lambda _: None,
            stop=threading.Event(),
        )
    with pytest.raises(BlockingIOError):
        listener.accept()


# --- stopped in the middle ------------------------------------------------------------------------


def test_it_stops_when_asked_to(minute: Path, folder: Path) -> None:
    stop = threading.Event()
    begun = time.monotonic()
    with pytest.raises(TranscodeStoppedError):
        transcode(
            minute, folder, WEB, video_of(minute), on_progress=lambda _: stop.set(), stop=stop
        )
    assert time.monotonic() - begun < 5
    assert (own_children(), list(folder.iterdir())) == ([], [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_nothing(
    minute: Path, folder: Path, error: type[BaseException]
) -> None:
    def interrupt(_: Progress) -> None:
        assert len(own_children()) == 1
        raise error

    with pytest.raises(error):
        transcode(minute, folder, WEB, video_of(minute), on_progress=interrupt)
    assert (own_children(), list(folder.iterdir())) == ([], [])


def test_ffmpeg_killed_from_outside_is_a_passing_error(minute: Path, folder: Path) -> None:
    def kill(_: Progress) -> None:
        for process in own_children():
            process.kill()

    with pytest.raises(TranscodeResourceError, match="killed from outside"):
        transcode(minute, folder, WEB, video_of(minute), on_progress=kill)
    assert list(folder.iterdir()) == []


def test_too_little_time_is_a_passing_error(
    minute: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_pipeline.media.video.transcode.BASE_SECONDS", 0.5)
    monkeypatch.setattr("ingest_pipeline.media.video.transcode.SECONDS_A_SECOND", 0.0)
    monkeypatch.setattr("ingest_pipeline.media.video.transcode.LEAST_SECONDS_A_SECOND", 0.0)
    with pytest.raises(TranscodeResourceError, match="not done after 0 s"):
        transcode(minute, folder, WEB, video_of(minute), on_progress=ignore)
    assert (own_children(), list(folder.iterdir())) == ([], [])


TRANSCODE_HERE = """
import resource, sys
from pathlib import Path
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.presets import load_presets
from ingest_pipeline.media.video.transcode import transcode
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
video = VideoInfo.model_validate_json(sys.argv[3])
report = lambda progress: print(progress, flush=True)
transcode(Path(sys.argv[1]), Path(sys.argv[2]), load_presets().named(), video, on_progress=report)
"""


def elsewhere(source: Path, folder: Path, *limit: str) -> subprocess.Popen[bytes]:
    video = video_of(source).model_dump_json()
    return subprocess.Popen(
        [sys.executable, "-c", TRANSCODE_HERE, source, folder, video, *limit],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_ffmpeg_does_not_outlive_a_killed_parent(minute: Path, folder: Path) -> None:
    with elsewhere(minute, folder) as parent:
        assert parent.stdout
        assert parent.stdout.readline()
        (ffmpeg,) = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        ffmpeg.wait(timeout=5)
        parent.stdout.read()


def test_a_file_that_may_not_grow_is_a_passing_error(minute: Path, folder: Path) -> None:
    with elsewhere(minute, folder, "200000") as parent:
        _, complaints = parent.communicate()
    assert b"TranscodeResourceError" in complaints
    assert b"File too large" in complaints
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_a_passing_error(minute: Path, folder: Path) -> None:
    """On a file system of 400 kB; where none may be mounted, the limit of files stands in."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        test_a_file_that_may_not_grow_is_a_passing_error(minute, folder)
        return
    try:
        with pytest.raises(TranscodeResourceError, match="No space left on device"):
            transcode(minute, folder, WEB, video_of(minute), on_progress=ignore)
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# --- what ffmpeg does -----------------------------------------------------------------------------


def test_the_ffmpeg_that_is_given_is_used(tmp_path: Path, folder: Path) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho these words >&2; exit 7\n")
    fake.chmod(0o755)
    with pytest.raises(TranscodeError, match=r"^ffmpeg ended with 7: these words$"):
        transcode(bikes(), folder, WEB, video_of(bikes()), on_progress=ignore, ffmpeg=fake)


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("kill -SEGV $$", TranscodeError, "ffmpeg died of SIGSEGV"),
        ("kill -KILL $$", TranscodeResourceError, "killed from outside"),
        ("exit 0", TranscodeError, "the rendition is not there"),
        ("yes 'a line of complaint' | head -c 50000000 >&2; exit 1", TranscodeError, "complaint"),
        ("head -c 50000000 /dev/zero >&2; exit 1", TranscodeError, "ffmpeg ended with 1"),
        ("sleep 99 & exit 1", TranscodeError, "ffmpeg ended with 1"),
    ],
)
def test_whatever_ffmpeg_does_has_a_clear_end(
    tmp_path: Path, folder: Path, script: str, error: type[Exception], words: str
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    with pytest.raises(error, match=words):
        transcode(bikes(), folder, WEB, video_of(bikes()), on_progress=ignore, ffmpeg=fake)
    assert (own_children(), list(folder.iterdir())) == ([], [])

from pathlib import Path

import av
import pytest

from ingest_pipeline.media.video.ladder import Ladder, make_ladder, rung_presets
from ingest_pipeline.media.video.presets import Preset, load_presets
from ingest_pipeline.media.video.transcode import TranscodeError
from ingest_pipeline_tests.media.clips import H264, big_buck_bunny, make_clip, turned, video_of

STREAM = load_presets().named("Stream")


def ladder_of(source: Path, folder: Path, preset: Preset = STREAM) -> Ladder:
    made = make_ladder(source, folder, preset, video_of(source), on_progress=lambda _: None)
    assert {path.name for path in made.folder.iterdir()} == set(made.files)
    return made


def sizes(path: Path) -> list[tuple[int, int]]:
    """The rungs, as PyAV's own reader of HLS finds them."""
    with av.open(str(path)) as container:
        return [(stream.width, stream.height) for stream in container.streams.video]


def key_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(f.time or 0) for f in container.decode(video=0) if f.key_frame]


def test_a_real_film_becomes_rungs_that_are_cut_at_the_same_moments(tmp_path: Path) -> None:
    made = ladder_of(big_buck_bunny(), tmp_path)
    assert sizes(made.folder / "master.m3u8") == [(1280, 720), (852, 480), (426, 240)]
    cuts = [key_times(made.folder / f"{number}.mp4") for number in range(3)]
    assert cuts[0] == cuts[1] == cuts[2] == pytest.approx([0, 4], abs=0.1)
    with av.open(str(made.folder / "3.mp4")) as container:
        (sound,) = container.streams.audio
        assert (sound.codec_context.codec.canonical_name, sound.rate) == ("aac", 48_000)
    assert made.duration_seconds == pytest.approx(5.3, abs=0.1)
    manifest = (made.folder / "manifest.mpd").read_text("utf-8")
    assert manifest.count('contentType="video"') == 1
    assert manifest.count("<Representation ") == 4
    board = (made.folder / "storyboard.vtt").read_text("utf-8")
    assert "00:00:04.000 --> 00:00:05.312\nstoryboard.jpg#xywh=160,0,160,90" in board


def test_an_upright_film_is_measured_by_its_shorter_side(tmp_path: Path) -> None:
    source = turned(make_clip(tmp_path / "wide.mp4", *H264, size="640x480", seconds=1), 90)
    made = ladder_of(source, tmp_path)
    assert sizes(made.folder / "master.m3u8") == [(480, 640), (240, 320)]
    assert made.audio_codec == "aac"


def test_a_film_smaller_than_every_rung_stays_as_it_is(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "small.mp4", *H264, size="160x120", seconds=1)
    (rung,) = rung_presets(STREAM, video_of(source))
    assert rung.video.bit_rate == 400_000
    assert sizes(ladder_of(source, tmp_path).folder / "master.m3u8") == [(160, 120)]


def test_too_many_bytes_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "small.mp4", *H264, size="160x120", seconds=1)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(TranscodeError, match="wanted at most 1000"):
        ladder_of(source, folder, STREAM.model_copy(update={"max_bytes": 1000}))
    assert list(folder.iterdir()) == []


def test_a_film_without_sound_has_rungs_alone(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "silent.mp4", *H264, "-an", size="160x120", seconds=1)
    made = ladder_of(source, tmp_path)
    assert made.audio_codec is None
    assert "AUDIO" not in (made.folder / "master.m3u8").read_text("utf-8")

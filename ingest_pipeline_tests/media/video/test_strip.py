from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ingest_pipeline.media.video.ffmpeg import (
    TranscodeError,
    TranscodeResourceError,
)
from ingest_pipeline.media.video.strip import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES,
    take_strip,
)
from ingest_pipeline_tests.media.clips import (
    H264,
    big_buck_bunny,
    make_clip,
    run_plain_ffmpeg,
    video_of,
)


def frames(video: Path, folder: Path, seconds: float) -> list[npt.NDArray[np.int64]]:
    """The frames of a strip as pixels."""
    image = Image.open(take_strip(video, folder, seconds)).convert("RGB")
    assert image.height == FRAME_HEIGHT
    return np.split(np.asarray(image).astype(np.int64), FRAMES, axis=1)


def test_a_strip_shows_the_whole_length_of_a_real_clip(tmp_path: Path) -> None:
    film = big_buck_bunny()
    found = frames(film, tmp_path, video_of(film).duration_seconds or 0)
    assert found[0].shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert all(frame.std() > 20 for frame in found)
    steps = [abs(one - other).mean() for one, other in pairwise(found)]
    assert min(steps) > 1


def test_frames_stand_in_the_order_of_time(tmp_path: Path) -> None:
    fade = tmp_path / "fade.mp4"  # from black to white
    run_plain_ffmpeg(
        *("-f", "lavfi", "-i", "color=c=white:size=160x90:rate=25:duration=4"),
        *("-vf", "fade=in:0:100", *H264, fade),
    )
    means = [frame.mean() for frame in frames(fade, tmp_path, 4)]
    assert means == sorted(means)
    assert means[-1] - means[0] > 150


def test_an_upright_film_is_not_turned_or_stretched(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "tall.mp4", *H264, size="180x320")
    assert frames(film, tmp_path, 1)[0].shape[1] == pytest.approx(FRAME_HEIGHT * 180 / 320, abs=1)


@pytest.mark.parametrize(("seconds", "told"), [(0.1, 0.1), (2, 20), (1, 0)])
def test_where_frames_are_few_the_last_stands_for_those_missing(
    tmp_path: Path, seconds: float, told: float
) -> None:
    film = make_clip(tmp_path / "a.mp4", *H264, size="160x90", seconds=seconds)
    assert all(frame.std() > 20 for frame in frames(film, tmp_path, told))


def test_a_file_without_pictures_has_none(tmp_path: Path) -> None:
    run_plain_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "a.mp4")
    with pytest.raises(TranscodeError):
        take_strip(tmp_path / "a.mp4", tmp_path, 1)


def test_without_ffmpeg_it_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TranscodeResourceError):
        take_strip(tmp_path / "a.mp4", tmp_path, 1, tmp_path / "no-ffmpeg")

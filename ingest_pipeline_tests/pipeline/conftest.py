"""Worlds in which everything is made of objects that can be, and session trees."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_pipeline_tests import mediaconvert, rekognition
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip, run_plain_ffmpeg
from ingest_pipeline_tests.sessions.trees import Tree
from ingest_pipeline_tests.whole_world import Made, WholeWorld


@pytest.fixture(scope="session")
def cats() -> Iterator[rekognition.StandIn]:
    """Sees a cat on every image."""
    with rekognition.stand_in() as service:
        yield service


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A clip of a second, which may as well be its own rendition, and a picture of it."""
    folder = tmp_path_factory.mktemp("clip")
    small = ("-profile:v", "main", "-pix_fmt", "yuv420p")
    video = make_clip(folder / "clip.mp4", *H264, *small, *AAC, size="160x120")
    picture = folder / "picture.jpg"
    run_plain_ffmpeg("-i", video, "-frames:v", "1", picture)
    return Made(video.read_bytes(), picture.read_bytes())


@pytest.fixture
def whole(embedded_aws: EmbeddedAws, tmp_path: Path, cats: rekognition.StandIn) -> WholeWorld:
    """Where ffmpeg transcodes."""
    return WholeWorld(embedded_aws, tmp_path, cats)


@pytest.fixture
def served(
    embedded_aws: EmbeddedAws, tmp_path: Path, cats: rekognition.StandIn, clip: Made
) -> Iterator[WholeWorld]:
    """Where MediaConvert does."""
    with mediaconvert.stand_in() as service:
        yield WholeWorld(embedded_aws, tmp_path, cats, service, clip)


@pytest.fixture
def tree(embedded_aws: EmbeddedAws) -> Tree:
    return Tree(embedded_aws)

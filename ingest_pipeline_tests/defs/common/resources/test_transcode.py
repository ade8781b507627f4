from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest_pipeline.aws.queues import Message
from ingest_pipeline.media.video.presets import PresetsError
from ingest_pipeline.pipeline.enrich.transcode_ffmpeg import FfmpegEngine
from ingest_pipeline.pipeline.enrich.transcode_mediaconvert import MediaConvertEngine
from ingest_pipeline_tests.world import World

ROLE = "arn:aws:iam::111122223333:role/transcode"


def test_the_engine_is_the_one_that_the_settings_name(world: World) -> None:
    resource = world.wired.transcoder
    here = resource.transcoder("a-run").engine
    assert isinstance(here, FfmpegEngine)
    assert here.run_id == "a-run"
    there = resource.model_copy(update={"engine": "mediaconvert", "mediaconvert_role": ROLE})
    engine = there.transcoder("a-run").engine
    assert isinstance(engine, MediaConvertEngine)
    assert engine.service.role == ROLE


def test_presets_are_those_of_the_file(world: World) -> None:
    presets = world.wired.transcoder.transcoder().presets
    assert [preset.name for preset in presets.preset] == ["Web", "Stream"]


def test_presets_are_held_against_the_limits_of_the_engine(world: World, tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    text = world.settings.presets.read_text(encoding="utf-8")
    path.write_text(text.replace("refs = 3", "refs = 8"), encoding="utf-8")
    here = world.wired.transcoder.model_copy(update={"presets": str(path)})
    assert here.transcoder().presets.named().video.refs == 8
    there = here.model_copy(update={"engine": "mediaconvert", "mediaconvert_role": ROLE})
    with pytest.raises(PresetsError) as caught:
        there.transcoder()
    assert str(caught.value) == (
        f'{path}: preset 1 ("Web"): [video] refs: 8 is not within MediaConvert\'s 1 to 6'
    )


def test_a_source_asks_for_presets_that_there_are(world: World, tmp_path: Path) -> None:
    path = tmp_path / "streams.toml"
    path.write_text('[[source]]\nbucket = "b"\nkinds = ["video"]\npresets = ["Stream"]\n')
    here = world.wired.transcoder.model_copy(update={"sources": str(path)})
    assert here.transcoder().sources is not None
    there = here.model_copy(update={"engine": "mediaconvert", "mediaconvert_role": ROLE})
    assert there.transcoder().sources is not None
    path.write_text(path.read_text().replace("Stream", "Steam"))
    with pytest.raises(PresetsError, match='"Steam" is not one of Web, Stream'):
        here.transcoder()


def test_what_tells_of_no_job_of_ours_names_no_video(world: World) -> None:
    message = Message(id="m", handle="h", body="junk", receive_count=1, sent_at=datetime.now(UTC))
    parsed = world.wired.transcode_consumer.parse(message)
    assert parsed.objects == ()
    assert parsed.problems

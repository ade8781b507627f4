from datetime import timedelta
from pathlib import Path

import pytest

from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.world import World, bodies


def test_a_system_is_made_where_nothing_answers(tmp_path: Path) -> None:
    system = System(
        Settings(home=tmp_path, aws_port=free_port(), region="us-east-1", endpoint_url=None)
    )
    assert system.sources.for_object(system.config.bucket, "a.wav") is not None
    assert [each.queue.name for each in system.queues] == [
        names.queue for names in system.config.queues
    ]


@pytest.mark.parametrize("part", ["clients", "tables", "queues", "sources"])
def test_a_part_is_made_once(world: World, part: str) -> None:
    assert getattr(world.system, part) is getattr(world.system, part)


def test_its_parts_work_with_the_same_tables_and_queues(world: World) -> None:
    system = world.system
    good, bad = world.put("a.wav", wavs.valid()), world.put("bad.wav", wavs.wrong_rate())
    world.ingest([good, bad])
    assert system.delete_requests().request(good.bucket, good.key, good.version)
    assert len(bodies(system.queues.delete.queue)) == 1
    assert [each.version for each in system.history(good.bucket, good.key).history] == [
        good.version
    ]
    system.restorer().restore(bad.bucket, bad.key)
    assert world.content("bad.wav") == wavs.wrong_rate()
    assert system.queues.ingest.queue.depth() == Depth(waiting=1, in_flight=0)
    assert list(system.reconciler().differences(world.bucket, timedelta(days=1))) == []
    assert system.posts().bucket == system.config.photo_bucket

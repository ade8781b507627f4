from types import SimpleNamespace
from typing import Any

import pytest

from ingest_pipeline.defs.common import objects as objects_module
from ingest_pipeline.defs.common.config import ObjectsConfig
from ingest_pipeline.defs.common.objects import pages_of_objects
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World, some_ref


def pages(world: World, config: ObjectsConfig, *days: str) -> list[list[ObjectRef]]:
    context: Any = SimpleNamespace(partition_keys=days)
    return list(pages_of_objects(context, config, world.wired.requests))


def test_a_run_that_names_objects_is_about_them_wherever_they_are(world: World) -> None:
    refs = (some_ref(world.bucket, "never.wav"), some_ref("foreign", "a.wav"))
    assert pages(world, ObjectsConfig.of(refs), "2026-03-01") == [list(refs)]


def test_a_run_of_days_is_about_what_is_indexed_of_them_a_page_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "TOGETHER", 2)
    refs = [world.put(f"{number}.wav", wavs.valid()) for number in range(5)]
    world.ingest([*refs, world.put("bad.wav", wavs.wrong_rate())])
    found = pages(world, ObjectsConfig(), refs[0].day)
    mine = [ref.key for page in found for ref in page if ref.bucket == world.bucket]
    assert sorted(mine) == [ref.key for ref in refs]
    assert max(map(len, found)) == 2
    assert pages(world, ObjectsConfig(), "2015-01-01") == []

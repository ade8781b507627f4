import pytest

from ingest_pipeline_tests.world import World


@pytest.fixture
def plain(world: World) -> World:
    """A world whose bucket keeps no versions."""
    world.bucket = world.make_bucket(f"{world.bucket}-plain", is_versioned=False)
    return world

from collections.abc import Iterator

import dagster as dg
import pytest

from ingest_pipeline.settings import settings
from ingest_pipeline_tests.world import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of the test's own."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def our_world(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world that the definitions see, too: they take their settings from the environment."""
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert settings() == world.settings
    yield world
    settings.cache_clear()

from collections.abc import Iterator

import pytest

from ingest_pipeline_tests.catalogue.past import Past
from ingest_pipeline_tests.world import World


@pytest.fixture
def past(world: World) -> Iterator[Past]:
    past = Past(world)
    yield past
    past.forget()

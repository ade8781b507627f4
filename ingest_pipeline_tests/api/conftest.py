"""The API over the session's embedded AWS."""

from collections.abc import Iterator

import httpx
import pytest

from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.embedded import EmbeddedAws


@pytest.fixture(scope="session")
def system(embedded_aws: EmbeddedAws) -> System:
    return System(embedded_aws.settings)


@pytest.fixture(scope="session")
def api(system: System) -> Iterator[httpx.Client]:
    with serving(system) as client:
        yield client

"""The API over the session's embedded AWS."""

from collections.abc import Iterator

import httpx
import pytest

from ingest_pipeline.api.auth import hash_password
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE, BOB, serving
from ingest_pipeline_tests.embedded import EmbeddedAws


@pytest.fixture(scope="session")
def system(embedded_aws: EmbeddedAws) -> System:
    return System(embedded_aws.settings)


@pytest.fixture(scope="session")
def api(system: System) -> Iterator[httpx.Client]:
    with serving(system) as client:
        yield client


@pytest.fixture(scope="session")
def members_api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API with two users; it is they who must log in, the client does not by itself."""
    users = tmp_path_factory.mktemp("users") / "users"
    lines = [f"{user}:{hash_password(password)}" for user, password in (ALICE, BOB)]
    users.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = system.config.model_copy(update={"basic_users": users})
    with serving(System(config)) as client:
        yield client

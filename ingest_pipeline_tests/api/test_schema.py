"""Every route holds what the API's own description says of it, for data that fits it or not."""

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import SecretStr
from schemathesis import Case
from schemathesis.checks import allow_header_conformance, positive_data_acceptance

from ingest_pipeline.api.app import create_app
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import serving

SECRET = "0123456789abcdef" * 2
LONGEST_QUERY = 60_000  # bytes; uvicorn refuses longer ones, in words of its own

CHECKS = {
    # A cursor is good or it is not: that is more than a schema can say.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "404"]},
    "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "413", "422"]},
}

schema = schemathesis.openapi.from_dict(
    create_app(System(Settings())).openapi(),
    config=schemathesis.Config.from_dict({"checks": CHECKS}),
)
bounded = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck]
)


def check(
    case: "Case[Any]", api: httpx.Client, headers: dict[str, str], excluded: Sequence[Any] = ()
) -> None:
    if len(urlencode(case.query or {}, doseq=True)) > LONGEST_QUERY:
        return
    case.call_and_validate(
        str(api.base_url),
        headers=headers,
        # Starlette tells the methods of one route, although another has the same path.
        excluded_checks=[allow_header_conformance, *excluded],
        allow_redirects=False,
    )


@pytest.fixture(scope="session")
def token_api(system: System) -> Iterator[httpx.Client]:
    config = system.config.model_copy(update={"auth": "jwt", "jwt_key": SecretStr(SECRET)})
    with serving(System(config)) as client:
        yield client


@schema.include(tag="posts").parametrize()
@bounded
def test_routes_of_posts(case: "Case[Any]", token_api: httpx.Client) -> None:
    token = jwt.encode({"sub": "schema", "exp": time.time() + 60}, SECRET)
    check(case, token_api, {"Authorization": f"Bearer {token}"})


# The answer 503 of /health is none of an error; others check names by rules of their own.
@schema.exclude(tag="posts").exclude(path="/health").parametrize()
@bounded
def test_other_routes(case: "Case[Any]", api: httpx.Client) -> None:
    check(case, api, {}, excluded=[positive_data_acceptance])

"""Buckets and event databases of a test's own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ingest_pipeline.sessions.event_db.event_db import EventDb
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.sessions.servers import SERVERS, Server, server
from ingest_pipeline_tests.sessions.trees import Tree


@pytest.fixture
def tree(embedded_aws: EmbeddedAws) -> Tree:
    return Tree(embedded_aws)


@pytest.fixture(params=SERVERS)
def sql_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """MariaDB and PostgreSQL."""
    with server(request.param) as made:
        yield made


@pytest.fixture(params=["sqlite", *SERVERS])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of every kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/events.db"
        return
    with server(request.param) as made:
        yield made.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@pytest.fixture
def dynamo_table(embedded_aws: EmbeddedAws) -> str:
    """A table as infra makes it, under a name of its own."""
    name = f"session_events_{uuid4().hex[:12]}"
    embedded_aws.clients.dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "session_id", "KeyType": "HASH"},
            {"AttributeName": "audio_tag", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key in ("session_id", "audio_tag")
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture(params=["sqlite", *SERVERS, "dynamodb"])
def event_db(
    request: pytest.FixtureRequest, embedded_aws: EmbeddedAws, tmp_path: Path
) -> Iterator[EventDb]:
    """A connected, empty event database of every kind."""
    if request.param == "dynamodb":
        url = f"dynamodb://{request.getfixturevalue('dynamo_table')}"
        yield open_event_db(url, embedded_aws.clients.dynamodb)
    elif request.param == "sqlite":
        yield from _opened(f"sqlite:///{tmp_path}/events.db")
    else:
        with server(request.param) as made:
            yield from _opened(made.url)


def _opened(url: str) -> Iterator[EventDb]:
    db = open_event_db(url)
    try:
        yield db
    finally:
        db.close()

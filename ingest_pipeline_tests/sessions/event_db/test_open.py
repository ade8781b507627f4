from pathlib import Path

import pytest

from ingest_pipeline.sessions.event_db.dynamo import DynamoEventDb
from ingest_pipeline.sessions.event_db.event_db import EventDbUnavailableError
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.event_db.sql import SqlEventDb
from ingest_pipeline_tests.embedded import EmbeddedAws, free_port


def test_a_file_has_its_tables_as_soon_as_it_is_opened(tmp_path: Path) -> None:
    for _ in range(2):
        database = open_event_db(f"sqlite:///{tmp_path}/events.db")
        assert isinstance(database, SqlEventDb)
        assert len(database.table()) == 0
        database.close()


def test_a_table_of_dynamodb_is_opened_over_the_client_given(
    embedded_aws: EmbeddedAws, dynamo_table: str
) -> None:
    database = open_event_db(f"dynamodb://{dynamo_table}", embedded_aws.clients.dynamodb)
    assert isinstance(database, DynamoEventDb)
    assert database.event_counts({"never"}).get("never", 0) == 0
    database.close()


def test_dynamodb_without_a_client_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a client"):
        open_event_db("dynamodb://events")


@pytest.mark.parametrize("url", ["", "events.db", "oracle://host/db", "http://host/db"])
def test_a_url_of_no_such_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of each kind
        open_event_db(url)


def test_a_database_that_gives_no_answer_is_told_apart_from_one_that_refuses() -> None:
    with pytest.raises(EventDbUnavailableError):
        open_event_db(f"postgresql+psycopg2://user:secret@127.0.0.1:{free_port()}/db")

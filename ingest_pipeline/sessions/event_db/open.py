"""The event database that a URL names."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest_pipeline.sessions.event_db.dynamo import DynamoEventDb
from ingest_pipeline.sessions.event_db.event_db import EventDb, EventDbUrlError
from ingest_pipeline.sessions.event_db.sql import SqlEventDb

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def open_event_db(url: str, dynamodb: "DynamoDBClient | None" = None) -> EventDb:
    """Open the database at a URL, with its tables up to date; `close` it after use.

    `sqlite:///file`, `sqlite:////absolute/file`, `mysql+pymysql://user:password@host/database`,
    `mariadb+pymysql://...`, `postgresql+psycopg2://...` or `dynamodb://table`, the last over the
    client given.

    Raises:
        EventDbUrlError: the URL names no database of these kinds.
        EventDbUnavailableError: it gives no answer.
        EventDbError: it refuses.
    """
    database = _database(url, dynamodb)
    database.connect()
    return database


def _database(url: str, dynamodb: "DynamoDBClient | None") -> EventDb:
    scheme, table, *_ = urlsplit(url)
    if scheme == "dynamodb":
        if dynamodb is None:
            raise EventDbUrlError("an event database in DynamoDB needs a client")
        return DynamoEventDb(dynamodb, table)
    return SqlEventDb(url)

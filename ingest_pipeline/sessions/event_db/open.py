"""The event database that a URL names."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest_pipeline.sessions.event_db.dynamo import DynamoEventDb
from ingest_pipeline.sessions.event_db.event_db import EventDb, EventDbUrlError
from ingest_pipeline.sessions.event_db.sql import SqlEventDb

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def open_event_db(
    url: str, dynamodb: "DynamoDBClient | None" = None, *, catalogue_url: str | None = None
) -> EventDb:
    """Open the database at a URL, with its tables up to date; `close` it after use.

    `sqlite:///file`, `sqlite:////absolute/file`, `mysql+pymysql://user:password@host/database`,
    `mariadb+pymysql://...`, `postgresql+psycopg2://...` or `dynamodb://table`, the last over the
    client given. Links to recordings begin with `catalogue_url`, where people find our API; without
    it they are the objects' own addresses, for those who have a right to them.

    Raises:
        EventDbUrlError: the URL names no database of these kinds.
        EventDbUnavailableError: it gives no answer.
        EventDbError: it refuses.
    """
    database = event_db_at(url, dynamodb, catalogue_url=catalogue_url)
    database.connect()
    return database


def event_db_at(
    url: str, dynamodb: "DynamoDBClient | None" = None, *, catalogue_url: str | None = None
) -> EventDb:
    """The same, not connected yet: nothing is reached, and no table made or changed.

    Raises:
        EventDbUrlError: the URL names no database of these kinds.
    """
    scheme, table, *_ = urlsplit(url)
    if scheme == "dynamodb":
        if dynamodb is None:
            raise EventDbUrlError("an event database in DynamoDB needs a client")
        return DynamoEventDb(dynamodb, table)
    return SqlEventDb(url, catalogue_url=catalogue_url)

from typing import TYPE_CHECKING

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.sessions.event_db.dynamo import DynamoEventDb
from ingest_pipeline.sessions.event_db.event_db import (
    EventDbError,
    EventDbUnavailableError,
)
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.model import Event, Session
from ingest_pipeline_tests.embedded import EmbeddedAws, free_port

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ID = "AV11_V236_230717_111649_62100"


def session(*tags: str) -> Session:
    return Session(session_id=ID, events=tuple(Event(session_id=ID, audio_tag=tag) for tag in tags))


def unreachable(aws: EmbeddedAws) -> "DynamoDBClient":
    settings = aws.settings.model_copy(update={"aws_port": free_port(), "aws_attempts": 1})
    return connect(settings).dynamodb


def test_an_item_has_the_events_fields(embedded_aws: EmbeddedAws, dynamo_table: str) -> None:
    dynamodb = embedded_aws.clients.dynamodb
    db = open_event_db(f"dynamodb://{dynamo_table}", dynamodb)
    event = Event(session_id="other", audio_tag="a.wav", comment="it's 🌧", driver="Zoë")
    db.upload(Session(session_id=ID, events=(event,)))
    items = dynamodb.scan(TableName=dynamo_table)["Items"]
    (item,) = [item for item in items if item["audio_tag"]["S"] == "a.wav"]
    expected = event.model_copy(update={"session_id": ID}).model_dump() | {"layout": "2"}
    assert item == {name: {"S": value} for name, value in expected.items()}


def test_events_are_written_50_a_call(embedded_aws: EmbeddedAws, dynamo_table: str) -> None:
    dynamodb = connect(embedded_aws.settings).dynamodb
    db = open_event_db(f"dynamodb://{dynamo_table}", dynamodb)
    calls: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name)
    )
    db.upload(session(*map(str, range(50))))
    assert calls == ["BatchGetItem", "BatchGetItem", "TransactWriteItems", "BatchWriteItem"]


def test_a_missing_table_is_a_refusal(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(EventDbError, match="no_such_table"):
        open_event_db("dynamodb://no_such_table", embedded_aws.clients.dynamodb)


def test_a_database_that_is_away_is_told(embedded_aws: EmbeddedAws, dynamo_table: str) -> None:
    db = DynamoEventDb(unreachable(embedded_aws), dynamo_table)
    with pytest.raises(EventDbUnavailableError):
        db.connect()
    with pytest.raises(EventDbUnavailableError):
        db.upload(session("a"))
    with pytest.raises(EventDbUnavailableError):
        db.event_counts([ID])


def test_items_of_the_first_version_are_moved_once(
    embedded_aws: EmbeddedAws, dynamo_table: str
) -> None:
    """It took the driver's words on the drive for the comment, and knew no moment without a log."""
    dynamodb = embedded_aws.clients.dynamodb
    first = Event(session_id=ID, audio_tag="a.wav", comment="wet road").model_dump()
    del first["timestamp_source"]
    dynamodb.put_item(
        TableName=dynamo_table, Item={name: {"S": value} for name, value in first.items()}
    )
    for _ in range(2):
        db = open_event_db(f"dynamodb://{dynamo_table}", dynamodb)
        (row,) = db.table().to_dict("records")
        assert (row["comment"], row["mission"]) == ("ND", "wet road")
        assert (row["timestamp"], row["timestamp_source"]) == ("2023-07-17 11:16:49", "session")
    assert db.set_comment(ID, "a.wav", "said")


def test_texts_and_keys_are_cut_to_what_an_item_takes(
    embedded_aws: EmbeddedAws, dynamo_table: str
) -> None:
    db = open_event_db(f"dynamodb://{dynamo_table}", embedded_aws.clients.dynamodb)
    fields = dict.fromkeys(("mission", "comment", "driver"), "ü" * 300000)
    tags = ("ü" * 600 + "1.wav", "ü" * 600 + "2.wav")
    events = tuple(Event(session_id="s" * 3000, audio_tag=tag, **fields) for tag in tags)
    whole = Session(session_id="s" * 3000, events=events)
    upload = db.upload(whole)
    assert upload.new_events == 2
    assert set(upload.cut) == {"comment", "mission", "driver", "session_id", "audio_tag"}
    assert db.upload(whole).new_events == 0
    assert db.session_exists("s" * 3000)
    assert not db.session_exists("s" * 3001)
    assert db.event_counts(["s" * 3000]) == {"s" * 3000: 2}
    assert len(db.holdings(["s" * 3000])["s" * 3000].rows) == 2
    assert db.set_comment("s" * 3000, tags[1], "x" * 100_000) is False

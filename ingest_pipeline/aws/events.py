"""What an SQS body says: S3 events in every envelope they come in, and delete orders.

A body is parsed into the objects it names and the problems in it that a person can read; no body
raises.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote_plus, unquote_plus

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from ingest_pipeline.aws.objects.state import known_version
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.values import FIRST_DAY

# Other event types (tagging, ACL, replication) say nothing of an object's content.
_RELEVANT_EVENTS = ("ObjectCreated", "ObjectRemoved", "ObjectRestore:Completed", "LifecycleExpir")
_EVENTBRIDGE_EVENTS = ("Object Created", "Object Deleted", "Object Restore Completed")
_MAX_KEY = 1024  # bytes in UTF-8
_MAX_ENVELOPES = 3  # SNS in EventBridge in SQS is the deepest met in practice


@dataclass(frozen=True)
class ParsedBody:
    """The objects that a body names, and what in it could not be understood."""

    objects: tuple[ObjectRef, ...] = ()
    problems: tuple[str, ...] = ()


def _decoded(key: str) -> str:
    return unquote_plus(key, errors="strict")


def _within_s3_limit(key: str) -> str:
    if not 0 < len(key.encode()) <= _MAX_KEY:
        raise ValueError(f"a key has 1 to {_MAX_KEY} bytes")
    return key


_Bucket = Annotated[str, Field(min_length=3, max_length=63)]
_Key = Annotated[str, AfterValidator(_within_s3_limit)]
_EncodedKey = Annotated[str, AfterValidator(_decoded), AfterValidator(_within_s3_limit)]
_Size = Annotated[int, Field(ge=0, lt=2**63)]
_Token = Annotated[str, Field(max_length=1024)]  # longer ones do not fit into a table's key


class _Named(BaseModel):
    name: _Bucket


class _NotifiedObject(BaseModel):
    key: _EncodedKey
    size: _Size | None = None
    etag: _Token | None = Field(None, alias="eTag")
    version: _Token | None = Field(None, alias="versionId")
    sequencer: _Token | None = None


class _NotifiedS3(BaseModel):
    bucket: _Named
    object: _NotifiedObject


class _Record(BaseModel):
    """One entry of `Records`: https://docs.aws.amazon.com/AmazonS3 "Event message structure"."""

    event_name: str = Field(alias="eventName", min_length=1)
    event_time: AwareDatetime | None = Field(None, alias="eventTime")
    s3: _NotifiedS3


class _BridgedObject(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    key: _Key
    size: _Size | None = None
    etag: _Token | None = None
    version: _Token | None = Field(None, alias="version-id")
    sequencer: _Token | None = None


class _BridgedDetail(BaseModel):
    bucket: _Named
    object: _BridgedObject


class _BridgedEvent(BaseModel):
    """An EventBridge envelope; its key is not URL-encoded, unlike a notification's."""

    detail_type: str = Field(alias="detail-type")
    time: AwareDatetime | None = None
    detail: _BridgedDetail


def parse_ingest_body(body: str, sent_at: datetime | None = None) -> ParsedBody:
    """The objects that a message of the ingest queue names.

    Understands a plain notification with any number of Records, `s3:TestEvent` (names none),
    and both inside an SNS or as an EventBridge envelope. An event without a time of its own
    arrived when its message was sent.
    """
    return _parse(body, sent_at or datetime.now(UTC), _MAX_ENVELOPES)


def _parse(body: str, sent_at: datetime, envelopes_left: int) -> ParsedBody:
    try:
        message = _json_object(body)
    except (ValueError, RecursionError) as error:
        return ParsedBody(problems=(str(error),))
    if isinstance(message.get("Records"), list):
        return _parse_records(message["Records"], sent_at)
    if message.get("Event") == "s3:TestEvent":
        return ParsedBody()
    if message.get("Type") == "Notification" and envelopes_left:
        return _parse(str(message.get("Message")), sent_at, envelopes_left - 1)
    if "detail-type" in message:
        return _parse_bridged(message, sent_at)
    return ParsedBody(problems=(f"no S3 event: its fields are {sorted(message)[:10]}",))


def _json_object(body: str) -> dict[str, Any]:
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError(  # noqa: TRY004 - the value came from outside, no caller passed a type
            f"a JSON object is wanted, found {type(message).__name__}"
        )
    return message


def _parse_records(records: list[Any], sent_at: datetime) -> ParsedBody:
    if not records:
        return ParsedBody(problems=("Records is empty",))
    objects: list[ObjectRef] = []
    problems: list[str] = []
    for number, record in enumerate(records, start=1):
        try:
            parsed = _Record.model_validate(record)
            if parsed.event_name.removeprefix("s3:").startswith(_RELEVANT_EVENTS):
                objects.append(_from_record(parsed, sent_at))
        except ValueError as error:
            problems.append(f"record {number}: {_first_problem(error)}")
    return ParsedBody(tuple(objects), tuple(problems))


def _from_record(record: _Record, sent_at: datetime) -> ObjectRef:
    found = record.s3.object
    return ObjectRef(
        bucket=record.s3.bucket.name,
        key=found.key,
        version=known_version(found.version),
        etag=_bare_etag(found.etag),
        size=found.size,
        sequencer=found.sequencer,
        arrived=_arrival(record.event_time or sent_at),
    )


def _parse_bridged(message: dict[str, Any], sent_at: datetime) -> ParsedBody:
    try:
        event = _BridgedEvent.model_validate(message)
    except ValidationError as error:
        return ParsedBody(problems=(f"EventBridge event: {_first_problem(error)}",))
    if event.detail_type not in _EVENTBRIDGE_EVENTS:
        return ParsedBody()
    found = event.detail.object
    return ParsedBody(
        (
            ObjectRef(
                bucket=event.detail.bucket.name,
                key=found.key,
                version=known_version(found.version),
                etag=_bare_etag(found.etag),
                size=found.size,
                sequencer=found.sequencer,
                arrived=_arrival(event.time or sent_at),
            ),
        )
    )


def ingest_body(ref: ObjectRef) -> str:
    """The notification that S3 itself would send for this object: how anything enters again."""
    found = {
        "key": quote_plus(ref.key),
        "size": ref.size,
        "eTag": ref.etag,
        "versionId": ref.version,
        "sequencer": ref.sequencer,
    }
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": ref.arrived.astimezone(UTC).isoformat(timespec="milliseconds"),
        "s3": {
            "bucket": {"name": ref.bucket},
            "object": {name: value for name, value in found.items() if value is not None},
        },
    }
    return json.dumps({"Records": [record]})


class _OrderedFile(BaseModel):
    bucket: _Bucket
    key: _Key


class _Order(BaseModel):
    file: _OrderedFile


class _FlatOrder(BaseModel):
    bucket: _Bucket
    file: _Key


def parse_delete_order(
    body: str, sent_at: datetime | None = None, version: str | None = None
) -> ParsedBody:
    """`{"file": {"bucket", "key"}}`, or an older client's flat asset `{"bucket", "file", ...}`.

    The reference's `arrived` is when the order was given: what is uploaded later is not meant.
    """
    try:
        message = json.loads(body)
        if isinstance(message, dict) and isinstance(message.get("file"), str):
            flat = _FlatOrder.model_validate(message)
            bucket, key = flat.bucket, flat.file
        else:
            order = _Order.model_validate(message).file
            bucket, key = order.bucket, order.key
    except (ValueError, RecursionError) as error:
        return ParsedBody(problems=(f"no delete order: {_first_problem(error)}",))
    given_at = sent_at or datetime.now(UTC)
    return ParsedBody((ObjectRef(bucket=bucket, key=key, version=version, arrived=given_at),))


def delete_order_body(bucket: str, key: str) -> str:
    """The contract's order."""
    return json.dumps({"file": {"bucket": bucket, "key": key}})


def _arrival(told: datetime) -> datetime:
    """The time of an event, within the days that there are partitions for.

    Objects older than the first count as its; a clock ahead of ours tells no time at all.
    """
    return max(min(told, datetime.now(UTC)), FIRST_DAY)


def _bare_etag(etag: str | None) -> str | None:
    return etag.strip('"') if etag else None


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"
    return str(error)


VERSION_ATTRIBUTE = "version"  # of an order's message

"""Buckets, queues and tables themselves: whether they are there, and how they are set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

# The ends of the codes that say so: SQS has several, some behind a prefix.
_MISSING = (
    "404",
    "NoSuchBucket",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
)


@dataclass(frozen=True)
class BucketSettings:
    """How a bucket is set."""

    versioning: str | None  # None: never enabled
    notifications: list[tuple[str, str]]  # event and name of the queue
    cors: list[tuple[list[str], list[str]]]  # origins and methods


@dataclass(frozen=True)
class QueueSettings:
    """How a queue is set."""

    attributes: Mapping[str, str]
    dead_letter_queue: str  # its name; empty: there is none
    max_receive_count: int | str | None  # as SQS tells it


@dataclass(frozen=True)
class TableSettings:
    """How a table is set."""

    key: list[Any]  # as DynamoDB tells it
    indexes: dict[str, list[Any]]  # their keys by their names


def check_bucket(s3: "S3Client", name: str) -> None:
    """See that a bucket answers.

    Raises:
        ClientError: it does not exist, or we have no right to it.
    """
    s3.head_bucket(Bucket=name)


def check_table(dynamodb: "DynamoDBClient", name: str) -> None:
    """See that a table answers.

    Raises:
        ClientError: it does not exist, or we have no right to it.
    """
    dynamodb.describe_table(TableName=name)


def queue_url(sqs: "SQSClient", name: str) -> str:
    """The URL of a queue.

    Raises:
        ClientError: it does not exist, or we have no right to it.
    """
    return sqs.get_queue_url(QueueName=name)["QueueUrl"]


def is_missing(error: ClientError) -> bool:
    """Whether an error says that a bucket, queue or table does not exist."""
    return error.response["Error"]["Code"].endswith(_MISSING)


def bucket_settings(s3: "S3Client", name: str) -> BucketSettings:
    """How a bucket is set, as far as we rely on it."""
    notified = s3.get_bucket_notification_configuration(Bucket=name)
    return BucketSettings(
        versioning=s3.get_bucket_versioning(Bucket=name).get("Status"),
        notifications=[
            (event, _name(target["QueueArn"]))
            for target in notified.get("QueueConfigurations", [])
            for event in target["Events"]
        ],
        cors=_cors(s3, name),
    )


def _cors(s3: "S3Client", bucket: str) -> list[tuple[list[str], list[str]]]:
    try:
        rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchCORSConfiguration":
            return []
        raise
    return [(rule["AllowedOrigins"], rule["AllowedMethods"]) for rule in rules]


def queue_settings(sqs: "SQSClient", name: str) -> QueueSettings:
    """How a queue is set."""
    url = queue_url(sqs, name)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(found.get("RedrivePolicy", "{}"))
    return QueueSettings(
        attributes={str(attribute): value for attribute, value in found.items()},
        dead_letter_queue=_name(redrive.get("deadLetterTargetArn", "")),
        max_receive_count=redrive.get("maxReceiveCount"),
    )


def table_settings(dynamodb: "DynamoDBClient", name: str) -> TableSettings:
    """How a table is set, as far as we rely on it."""
    found = dynamodb.describe_table(TableName=name)["Table"]
    return TableSettings(
        key=found["KeySchema"],
        indexes={
            index["IndexName"]: index["KeySchema"]
            for index in found.get("GlobalSecondaryIndexes", [])
        },
    )


def add_index(dynamodb: "DynamoDBClient", name: str, table: Mapping[str, Any], index: Any) -> None:  # noqa: ANN401 - as a template has it
    """Add an index to a table whose description, in a template's words, has it."""
    dynamodb.update_table(
        TableName=name,
        AttributeDefinitions=table["AttributeDefinitions"],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]

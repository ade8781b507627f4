"""The stack `ingest-data` on the embedded AWS: made, checked, and healed after a kill.

A killed embedded AWS keeps its objects and whatever state it saved last, so at the next start any
part of the stack may be there without the others. Its CloudFormation would empty a queue or table
that exists and refuse a bucket that does; so what exists is first imported into the stack, and
then the whole template is applied to it, which puts back every setting.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template as Placeholders
from typing import Any

import yaml
from botocore.exceptions import ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.aws.resources import (
    add_index,
    bucket_settings,
    check_bucket,
    check_table,
    is_missing,
    queue_settings,
    queue_url,
    table_settings,
)
from ingest_pipeline.aws.stack import Existing, Stack, StackError
from ingest_pipeline.errors import MistakeError

STACK = "ingest-data"
_STANDING = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}

# What is kept when the stack is forgotten, with the property that names it.
_NAMED_BY = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::DynamoDB::Table": "TableName",
}


class SetUpError(MistakeError):
    """The stack is not what the template says; the message has what was found and wanted."""


@dataclass(frozen=True)
class _Wanted:
    """A bucket, queue or table of the template, its parameters filled in."""

    id: str  # logical
    type: str
    name: str
    deletion_policy: str
    properties: dict[str, Any]


def set_up(clients: Clients, template: Path) -> None:
    """Make the embedded AWS hold what the template says, whatever it holds now.

    Objects, rows and messages that exist are kept.

    Raises:
        SetUpError: CloudFormation refused, or something is still missing afterwards.

    """
    wanted = _wanted(template)
    try:
        _bring_about(clients, wanted, template.read_text())
    except ClientError as error:
        raise SetUpError(f"the embedded AWS refused: {error}") from error
    except StackError as error:
        raise SetUpError(f"CloudFormation: {error}") from error
    if missing := list(_missing(clients, wanted)):
        raise SetUpError(f"the stack {STACK} is incomplete: " + "; ".join(missing))


def _bring_about(clients: Clients, wanted: list[_Wanted], template: str) -> None:
    existing = {item.id: identity for item in wanted if (identity := _identity(clients, item))}
    stack = Stack(clients.cloudformation, STACK)
    if _recorded(stack, wanted) != existing.keys() or list(_missing(clients, wanted)):
        stack.forget()  # the template retains its buckets, queues and tables
        _take_over(stack, [item for item in wanted if item.id in existing], existing)
    stack.apply(template, {"Stage": "embedded"})
    for item in wanted:
        if item.type == "AWS::DynamoDB::Table":
            _add_indexes(clients, item)


def _add_indexes(clients: Clients, table: _Wanted) -> None:
    """Add the indexes that a newer template has: the embedded CloudFormation leaves them out."""
    found = table_settings(clients.dynamodb, table.name)
    if found.key != table.properties["KeySchema"]:
        return  # another table, which is told
    for index in table.properties.get("GlobalSecondaryIndexes", []):
        if index["IndexName"] not in found.indexes:
            add_index(clients.dynamodb, table.name, table.properties, index)


def _wanted(template: Path) -> list[_Wanted]:
    document = yaml.safe_load(template.read_text())
    parameters = {name: parameter["Default"] for name, parameter in document["Parameters"].items()}
    names = {
        id_: _filled(resource["Properties"][_NAMED_BY[resource["Type"]]], parameters, {})
        for id_, resource in document["Resources"].items()
        if resource["Type"] in _NAMED_BY
    }
    return [
        _Wanted(
            id=id_,
            type=resource["Type"],
            name=names[id_],
            deletion_policy=resource["DeletionPolicy"],
            properties=_filled(resource["Properties"], parameters, names),
        )
        for id_, resource in document["Resources"].items()
        if id_ in names
    ]


def _filled(node: Any, parameters: dict[str, Any], names: dict[str, str]) -> Any:  # noqa: ANN401 - any YAML
    """Replace the functions in `node` as for Stage=embedded; an ARN becomes the resource's name."""
    match node:
        case {"Ref": reference}:
            value = parameters.get(reference)
        case {"Fn::Sub": text}:
            value = Placeholders(text).safe_substitute(parameters)
        case {"Fn::GetAtt": [id_, "Arn"]}:
            value = names[id_]
        case {"Fn::If": ["IsReal", _, otherwise]}:
            value = _filled(otherwise, parameters, names)
        case dict():
            filled = {key: _filled(item, parameters, names) for key, item in node.items()}
            value = {key: item for key, item in filled.items() if item is not None}
        case list():
            value = [_filled(item, parameters, names) for item in node]
        case _:
            value = node
    return value


def _identity(clients: Clients, item: _Wanted) -> dict[str, str] | None:
    """Return what CloudFormation knows the resource by; None if it does not exist."""
    try:
        match item.type:
            case "AWS::S3::Bucket":
                check_bucket(clients.s3, item.name)
                return {"BucketName": item.name}
            case "AWS::SQS::Queue":
                return {"QueueUrl": queue_url(clients.sqs, item.name)}
            case _:
                check_table(clients.dynamodb, item.name)
                return {"TableName": item.name}
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def _recorded(stack: Stack, wanted: list[_Wanted]) -> set[str]:
    """Return the logical ids of the wanted resources that a standing stack holds."""
    if stack.status() not in _STANDING:
        return set()
    return stack.resource_ids() & {item.id for item in wanted}


def _take_over(
    stack: Stack, items: list[_Wanted], identities: Mapping[str, Mapping[str, str]]
) -> None:
    """Record in a new stack what exists already."""
    if items:
        stack.take_over(
            [Existing(item.id, item.type, identities[item.id]) for item in items],
            json.dumps({"Resources": {item.id: _bare(item) for item in items}}),
        )


def _bare(item: _Wanted) -> dict[str, Any]:
    """Strip the resource of its settings, so that applying the template changes every one.

    A table's are its identity, and no kill separates them from it.
    """
    properties = (
        item.properties
        if item.type == "AWS::DynamoDB::Table"
        else {_NAMED_BY[item.type]: item.name}
    )
    return {
        "Type": item.type,
        "DeletionPolicy": item.deletion_policy,
        "Properties": properties,
    }


def _missing(clients: Clients, wanted: list[_Wanted]) -> Iterator[str]:
    """Say what the template has and the services don't."""
    for item in wanted:
        if _identity(clients, item) is None:
            yield f"{item.name} does not exist"
            continue
        for what, found, expected in _settings(clients, item):
            if found != expected:
                yield f"{item.name}: {what} is {found}, wanted {expected}"


def _settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    """Each setting that we rely on: its name, as found, as wanted."""
    match item.type:
        case "AWS::S3::Bucket":
            yield from _bucket_settings(clients, item)
        case "AWS::SQS::Queue":
            yield from _queue_settings(clients, item)
        case _:
            yield from _table_settings(clients, item)


def _bucket_settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    found = bucket_settings(clients.s3, item.name)
    wanted = item.properties
    yield "versioning", found.versioning, wanted["VersioningConfiguration"]["Status"]
    targets = wanted.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
    yield (
        "notification",
        found.notifications,
        [(target["Event"], target["Queue"]) for target in targets],
    )
    rules = wanted.get("CorsConfiguration", {}).get("CorsRules", [])
    yield "CORS", found.cors, [(rule["AllowedOrigins"], rule["AllowedMethods"]) for rule in rules]


def _queue_settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    found = queue_settings(clients.sqs, item.name)
    for attribute in (
        "MessageRetentionPeriod",
        "VisibilityTimeout",
        "ReceiveMessageWaitTimeSeconds",
    ):
        yield attribute, found.attributes.get(attribute), str(item.properties[attribute])
    wanted = item.properties.get("RedrivePolicy", {})
    yield (
        "redrive",
        (found.dead_letter_queue, str(found.max_receive_count)),
        (wanted.get("deadLetterTargetArn", ""), str(wanted.get("maxReceiveCount"))),
    )


def _table_settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    found = table_settings(clients.dynamodb, item.name)
    yield "key", found.key, item.properties["KeySchema"]
    yield (
        "indexes",
        found.indexes,
        {
            index["IndexName"]: index["KeySchema"]
            for index in item.properties.get("GlobalSecondaryIndexes", [])
        },
    )

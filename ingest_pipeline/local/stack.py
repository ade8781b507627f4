"""The stack `ingest-data` on the embedded AWS: made, checked, and healed after a kill.

A killed embedded AWS keeps its objects and whatever state it saved last, so at the next start any
part of the stack may be there without the others. Its CloudFormation would empty a queue or table
that exists and refuse a bucket that does; so what exists is first imported into the stack, and
then the whole template is applied to it, which puts back every setting.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template as Placeholders
from typing import TYPE_CHECKING, Any

import yaml
from botocore.exceptions import ClientError, WaiterError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.errors import MistakeError

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import ResourceToImportTypeDef
    from types_boto3_s3.type_defs import CORSRuleOutputTypeDef

STACK = "ingest-data"
_STANDING = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
_POLL = {"Delay": 1, "MaxAttempts": 60}  # seconds; boto3's own 30 s suit a distant AWS

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
    if missing := list(_missing(clients, wanted)):
        raise SetUpError(f"the stack {STACK} is incomplete: " + "; ".join(missing))


def _bring_about(clients: Clients, wanted: list[_Wanted], template: str) -> None:
    existing = {item.id: identity for item in wanted if (identity := _identity(clients, item))}
    if _recorded(clients, wanted) != existing.keys() or list(_missing(clients, wanted)):
        _forget_stack(clients)
        _take_over(clients, [item for item in wanted if item.id in existing], existing)
    _apply(clients, template)


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
                clients.s3.head_bucket(Bucket=item.name)
                return {"BucketName": item.name}
            case "AWS::SQS::Queue":
                return {"QueueUrl": clients.sqs.get_queue_url(QueueName=item.name)["QueueUrl"]}
            case _:
                clients.dynamodb.describe_table(TableName=item.name)
                return {"TableName": item.name}
    except ClientError as error:
        if _code(error) in {"404", "NoSuchBucket", "ResourceNotFoundException"} or _code(
            error
        ).endswith(("NonExistentQueue", "QueueDoesNotExist")):
            return None
        raise


def _recorded(clients: Clients, wanted: list[_Wanted]) -> set[str]:
    """Return the logical ids of the wanted resources that a standing stack holds."""
    if _status(clients) not in _STANDING:
        return set()
    pages = clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    ids = {
        resource["LogicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
    return ids & {item.id for item in wanted}


def _status(clients: Clients) -> str | None:
    try:
        return clients.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _forget_stack(clients: Clients) -> None:
    """Delete the stack; the template retains its buckets, queues and tables."""
    if _status(clients) is None:
        return
    clients.cloudformation.delete_stack(StackName=STACK)
    _wait(clients, "stack_delete_complete")


def _take_over(
    clients: Clients, items: list[_Wanted], identities: dict[str, dict[str, str]]
) -> None:
    """Record in a new stack what exists already."""
    if not items:
        return
    resources: list[ResourceToImportTypeDef] = [
        {
            "ResourceType": item.type,
            "LogicalResourceId": item.id,
            "ResourceIdentifier": identities[item.id],
        }
        for item in items
    ]
    clients.cloudformation.create_change_set(
        StackName=STACK,
        ChangeSetName="take-over",
        ChangeSetType="IMPORT",
        ResourcesToImport=resources,
        TemplateBody=json.dumps({"Resources": {item.id: _bare(item) for item in items}}),
    )
    _wait(clients, "change_set_create_complete", ChangeSetName="take-over")
    clients.cloudformation.execute_change_set(StackName=STACK, ChangeSetName="take-over")
    _wait(clients, "stack_import_complete")


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


def _apply(clients: Clients, template: str) -> None:
    request: dict[str, Any] = {
        "StackName": STACK,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "embedded"}],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    if _status(clients) is None:
        clients.cloudformation.create_stack(**request)
        _wait(clients, "stack_create_complete")
        return
    try:
        clients.cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    else:
        _wait(clients, "stack_update_complete")


def _wait(clients: Clients, waiter: Any, **request: str) -> None:  # noqa: ANN401 - a literal of many
    try:
        clients.cloudformation.get_waiter(waiter).wait(
            StackName=STACK, WaiterConfig=_POLL, **request
        )
    except WaiterError as error:
        raise SetUpError(f"CloudFormation: {waiter} never came: {_failures(clients)}") from error


def _failures(clients: Clients) -> str:
    """Why CloudFormation failed, newest first."""
    events = clients.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    return "; ".join(
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    )


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
    yield (
        "versioning",
        clients.s3.get_bucket_versioning(Bucket=item.name).get("Status"),
        item.properties["VersioningConfiguration"]["Status"],
    )
    found = clients.s3.get_bucket_notification_configuration(Bucket=item.name)
    wanted = item.properties.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
    yield (
        "notification",
        [
            (events, _name(target["QueueArn"]))
            for target in found.get("QueueConfigurations", [])
            for events in target["Events"]
        ],
        [(target["Event"], target["Queue"]) for target in wanted],
    )
    rules = item.properties.get("CorsConfiguration", {}).get("CorsRules", [])
    yield (
        "CORS",
        [(rule["AllowedOrigins"], rule["AllowedMethods"]) for rule in _cors(clients, item.name)],
        [(rule["AllowedOrigins"], rule["AllowedMethods"]) for rule in rules],
    )


def _cors(clients: Clients, bucket: str) -> "list[CORSRuleOutputTypeDef]":
    try:
        return clients.s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    except ClientError as error:
        if _code(error) == "NoSuchCORSConfiguration":
            return []
        raise


def _queue_settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    url = clients.sqs.get_queue_url(QueueName=item.name)["QueueUrl"]
    found = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    for attribute in (
        "MessageRetentionPeriod",
        "VisibilityTimeout",
        "ReceiveMessageWaitTimeSeconds",
    ):
        yield attribute, found.get(attribute), str(item.properties[attribute])
    redrive = json.loads(found.get("RedrivePolicy", "{}"))
    wanted = item.properties.get("RedrivePolicy", {})
    yield (
        "redrive",
        (_name(redrive.get("deadLetterTargetArn", "")), str(redrive.get("maxReceiveCount"))),
        (wanted.get("deadLetterTargetArn", ""), str(wanted.get("maxReceiveCount"))),
    )


def _table_settings(clients: Clients, item: _Wanted) -> Iterator[tuple[str, Any, Any]]:
    found = clients.dynamodb.describe_table(TableName=item.name)["Table"]
    yield "key", found["KeySchema"], item.properties["KeySchema"]
    yield (
        "indexes",
        {
            index["IndexName"]: index["KeySchema"]
            for index in found.get("GlobalSecondaryIndexes", [])
        },
        {
            index["IndexName"]: index["KeySchema"]
            for index in item.properties.get("GlobalSecondaryIndexes", [])
        },
    )


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")

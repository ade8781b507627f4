"""What we rely on in the embedded AWS: its likeness to the real one, and that it keeps our data."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import httpx
import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.local.server import TEMPLATE, stopped_cleanly
from ingest_pipeline.local.stack import SetUpError, set_up
from ingest_pipeline.settings import child_environment
from ingest_pipeline_tests.embedded import EmbeddedAws

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

BUCKET = "ingest"
ODD_KEYS = [
    "my file+1.wav",
    "dir/nested.wav",
    "Übung/日本語 100%.wav",
    "new\nline.wav",
    "a.wav/below a file's name.wav",
    "ends like a sidecar.meta.json",
    "ends like a draft.tmp",
    "../up.wav",
    "double//slash.wav",
]


@pytest.fixture
def clients(embedded_aws: EmbeddedAws) -> Clients:
    return embedded_aws.clients


@pytest.fixture
def own_aws(tmp_path: Path) -> Iterator[EmbeddedAws]:
    """An embedded AWS that the test may break."""
    aws = EmbeddedAws(tmp_path / "home")
    aws.start()
    try:
        aws.wait_ready()
        yield aws
    finally:
        aws.stop()


def unique(name: str = "audio.wav") -> str:
    return f"{uuid.uuid4().hex}/{name}"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def url(clients: Clients, queue: str) -> str:
    return clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"]


def waiting(clients: Clients, queue: str) -> int:
    attributes = clients.sqs.get_queue_attributes(
        QueueUrl=url(clients, queue), AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def arrivals(clients: Clients, quiet_seconds: float = 1) -> list[dict[str, Any]]:
    """Take every S3 record off the ingest queue, until it has been quiet for a while."""
    queue, records = url(clients, "s3-ingest-messages"), []
    last = time.monotonic()
    while time.monotonic() - last < quiet_seconds:
        for message in clients.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            records += json.loads(message["Body"]).get("Records", [])
            clients.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            last = time.monotonic()
        time.sleep(0.05)
    return records


def body(clients: Clients, key: str, version: str | None = None) -> bytes:
    if version is None:
        return clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return clients.s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()


def versions(clients: Clients) -> dict[str, bytes]:
    """Every version in the bucket with its content."""
    pages = clients.s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    return {
        version["VersionId"]: body(clients, version["Key"], version["VersionId"])
        for page in pages
        for version in page.get("Versions", [])
    }


def row(bucket: str, file: str) -> dict[str, Any]:
    return {"bucket": {"S": bucket}, "file": {"S": file}}


def rows(clients: Clients) -> int:
    return clients.dynamodb.scan(TableName="assets")["Count"]


# S3


def test_overwriting_keeps_the_old_version_and_removing_the_marker_brings_back_the_newest(
    clients: Clients,
) -> None:
    key = unique()
    first = clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"first")["VersionId"]
    second = clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"second")["VersionId"]
    assert body(clients, key, first) == b"first"
    marker = clients.s3.delete_object(Bucket=BUCKET, Key=key)
    assert marker["DeleteMarker"] is True
    with pytest.raises(ClientError) as gone:
        body(clients, key)
    assert code(gone) == "NoSuchKey"
    assert body(clients, key, second) == b"second"
    clients.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=marker["VersionId"])
    assert body(clients, key) == b"second"
    listed = clients.s3.list_object_versions(Bucket=BUCKET, Prefix=key)
    assert [(item["VersionId"], item["IsLatest"]) for item in listed["Versions"]] == [
        (second, True),
        (first, False),
    ]
    assert "DeleteMarkers" not in listed


def test_a_read_and_a_delete_happen_only_if_the_object_is_still_the_one_seen(
    clients: Clients,
) -> None:
    key = unique()
    seen = clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"seen")["ETag"]
    now = clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"another")["ETag"]
    with pytest.raises(ClientError) as read:
        clients.s3.get_object(Bucket=BUCKET, Key=key, IfMatch=seen, Range="bytes=0-3")
    with pytest.raises(ClientError) as deleted:
        clients.s3.delete_object(Bucket=BUCKET, Key=key, IfMatch=seen)
    with pytest.raises(ClientError) as put:
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"third", IfNoneMatch="*")
    assert [code(read), code(deleted), code(put)] == ["PreconditionFailed"] * 3
    assert body(clients, key) == b"another"
    assert clients.s3.delete_object(Bucket=BUCKET, Key=key, IfMatch=now)["DeleteMarker"] is True


def test_a_range_tells_the_whole_size_and_an_empty_object_has_none(clients: Clients) -> None:
    key, empty = unique(), unique("empty.wav")
    clients.s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(range(100)))
    part = clients.s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=90-65535")
    assert part["ContentRange"] == "bytes 90-99/100"
    assert part["Body"].read() == bytes(range(90, 100))
    clients.s3.put_object(Bucket=BUCKET, Key=empty, Body=b"")
    with pytest.raises(ClientError) as error:
        clients.s3.get_object(Bucket=BUCKET, Key=empty, Range="bytes=0-65535")
    assert code(error) == "InvalidRange"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416


def test_a_signed_url_puts_and_gets(clients: Clients) -> None:
    target = {"Bucket": BUCKET, "Key": unique("signed + spaced.wav")}
    put = clients.s3.generate_presigned_url("put_object", Params=target, ExpiresIn=60)
    get = clients.s3.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    assert httpx.put(put, content=b"signed").status_code == 200
    assert httpx.get(get).content == b"signed"


@pytest.mark.parametrize("name", ODD_KEYS)
def test_any_key_is_kept_as_it_is(clients: Clients, name: str) -> None:
    key = unique(name)
    prefix = key.removesuffix(name)
    clients.s3.put_object(Bucket=BUCKET, Key=prefix + "a.wav", Body=b"neighbour")
    clients.s3.put_object(Bucket=BUCKET, Key=key, Body=name.encode())
    listed = clients.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert {item["Key"] for item in listed} == {prefix + "a.wav", key}
    assert body(clients, key) == name.encode()
    assert clients.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(name.encode())


# S3 -> SQS


def test_each_arrival_is_told_once_with_its_version_and_sequencer(own_aws: EmbeddedAws) -> None:
    clients = own_aws.clients
    put = {
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"]: key
        for key in [*ODD_KEYS, "dir/nested.wav"]
    }
    upload = clients.s3.create_multipart_upload(Bucket=BUCKET, Key="parts.wav")["UploadId"]
    halves = [b"a" * (5 << 20), b"b"]
    parts: list[CompletedPartTypeDef] = [
        {
            "PartNumber": number,
            "ETag": clients.s3.upload_part(
                Bucket=BUCKET, Key="parts.wav", UploadId=upload, PartNumber=number, Body=half
            )["ETag"],
        }
        for number, half in enumerate(halves, 1)
    ]
    whole = clients.s3.complete_multipart_upload(
        Bucket=BUCKET,
        Key="parts.wav",
        UploadId=upload,
        MultipartUpload={"Parts": parts},
    )
    put[whole["VersionId"]] = "parts.wav"
    assert body(clients, "parts.wav") == b"".join(halves)

    records = arrivals(clients)
    objects = [record["s3"]["object"] for record in records]
    assert {each["versionId"]: unquote_plus(each["key"]) for each in objects} == put
    assert len(objects) == len(put), "none twice"
    assert {record["eventName"] for record in records} == {
        "ObjectCreated:Put",
        "ObjectCreated:CompleteMultipartUpload",
    }
    assert all(re.fullmatch("[0-9A-F]{16,}", each["sequencer"]) for each in objects)
    in_order = sorted(
        (each for each in objects if each["key"] == "dir/nested.wav"),
        key=lambda each: str(each["sequencer"]),
    )
    assert [each["versionId"] for each in in_order] == [
        version for version, key in put.items() if key == "dir/nested.wav"
    ]
    assert {each["size"] for each in objects} == {1, (5 << 20) + 1}


def test_a_plain_aws_command_copies_a_file_and_its_arrival_is_told(
    own_aws: EmbeddedAws, tmp_path: Path
) -> None:
    file = tmp_path / "my file.wav"
    file.write_bytes(os.urandom(9 << 20))  # above the command's limit for one part
    subprocess.run(
        [
            Path(sys.executable).with_name("aws"),
            f"--endpoint-url=http://localhost:{own_aws.settings.aws_port}",
            *("s3", "cp", "--quiet", file, f"s3://{BUCKET}/cli/"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        check=True,
    )
    assert body(own_aws.clients, "cli/my file.wav") == file.read_bytes()
    assert [
        (record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"]))
        for record in arrivals(own_aws.clients)
    ] == [(BUCKET, "cli/my file.wav")]


# SQS


def test_a_message_goes_to_the_dead_letter_queue_after_five_deliveries(
    own_aws: EmbeddedAws,
) -> None:
    clients = own_aws.clients
    for queue in ("s3-ingest-messages", "s3-delete-messages"):
        arrivals(clients, quiet_seconds=0.2)  # the notification's test event
        clients.sqs.send_message(QueueUrl=url(clients, queue), MessageBody="poison")
        delivered = [
            clients.sqs.receive_message(QueueUrl=url(clients, queue), VisibilityTimeout=0)
            for _ in range(6)
        ]
        assert ["Messages" in each for each in delivered] == [True] * 5 + [False]
        dead = clients.sqs.receive_message(QueueUrl=url(clients, f"{queue}-dead"))["Messages"]
        assert [message["Body"] for message in dead] == ["poison"]


def test_messages_are_sent_hidden_shown_and_deleted_in_batches(clients: Clients) -> None:
    queue = clients.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    clients.sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(10)]
    )
    first = clients.sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=600
    )["Messages"]
    assert sorted(message["Body"] for message in first) == [str(n) for n in range(10)]
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=queue)
    clients.sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for n, message in enumerate(first)
        ],
    )
    second = clients.sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )["Messages"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in second} == {"2"}
    deleted = clients.sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
            for n, message in enumerate(second)
        ],
    )
    assert len(deleted["Successful"]) == len(second) == 10
    left = clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


# DynamoDB


def test_a_conditional_write_loses_to_a_newer_row(clients: Clients) -> None:
    key = row(unique(), "a.wav")
    newest = "attribute_not_exists(#order) OR #order < :order"

    def put(order: str) -> None:
        clients.dynamodb.put_item(
            TableName="assets",
            Item={**key, "order": {"S": order}},
            ConditionExpression=newest,
            ExpressionAttributeNames={"#order": "order"},
            ExpressionAttributeValues={":order": {"S": order}},
        )

    put("2")
    with pytest.raises(ClientError) as error:
        put("1")
    assert code(error) == "ConditionalCheckFailedException"
    put("3")
    stored = clients.dynamodb.get_item(TableName="assets", Key=key, ConsistentRead=True)["Item"]
    assert stored["order"] == {"S": "3"}


def test_a_transaction_is_all_or_nothing_and_says_which_part_failed(clients: Clients) -> None:
    bucket = unique()
    clients.dynamodb.put_item(TableName="assets", Item=row(bucket, "taken"))
    with pytest.raises(ClientError) as error:
        clients.dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "assets", "Item": row(bucket, "free")}},
                {
                    "Put": {
                        "TableName": "assets",
                        "Item": row(bucket, "taken"),
                        "ConditionExpression": "attribute_not_exists(#file)",
                        "ExpressionAttributeNames": {"#file": "file"},
                    }
                },
            ]
        )
    assert code(error) == "TransactionCanceledException"
    reasons: Any = error.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    found = clients.dynamodb.get_item(TableName="assets", Key=row(bucket, "free"))
    assert "Item" not in found


def test_rows_are_written_and_read_in_batches(clients: Clients) -> None:
    bucket = unique()
    keys = [row(bucket, str(n)) for n in range(25)]
    written = clients.dynamodb.batch_write_item(
        RequestItems={"assets": [{"PutRequest": {"Item": key}} for key in keys]}
    )
    assert not written["UnprocessedItems"]
    read = clients.dynamodb.batch_get_item(
        RequestItems={"assets": {"Keys": [*keys, row(bucket, "none")], "ConsistentRead": True}}
    )
    assert not read["UnprocessedKeys"]
    assert sorted(int(item["file"]["S"]) for item in read["Responses"]["assets"]) == list(range(25))


def test_the_indexes_are_paged_through_and_the_sparse_one_holds_rejections_only(
    clients: Clients,
) -> None:
    name = unique()
    for n in range(7):
        rejected = {"rejected_bucket": {"S": name}} if n % 2 else {}
        clients.dynamodb.put_item(
            TableName="probe_reports",
            Item={
                "object": {"S": f"s3://{name}/{n}"},
                "version": {"S": "v"},
                "day": {"S": name},
                "judged_at": {"S": f"2026-11-0{9 - n}"},
                "reasons": {"L": []},
                **rejected,
            },
        )

    def query(index: str, key: str) -> list[str]:
        pages = clients.dynamodb.get_paginator("query").paginate(
            TableName="probe_reports",
            IndexName=index,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":value": {"S": name}},
            PaginationConfig={"PageSize": 2},
        )
        found = [page["Items"] for page in pages]
        assert max(len(items) for items in found) == 2
        assert all("reasons" in item for items in found for item in items)
        return [item["object"]["S"][-1] for items in found for item in items]

    eventually(lambda: len(query("by_day", "day")) == 7)
    assert query("by_day", "day") == list("6543210"), "by the time of the verdict"
    assert query("rejections", "rejected_bucket") == list("531")


# Set-up


def lose_queue(clients: Clients) -> None:
    clients.sqs.delete_queue(QueueUrl=url(clients, "s3-delete-messages-dead"))


def lose_table(clients: Clients) -> None:
    clients.dynamodb.delete_table(TableName="ingest_receipts")


def lose_bucket(clients: Clients) -> None:
    clients.s3.delete_bucket(Bucket="ingest-quarantine")


def lose_upload_bucket_and_tables(clients: Clients) -> None:
    """What a home lacks that was made before there were videos and images."""
    for bucket in ("ingest-videos", "ingest-photos", "ingest-renditions"):
        clients.s3.delete_bucket(Bucket=bucket)
    tables = ("responses", "renditions", "image_labels", "transcripts", "previews", "posts")
    for table in (*tables, "arrival_days"):
        clients.dynamodb.delete_table(TableName=table)


def lose_index(clients: Clients) -> None:
    """As in a home that was made before the template had it."""
    clients.dynamodb.update_table(
        TableName="session_outcomes",
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_day"}}],
    )


def lose_cors(clients: Clients) -> None:
    clients.s3.delete_bucket_cors(Bucket="ingest-videos")


def lose_versioning(clients: Clients) -> None:
    clients.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def lose_notification(clients: Clients) -> None:
    clients.s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})


def lose_redrive(clients: Clients) -> None:
    clients.sqs.set_queue_attributes(
        QueueUrl=url(clients, "s3-ingest-messages"), Attributes={"RedrivePolicy": ""}
    )


def lose_stack(clients: Clients) -> None:
    clients.cloudformation.delete_stack(StackName="ingest-data")
    clients.cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="ingest-data", WaiterConfig={"Delay": 1}
    )


def lose_nothing(_: Clients) -> None:
    pass


_BUCKETS = (
    BUCKET,
    *(f"ingest-{what}" for what in ("quarantine", "videos", "photos", "renditions")),
)
_TABLES = (
    "probe_reports",
    "assets",
    "ingest_receipts",
    "responses",
    "renditions",
    "transcode_jobs",
    "image_labels",
    "previews",
    "posts",
    "arrival_days",
)


def state_of(clients: Clients) -> dict[str, Any]:
    """Everything that set-up answers for."""
    kinds = ("ingest", "delete", "rendition", "transcode", "enrichment", "session")
    queues = [f"s3-{kind}-messages" for kind in kinds]
    queues += [f"{queue}-dead" for queue in queues]
    volatile = ("Approximate", "Created", "LastModified")
    return {
        "stack": sorted(
            resource["LogicalResourceId"]
            for resource in clients.cloudformation.describe_stack_resources(
                StackName="ingest-data"
            )["StackResources"]
        ),
        "queues": {
            queue: {
                name: value
                for name, value in clients.sqs.get_queue_attributes(
                    QueueUrl=url(clients, queue), AttributeNames=["All"]
                )["Attributes"].items()
                if not name.startswith(volatile)
            }
            for queue in queues
        },
        "tables": {
            table: [
                clients.dynamodb.describe_table(TableName=table)["Table"].get(part)
                for part in ("KeySchema", "GlobalSecondaryIndexes", "BillingModeSummary")
            ]
            for table in _TABLES
        },
        "buckets": {
            bucket: (
                clients.s3.get_bucket_versioning(Bucket=bucket).get("Status"),
                clients.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
                [
                    (target["QueueArn"], target["Events"])
                    for target in clients.s3.get_bucket_notification_configuration(
                        Bucket=bucket
                    ).get("QueueConfigurations", [])
                ],
                cors_methods(clients, bucket),
            )
            for bucket in _BUCKETS
        },
    }


def cors_methods(clients: Clients, bucket: str) -> list[str]:
    """What pages of any origin may do in a bucket."""
    try:
        rules = clients.s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchCORSConfiguration":
            return []
        raise
    assert all(rule["AllowedOrigins"] == ["*"] for rule in rules)
    return sorted(method for rule in rules for method in rule["AllowedMethods"])


def fill(clients: Clients) -> dict[str, bytes]:
    """Two versions of a key, a row, a delete order; the versions."""
    clients.s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"first")
    clients.s3.put_object(Bucket=BUCKET, Key="kept.wav", Body=b"second")
    clients.dynamodb.put_item(TableName="assets", Item=row(BUCKET, "kept.wav"))
    clients.sqs.send_message(QueueUrl=url(clients, "s3-delete-messages"), MessageBody="order")
    return versions(clients)


def test_set_up_makes_what_the_template_says(clients: Clients) -> None:
    state = state_of(clients)
    private = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    told = [("arn:aws:sqs:us-east-1:000000000000:s3-ingest-messages", ["s3:ObjectCreated:*"])]
    assert state["buckets"] == {
        BUCKET: ("Enabled", private, told, ["GET", "POST", "PUT"]),
        "ingest-quarantine": ("Enabled", private, [], []),
        "ingest-videos": ("Enabled", private, told, ["GET", "POST", "PUT"]),
        "ingest-photos": ("Enabled", private, told, ["GET", "POST", "PUT"]),
        "ingest-renditions": ("Enabled", private, [], ["GET"]),
    }
    queue = state["queues"]["s3-ingest-messages"]
    assert (queue["MessageRetentionPeriod"], queue["VisibilityTimeout"]) == ("345600", "180")
    assert json.loads(queue["RedrivePolicy"])["maxReceiveCount"] in {5, "5"}
    assert json.loads(queue["Policy"])["Statement"][0]["Action"] == "sqs:SendMessage"
    assert {index["IndexName"] for index in state["tables"]["probe_reports"][1]} == {
        "by_day",
        "rejections",
    }


@pytest.mark.parametrize(
    "lose",
    [
        lose_nothing,
        lose_queue,
        lose_table,
        lose_bucket,
        lose_upload_bucket_and_tables,
        lose_index,
        lose_cors,
        lose_versioning,
        lose_notification,
        lose_redrive,
        lose_stack,
    ],
)
def test_set_up_puts_back_what_is_lost_and_keeps_the_rest(
    own_aws: EmbeddedAws, lose: Callable[[Clients], None]
) -> None:
    clients = own_aws.clients
    right, kept = state_of(clients), fill(clients)
    lose(clients)
    set_up(clients, TEMPLATE)
    assert state_of(clients) == right
    assert versions(clients) == kept
    assert rows(clients) == 1
    assert waiting(clients, "s3-delete-messages") == 1
    set_up(clients, TEMPLATE)
    assert state_of(clients) == right


@pytest.mark.parametrize(
    "lost",
    [
        ["*"],  # all but the objects
        ["s3"],
        ["sqs"],
        ["dynamodb"],
        ["cloudformation"],
        ["s3", "cloudformation"],
        ["s3", "sqs"],
        ["sqs", "dynamodb", "iam"],
    ],
    ids="+".join,
)
def test_a_start_puts_back_what_a_kill_left_unsaved(own_aws: EmbeddedAws, lost: list[str]) -> None:
    right, kept = state_of(own_aws.clients), fill(own_aws.clients)
    assert own_aws.stop() == 0
    for pattern in lost:
        for file in (own_aws.folder / "state").glob(f"{pattern}.json"):
            file.unlink()
    own_aws.start()
    own_aws.wait_ready()
    assert state_of(own_aws.clients) == right
    assert versions(own_aws.clients) == kept
    assert rows(own_aws.clients) == (0 if {"*", "dynamodb"} & set(lost) else 1)
    if not {"*", "sqs"} & set(lost):
        assert waiting(own_aws.clients, "s3-delete-messages") == 1


def test_set_up_says_what_it_cannot_put_right(own_aws: EmbeddedAws) -> None:
    right, dynamodb = state_of(own_aws.clients), own_aws.clients.dynamodb
    dynamodb.delete_table(TableName="assets")
    dynamodb.create_table(
        TableName="assets",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="assets", Item={"other": {"S": "precious"}})
    with pytest.raises(SetUpError, match=r"assets: key is .*other.*, wanted .*bucket.*file"):
        set_up(own_aws.clients, TEMPLATE)
    assert rows(own_aws.clients) == 1
    dynamodb.delete_table(TableName="assets")
    set_up(own_aws.clients, TEMPLATE)
    assert state_of(own_aws.clients) == right


def test_set_up_survives_a_take_over_that_was_broken_off(own_aws: EmbeddedAws) -> None:
    clients = own_aws.clients
    right, kept = state_of(clients), fill(clients)
    lose_stack(clients)
    clients.cloudformation.create_change_set(
        StackName="ingest-data",
        ChangeSetName="take-over",
        ChangeSetType="IMPORT",
        ResourcesToImport=[
            {
                "ResourceType": "AWS::S3::Bucket",
                "LogicalResourceId": "IngestBucket",
                "ResourceIdentifier": {"BucketName": BUCKET},
            }
        ],
        TemplateBody=json.dumps(
            {
                "Resources": {
                    "IngestBucket": {
                        "Type": "AWS::S3::Bucket",
                        "DeletionPolicy": "Retain",
                        "Properties": {"BucketName": BUCKET},
                    }
                }
            }
        ),
    )
    set_up(clients, TEMPLATE)
    assert state_of(clients) == right
    assert versions(clients) == kept


def test_set_up_says_what_cloudformation_refuses(own_aws: EmbeddedAws, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("IAM::ManagedPolicy", "IAM::Nothing"))
    with pytest.raises(SetUpError, match=r"refused: .*IAM::Nothing"):
        set_up(own_aws.clients, wrong)


def test_set_up_recovers_from_an_update_that_was_rolled_back(
    own_aws: EmbeddedAws, tmp_path: Path
) -> None:
    right, kept = state_of(own_aws.clients), fill(own_aws.clients)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("Default: 5\n", "Default: 5000\n"))
    with pytest.raises(SetUpError, match=r"stack_update_complete never came: .*maxReceiveCount"):
        set_up(own_aws.clients, wrong)
    set_up(own_aws.clients, TEMPLATE)
    assert state_of(own_aws.clients) == right
    assert versions(own_aws.clients) == kept
    assert rows(own_aws.clients) == 1


# The process


def test_a_graceful_stop_keeps_rows_messages_and_settings(own_aws: EmbeddedAws) -> None:
    assert not stopped_cleanly(own_aws.settings)
    right, kept = state_of(own_aws.clients), fill(own_aws.clients)
    arrived = waiting(own_aws.clients, "s3-ingest-messages")
    assert own_aws.stop() == 0
    assert stopped_cleanly(own_aws.settings)
    own_aws.start()
    own_aws.wait_ready()
    assert not stopped_cleanly(own_aws.settings)
    assert state_of(own_aws.clients) == right
    assert versions(own_aws.clients) == kept
    assert rows(own_aws.clients) == 1
    assert waiting(own_aws.clients, "s3-delete-messages") == 1
    assert waiting(own_aws.clients, "s3-ingest-messages") == arrived


def test_a_kill_loses_no_object_and_what_was_saved_seconds_before(own_aws: EmbeddedAws) -> None:
    right, kept = state_of(own_aws.clients), fill(own_aws.clients)
    for key in ODD_KEYS:
        clients = own_aws.clients
        kept[clients.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())["VersionId"]] = (
            key.encode()
        )
    own_aws.clients.s3.delete_object(Bucket=BUCKET, Key="kept.wav")
    saved = own_aws.folder / "state" / "dynamodb.json"
    eventually(lambda: "kept.wav" in saved.read_text())
    own_aws.kill()
    assert not stopped_cleanly(own_aws.settings)
    own_aws.start()
    own_aws.wait_ready()
    assert state_of(own_aws.clients) == right
    assert versions(own_aws.clients) == kept
    assert rows(own_aws.clients) == 1
    with pytest.raises(ClientError) as gone:
        body(own_aws.clients, "kept.wav")
    assert code(gone) == "NoSuchKey"
    own_aws.clients.s3.put_object(Bucket=BUCKET, Key="dir/nested.wav", Body=b"newer")
    assert len(versions(own_aws.clients)) == len(kept) + 1, "versioning is on again"


def test_a_kill_amid_writes_loses_no_version_that_was_answered(own_aws: EmbeddedAws) -> None:
    answered: dict[str, bytes] = {}

    def write(thread: int) -> None:
        clients = connect(own_aws.settings)
        for n in range(10_000):
            content = f"{thread} {n} ".encode() * 1000
            try:
                put = clients.s3.put_object(Bucket=BUCKET, Key=f"{n % 3}.wav", Body=content)
            except (BotoCoreError, ClientError):
                return
            answered[put["VersionId"]] = content

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, thread) for thread in range(4)]
        eventually(lambda: len(answered) > 300)
        own_aws.kill()
    assert all(writer.exception() is None for writer in writers)
    own_aws.start()
    own_aws.wait_ready()
    found = versions(own_aws.clients)
    assert {version: found.get(version) for version in answered} == answered


def test_a_kill_at_any_moment_of_the_start_ends_right_at_the_next(own_aws: EmbeddedAws) -> None:
    right, kept = state_of(own_aws.clients), fill(own_aws.clients)
    own_aws.stop()
    (own_aws.folder / "state" / "s3.json").unlink()  # so that every start has something to heal
    for tenths in range(3, 11):
        own_aws.start()
        time.sleep(tenths / 10)
        own_aws.kill()
    own_aws.start()
    own_aws.wait_ready()
    assert state_of(own_aws.clients) == right
    assert versions(own_aws.clients) == kept


def test_another_port_serves_the_same_home(own_aws: EmbeddedAws) -> None:
    kept = fill(own_aws.clients)
    own_aws.stop()
    moved = EmbeddedAws(own_aws.settings.home)
    moved.start()
    try:
        moved.wait_ready()
        assert versions(moved.clients) == kept
        assert waiting(moved.clients, "s3-delete-messages") == 1
        moved.clients.s3.put_object(Bucket=BUCKET, Key="moved.wav", Body=b"x")
        keys = [record["s3"]["object"]["key"] for record in arrivals(moved.clients)]
        assert keys == ["kept.wav", "kept.wav", "moved.wav"]
    finally:
        moved.stop()


def test_it_listens_on_loopback_only_and_on_its_port_only(embedded_aws: EmbeddedAws) -> None:
    listening = [
        connection.laddr
        for connection in psutil.Process(embedded_aws.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == [("127.0.0.1", embedded_aws.settings.aws_port)]


def test_a_port_in_use_is_named_with_its_setting(embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    second = EmbeddedAws(tmp_path, embedded_aws.settings.aws_port)
    second.start()
    with pytest.raises(RuntimeError, match="not ready"):
        second.wait_ready()
    assert second.stop() == 1
    message = second.log.read_text()
    assert f"port {embedded_aws.settings.aws_port} is in use" in message
    assert "INGEST_AWS_PORT" in message
    assert "Traceback" not in message
    assert not second.folder.exists(), "nothing was started"


def test_a_failed_set_up_ends_the_process_with_its_error(tmp_path: Path) -> None:
    config = EmbeddedAws(tmp_path).settings
    program = (
        "from ingest_pipeline.local.server import serve\n"
        "from ingest_pipeline.settings import settings\n"
        "def on_ready():\n"
        "    raise LookupError('no such drop')\n"
        "serve(settings(), on_ready)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(config),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "LookupError: no such drop" in done.stderr
    assert not stopped_cleanly(config)

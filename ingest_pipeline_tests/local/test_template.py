"""infra/data.yaml, as it stands: what a real account would get."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest_pipeline.local.server import TEMPLATE
from ingest_pipeline.records.tables import (
    RENDITIONS,
    RESPONSES,
)
from ingest_pipeline.settings import Settings

DOCUMENT = yaml.safe_load(TEMPLATE.read_text())
PARAMETERS = {name: spec["Default"] for name, spec in DOCUMENT["Parameters"].items()}
RESOURCES = DOCUMENT["Resources"]


def properties(id_: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[id_]["Properties"]
    return found


def of_type(kind: str) -> list[str]:
    return [id_ for id_, resource in RESOURCES.items() if resource["Type"] == kind]


def statements(id_: str) -> list[dict[str, Any]]:
    """The statements of a policy, those for a real account included."""
    return [
        statement["Fn::If"][1] if "Fn::If" in statement else statement
        for statement in properties(id_)["PolicyDocument"]["Statement"]
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def rights(id_: str) -> Iterator[tuple[str, str]]:
    """Each action a policy allows, with what it is allowed on."""
    for statement in statements(id_):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                if isinstance(resource, str):
                    yield action, resource
                else:
                    yield action, resource.get("Fn::Sub") or ".".join(resource["Fn::GetAtt"])


def test_cfn_lint_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), TEMPLATE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cloudformation_takes_it_straight_from_the_file() -> None:
    assert TEMPLATE.stat().st_size <= 51_200  # larger ones have to lie in S3


def test_the_names_are_the_agreed_ones() -> None:
    assert PARAMETERS["BucketName"] == "ingest"
    assert PARAMETERS["IngestQueueName"] == "s3-ingest-messages"
    assert PARAMETERS["DeleteQueueName"] == "s3-delete-messages"
    for id_, suffix in {
        "QuarantineBucket": "quarantine",
        "UploadBucket": "videos",
        "PhotoBucket": "photos",
        "RenditionBucket": "renditions",
    }.items():
        assert properties(id_)["BucketName"] == {"Fn::Sub": f"${{BucketName}}-{suffix}"}
    assert properties("ResponsesTable")["TableName"] == RESPONSES.name == "responses"
    assert properties("RenditionsTable")["TableName"] == RENDITIONS.name == "renditions"
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert defaults["upload_bucket"] == "ingest-videos"
    assert defaults["photo_bucket"] == "ingest-photos"
    assert defaults["rendition_bucket"] == "ingest-renditions"


@pytest.mark.parametrize("id_", of_type("AWS::S3::Bucket"))
def test_a_bucket_keeps_old_versions_30_days_and_lets_nobody_else_in(id_: str) -> None:
    bucket = properties(id_)
    assert PARAMETERS["NoncurrentDays"] == 30
    assert PARAMETERS["AbortMultipartDays"] == 7
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    condition, lifecycle, _ = bucket["LifecycleConfiguration"]["Fn::If"]
    versions, uploads, *_ = lifecycle["Rules"]
    assert condition == "IsReal"
    assert versions["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "NoncurrentDays"}}
    assert versions["ExpiredObjectDeleteMarker"] is True
    assert "ExpirationInDays" not in versions, "current objects never end by themselves"
    assert uploads["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": {"Ref": "AbortMultipartDays"}
    }
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize("id_", ["IngestBucket", "UploadBucket", "PhotoBucket"])
def test_arrivals_of_media_are_told_to_the_ingest_queue(id_: str) -> None:
    assert properties(id_)["NotificationConfiguration"] == {
        "QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["IngestQueue", "Arn"]}}
        ]
    }
    assert RESOURCES[id_]["DependsOn"] == "IngestQueuePolicy"


@pytest.mark.parametrize("id_", ["QuarantineBucket", "RenditionBucket"])
def test_what_the_pipeline_writes_itself_is_told_to_nobody(id_: str) -> None:
    assert "NotificationConfiguration" not in properties(id_)


def test_pages_of_any_origin_upload_media_and_play_renditions_and_reach_no_other_bucket() -> None:
    allowed = {
        id_: (rule["AllowedOrigins"], set(rule["AllowedMethods"]))
        for id_ in of_type("AWS::S3::Bucket")
        for rule in properties(id_).get("CorsConfiguration", {}).get("CorsRules", [])
    }
    assert allowed == {
        "IngestBucket": (["*"], {"GET", "PUT", "POST"}),
        "UploadBucket": (["*"], {"GET", "PUT", "POST"}),
        "PhotoBucket": (["*"], {"GET", "PUT", "POST"}),
        "RenditionBucket": (["*"], {"GET"}),
    }


@pytest.mark.parametrize("id_", of_type("AWS::S3::Bucket"))
def test_what_lies_in_a_bucket_is_encrypted(id_: str) -> None:
    assert properties(id_)["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]


def test_responses_are_found_by_mail_and_renditions_by_day() -> None:
    keys = {
        id_: [
            [(part["AttributeName"], part["KeyType"]) for part in schema]
            for schema in (
                properties(id_)["KeySchema"],
                *(index["KeySchema"] for index in properties(id_)["GlobalSecondaryIndexes"]),
            )
        ]
        for id_ in ("ResponsesTable", "RenditionsTable")
    }
    assert keys == {
        "ResponsesTable": [
            [("ProjectStep", "HASH"), ("Mail", "RANGE")],
            [("Mail", "HASH"), ("ProjectStep", "RANGE")],
        ],
        "RenditionsTable": [
            [("object", "HASH"), ("version_preset", "RANGE")],
            [("day", "HASH"), ("object", "RANGE")],
        ],
    }


@pytest.mark.parametrize("name", ["Ingest", "Delete", "Transcode"])
def test_a_queue_keeps_4_days_and_gives_up_after_5_deliveries(name: str) -> None:
    queue, dead = properties(f"{name}Queue"), properties(f"{name}DeadQueue")
    assert PARAMETERS["MessageRetentionSeconds"] == 4 * 86400
    assert PARAMETERS["DeadMessageRetentionSeconds"] == 14 * 86400
    assert PARAMETERS["MaxReceiveCount"] == 5
    assert PARAMETERS["VisibilitySeconds"] == 180
    assert queue["MessageRetentionPeriod"] == {"Ref": "MessageRetentionSeconds"}
    assert dead["MessageRetentionPeriod"] == {"Ref": "DeadMessageRetentionSeconds"}
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [f"{name}DeadQueue", "Arn"]},
        "maxReceiveCount": {"Ref": "MaxReceiveCount"},
    }
    assert dead["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
    assert [source["Fn::Sub"] for source in dead["RedriveAllowPolicy"]["sourceQueueArns"]] == [
        f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{{name}QueueName}}"
    ]
    for each in (queue, dead):
        assert each["SqsManagedSseEnabled"] is True
        assert each["ReceiveMessageWaitTimeSeconds"] == 0, "a sensor's tick must not wait"


def test_only_the_buckets_of_this_account_send_to_the_ingest_queue() -> None:
    allowed = [each for each in statements("IngestQueuePolicy") if each["Effect"] == "Allow"]
    assert len(allowed) == 1
    assert allowed[0]["Action"] == "sqs:SendMessage"
    assert allowed[0]["Condition"] == {
        "ArnEquals": {
            "aws:SourceArn": [
                {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}"},
                {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}-videos"},
                {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}-photos"},
            ]
        },
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }


def test_every_bucket_and_queue_of_a_real_account_refuses_plain_http() -> None:
    policies = of_type("AWS::S3::BucketPolicy") + of_type("AWS::SQS::QueuePolicy")
    refusing = {
        str(protected)
        for id_ in policies
        for protected in properties(id_).get("Queues") or [properties(id_)["Bucket"]]
        for statement in statements(id_)
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    protected = of_type("AWS::S3::Bucket") + of_type("AWS::SQS::Queue")
    assert refusing == {str({"Ref": id_}) for id_ in protected}


@pytest.mark.parametrize("id_", of_type("AWS::DynamoDB::Table"))
def test_a_table_is_recoverable_encrypted_and_paid_by_request(id_: str) -> None:
    table = properties(id_)
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsReal", True, False]}


def test_tombstones_and_receipts_expire_and_reports_do_not() -> None:
    wanted = {"AttributeName": "expires_at", "Enabled": True}
    expiring = {
        id_: properties(id_)["TimeToLiveSpecification"]["Fn::If"][:2]
        for id_ in of_type("AWS::DynamoDB::Table")
        if "TimeToLiveSpecification" in properties(id_)
    }
    assert expiring == {
        "AssetsTable": ["IsReal", wanted],
        "ReceiptsTable": ["IsReal", wanted],
        "TranscodeJobsTable": ["IsReal", wanted],
    }


def test_nothing_that_holds_data_goes_with_the_stack() -> None:
    holding = [
        *of_type("AWS::S3::Bucket"),
        *of_type("AWS::SQS::Queue"),
        *of_type("AWS::DynamoDB::Table"),
    ]
    assert {RESOURCES[id_]["DeletionPolicy"] for id_ in holding} == {"RetainExceptOnCreate"}
    assert {RESOURCES[id_]["UpdateReplacePolicy"] for id_ in holding} == {"Retain"}


@pytest.mark.parametrize("id_", of_type("AWS::IAM::ManagedPolicy"))
def test_a_policy_names_its_actions_and_resources(id_: str) -> None:
    for action, resource in rights(id_):
        assert "*" not in action
        if action == "rekognition:DetectLabels":  # the service has no resource for it
            continue
        # Objects have no names beforehand, nor have MediaConvert's queues and jobs.
        assert "*" not in resource.removesuffix("Bucket.Arn}/*").removesuffix(
            ":queues/*"
        ).removesuffix(":jobs/*")


def test_the_pipeline_writes_no_objects_where_clients_do_and_never_makes_or_drops_anything() -> (
    None
):
    allowed = set(rights("PipelinePolicy"))
    assert {where for what, where in allowed if what == "s3:PutObject"} == {
        "${QuarantineBucket.Arn}/*",
        "${RenditionBucket.Arn}/*",
    }
    assert {where for what, where in allowed if what.startswith("s3:Delete")} == {
        "${IngestBucket.Arn}/*",
        "${RenditionBucket.Arn}/*",
        "${UploadBucket.Arn}/*",
        "${PhotoBucket.Arn}/*",
    }
    assert {where for what, where in allowed if what == "sqs:SendMessage"} == {
        f"{queue}.Arn" for queue in of_type("AWS::SQS::Queue")
    }
    whole = ("Bucket", "Queue", "Table")
    assert not [
        what
        for what, _ in allowed
        if what.partition(":")[2].startswith(("Create", "Delete")) and what.endswith(whole)
    ]


def test_the_api_signs_uploads_and_renditions_restores_and_changes_no_other_object() -> None:
    allowed = set(rights("ApiPolicy"))
    assert {(what, where) for what, where in allowed if what.startswith("s3:")} == {
        ("s3:GetObject", "${IngestBucket.Arn}/*"),
        ("s3:GetObject", "${UploadBucket.Arn}/*"),
        ("s3:GetObject", "${PhotoBucket.Arn}/*"),
        ("s3:GetObject", "${SessionBucket.Arn}/*"),
        ("s3:GetObject", "${RenditionBucket.Arn}/*"),
        ("s3:GetObjectVersion", "${IngestBucket.Arn}/*"),
        ("s3:GetObjectVersion", "${UploadBucket.Arn}/*"),
        ("s3:GetObjectVersion", "${PhotoBucket.Arn}/*"),
        ("s3:GetObjectVersion", "${SessionBucket.Arn}/*"),
        ("s3:PutObject", "${IngestBucket.Arn}/*"),
        ("s3:PutObject", "${UploadBucket.Arn}/*"),
        ("s3:PutObject", "${PhotoBucket.Arn}/*"),
        ("s3:DeleteObjectVersion", "${IngestBucket.Arn}/*"),
        ("s3:DeleteObjectVersion", "${UploadBucket.Arn}/*"),
        ("s3:DeleteObjectVersion", "${PhotoBucket.Arn}/*"),
        ("s3:DeleteObjectVersion", "${SessionBucket.Arn}/*"),
        ("s3:ListBucket", "IngestBucket.Arn"),
        ("s3:ListBucket", "UploadBucket.Arn"),
        ("s3:ListBucket", "PhotoBucket.Arn"),
        ("s3:ListBucket", "SessionBucket.Arn"),
        ("s3:ListBucketVersions", "IngestBucket.Arn"),
        ("s3:ListBucketVersions", "UploadBucket.Arn"),
        ("s3:ListBucketVersions", "PhotoBucket.Arn"),
        ("s3:ListBucketVersions", "SessionBucket.Arn"),
    }


def test_the_api_writes_assets_posts_reports_and_responses_only_and_reads_no_queue() -> None:
    allowed = set(rights("ApiPolicy"))
    writing = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"}
    assert {where for what, where in allowed if what in writing} == {
        "AssetsTable.Arn",
        "PostsTable.Arn",
        "ReportsTable.Arn",
        "ResponsesTable.Arn",
    }
    assert {where for what, where in allowed if what == "dynamodb:Scan"} == {
        "PostsTable.Arn",
        "ResponsesTable.Arn",
    }
    assert {what for what, _ in allowed if what.startswith("sqs:")} == {
        "sqs:SendMessage",
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
    }


def test_current_objects_end_by_themselves_only_where_mediaconvert_left_them() -> None:
    ending = [
        (id_, rule["Prefix"], rule["ExpirationInDays"])
        for id_ in of_type("AWS::S3::Bucket")
        for rule in properties(id_)["LifecycleConfiguration"]["Fn::If"][1]["Rules"]
        if "ExpirationInDays" in rule
    ]
    assert ending == [("RenditionBucket", "transcoding/", 14)]


def test_mediaconvert_reads_videos_and_writes_to_one_folder_for_this_account_only() -> None:
    role = properties("MediaConvertRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "mediaconvert.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    (policy,) = role["Policies"]
    allowed = {
        (statement["Action"], resource["Fn::Sub"])
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in as_list(statement["Resource"])
    }
    assert allowed == {
        ("s3:GetObject", "${IngestBucket.Arn}/*"),
        ("s3:GetObject", "${UploadBucket.Arn}/*"),
        ("s3:PutObject", "${RenditionBucket.Arn}/transcoding/*"),
    }


def test_the_pipeline_lends_the_role_to_mediaconvert_alone() -> None:
    (lending,) = [each for each in statements("PipelinePolicy") if "iam:PassRole" in each["Action"]]
    assert lending["Resource"] == {"Fn::GetAtt": ["MediaConvertRole", "Arn"]}
    assert lending["Condition"] == {
        "StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}
    }


def test_only_the_rule_sends_to_the_transcode_queue() -> None:
    (allowed,) = [each for each in statements("TranscodeQueuePolicy") if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["TranscodeRule", "Arn"]}}
    }
    (target,) = properties("TranscodeRule")["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["TranscodeQueue", "Arn"]}

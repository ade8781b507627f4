"""infra/, as far as it can be tried without an account: services, Dagster instances and rights."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from botocore import xform_name
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests.local.test_template import rights
from ingest_pipeline_tests.test_layers import PACKAGE, SERVICES, name_of
from ingest_pipeline_tests.world import World

INFRA = PROJECT_ROOT / "infra"
SERVICE = INFRA / "service.yaml"
RESOURCES = yaml.safe_load(SERVICE.read_text())["Resources"]
LAPTOP, TASK, ECS = (
    PROJECT_ROOT / "dagster.yaml",
    INFRA / "dagster.yaml",
    INFRA / "dagster.ecs.yaml",
)


@pytest.fixture
def log_bucket(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket for logs in the embedded AWS, which boto3 finds by its variables."""
    monkeypatch.setenv("DAGSTER_LOG_BUCKET", world.bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(world.settings.aws_endpoint))
    monkeypatch.setenv("AWS_DEFAULT_REGION", world.settings.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "embedded")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "embedded")
    return world.bucket


def home_of(instance: Path, folder: Path) -> Path:
    """A DAGSTER_HOME with this instance, as the image has it."""
    shutil.copy(instance, folder / "dagster.yaml")
    return folder


def content(instance: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(instance.read_text())
    return found


def test_cfn_lint_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), SERVICE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("log_bucket")
@pytest.mark.parametrize(
    ("instance", "launcher"), [(TASK, DefaultRunLauncher), (ECS, EcsRunLauncher)]
)
def test_dagster_takes_the_instance_and_finds_its_classes(
    instance: Path, launcher: type, tmp_path: Path
) -> None:
    ref = InstanceRef.from_dir(str(home_of(instance, tmp_path)))
    assert isinstance(ref.compute_log_manager, S3ComputeLogManager)
    assert isinstance(ref.run_coordinator, QueuedRunCoordinator)
    assert isinstance(ref.run_launcher, launcher)
    settings: Mapping[str, Any] = ref.settings
    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_monitoring"]["enabled"] is True
    config = ref.compute_logs_data.config_dict if ref.compute_logs_data else {}
    assert config["bucket"] == {"env": "DAGSTER_LOG_BUCKET"}


def test_an_instance_says_which_variable_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DAGSTER_LOG_BUCKET", raising=False)
    ref = InstanceRef.from_dir(str(home_of(TASK, tmp_path)))
    with pytest.raises(dg.DagsterInvalidConfigError, match='"DAGSTER_LOG_BUCKET" which is not set'):
        _ = ref.compute_log_manager


def test_what_a_run_prints_lies_in_the_bucket_below_the_folder_that_the_role_may_use(
    world: World, log_bucket: str, tmp_path: Path
) -> None:
    @dg.op
    def talk() -> None:
        print("a word of the run")  # noqa: T201 - it is what is looked for

    @dg.job
    def talking() -> None:
        talk()

    with dg.DagsterInstance.from_config(str(home_of(TASK, tmp_path))) as instance:
        assert talking.execute_in_process(instance=instance).success
    s3 = world.clients.s3
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=log_bucket)["Contents"]]
    assert [key.partition("/")[0] for key in keys if key.endswith(".out")] == ["compute-logs"]
    printed = "".join(
        s3.get_object(Bucket=log_bucket, Key=key)["Body"].read().decode() for key in keys
    )
    assert "a word of the run" in printed
    (policy,) = [
        each
        for each in RESOURCES["PipelineRole"]["Properties"]["Policies"]
        if each["PolicyName"] == "keep-run-logs"
    ]
    files, listing = policy["PolicyDocument"]["Statement"]
    assert files["Resource"] == {"Fn::Sub": "${RunLogBucket.Arn}/compute-logs/*"}
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "compute-logs/*"}}


def test_a_deployment_differs_from_the_laptop_in_where_logs_lie() -> None:
    task = content(TASK)
    assert task.pop("compute_logs")["class"] == "S3ComputeLogManager"
    assert task == content(LAPTOP)


def test_tasks_of_their_own_are_one_choice_made_otherwise() -> None:
    tasks, task = content(ECS), content(TASK)
    assert tasks.pop("run_launcher")["class"] == "EcsRunLauncher"
    assert {name for name in tasks if tasks[name] != task[name]} == {
        "concurrency",
        "run_monitoring",
    }
    assert tasks.keys() == task.keys()


def test_the_task_is_told_the_bucket_of_its_logs() -> None:
    (container,) = RESOURCES["PipelineTask"]["Properties"]["ContainerDefinitions"]
    told = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert told["DAGSTER_LOG_BUCKET"] == {"Ref": "RunLogBucket"}
    assert told["AWS_DEFAULT_REGION"] == told["AWS_REGION"]


# What AWS calls the right to an operation, where it is not the operation's name.
RIGHTS = {
    "dynamodb:TransactWriteItems": {"dynamodb:PutItem"},
    "s3:Copy": {"s3:GetObject", "s3:PutObject"},
    "s3:CopyObject": {"s3:GetObject", "s3:PutObject"},
    "s3:DeleteObjects": {"s3:DeleteObject"},
    "s3:GeneratePresignedPost": {"s3:PutObject"},
    "s3:GeneratePresignedUrl": {"s3:GetObject", "s3:PutObject"},
    "s3:HeadBucket": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:UploadFile": {"s3:PutObject"},
}
# Asked where the embedded AWS is set up, and nowhere else.
SET_UP = {"s3:GetBucketCors", "s3:GetBucketNotificationConfiguration", "s3:GetBucketVersioning"}
ATTRIBUTES = {"exceptions", "get_paginator", "meta", "object", "bucket"}


def operations(path: Path) -> Iterator[str]:
    """What a file asks of AWS: `s3:GetObject`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=client, attr="get_paginator"),
                args=[ast.Constant(value=str(method))],
            ):
                yield f"{name_of(client)}:{camel(method)}"
            case ast.Attribute(value=client, attr=method) if (
                name_of(client) in SERVICES and method not in ATTRIBUTES
            ):
                yield f"{name_of(client)}:{camel(method)}"


def camel(method: str) -> str:
    name = "".join(word.capitalize() for word in method.split("_"))
    assert xform_name(name) == method
    return name


def needed(operation: str) -> set[str]:
    return RIGHTS.get(operation) or {operation.removesuffix("Batch")}


def test_every_call_of_aws_is_a_right_of_the_pipeline_or_of_the_api() -> None:
    asked = {
        operation
        for path in (PACKAGE / "aws").rglob("*.py")
        if path.name != "stack.py"
        for operation in operations(path)
    }
    assert {"s3:ListObjectsV2", "mediaconvert:CancelJob", "sqs:SendMessageBatch"} <= asked
    allowed = {what for policy in ("PipelinePolicy", "ApiPolicy") for what, _ in rights(policy)}
    lacking = {each for each in asked - SET_UP if not needed(each) <= allowed}
    assert lacking == set()


def test_what_is_made_of_objects_is_listed_read_and_deleted_by_the_pipeline_alone() -> None:
    bucket, files = "RenditionBucket.Arn", "${RenditionBucket.Arn}/*"
    of_pipeline, of_api = set(rights("PipelinePolicy")), set(rights("ApiPolicy"))
    assert {what for what, where in of_pipeline if where in (bucket, files)} == {
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    }
    assert {what for what, where in of_api if where in (bucket, files)} == {"s3:GetObject"}
    for table in ("Renditions", "Previews", "ImageLabels"):
        assert ("dynamodb:Query", f"${{{table}Table.Arn}}/index/by_day") in of_pipeline
    for table in ("Renditions", "Previews", "ImageLabels", "TranscodeJobs"):
        assert {
            ("dynamodb:Query", f"{table}Table.Arn"),
            ("dynamodb:DeleteItem", f"{table}Table.Arn"),
        } <= of_pipeline


def test_the_api_marks_the_reports_of_what_is_to_be_deleted() -> None:
    of_reports = {what for what, where in rights("ApiPolicy") if where == "ReportsTable.Arn"}
    assert {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:BatchWriteItem"} <= of_reports
    assert "dynamodb:DeleteItem" not in of_reports

"""infra/, as far as it can be tried without an account: services, Dagster instances and rights."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from botocore import xform_name
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_postgres import DagsterPostgresStorage
from moto import mock_aws
from pydantic import SecretStr

from ingest_pipeline.aws.transcribe import job_name
from ingest_pipeline.cli.main import main
from ingest_pipeline.settings import PROJECT_ROOT, Settings
from ingest_pipeline.workers.broker import Broker
from ingest_pipeline.workers.coordinator import PromptRunCoordinator
from ingest_pipeline.workers.lanes import TAG, Lane
from ingest_pipeline.workers.launcher import WorkerRunLauncher
from ingest_pipeline_tests.local.test_template import rights
from ingest_pipeline_tests.media.speech.voices import Held
from ingest_pipeline_tests.sessions.servers import SERVERS, server
from ingest_pipeline_tests.test_layers import PACKAGE, SERVICES, name_of
from ingest_pipeline_tests.world import World

INFRA = PROJECT_ROOT / "infra"
TEMPLATES = ("database", "broker", "transcribe", "service")  # that of the data has tests of its own
SERVICE = yaml.safe_load((INFRA / "service.yaml").read_text())
RESOURCES = SERVICE["Resources"]
TRANSCRIBE = yaml.safe_load((INFRA / "transcribe.yaml").read_text())["Resources"]
BROKER = yaml.safe_load((INFRA / "broker.yaml").read_text())["Resources"]
LAPTOP, SERVICES_OWN, ECS = (
    PROJECT_ROOT / "dagster.yaml",
    INFRA / "dagster.yaml",
    INFRA / "dagster.ecs.yaml",
)
VALUES = yaml.safe_load((INFRA / "helm-values.yaml").read_text())
MANIFESTS = list(yaml.safe_load_all((INFRA / "k8s-workers.yaml").read_text()))


@pytest.fixture(params=SERVERS.keys() & {"postgresql"})
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database for Dagster, named by the variables that a service gets."""
    with server(request.param) as made:
        url = sa.make_url(made.url)
        monkeypatch.setenv("DAGSTER_PG_HOST", str(url.host))
        monkeypatch.setenv("DAGSTER_PG_USER", str(url.username))
        monkeypatch.setenv("DAGSTER_PG_PASSWORD", url.password or "")
        monkeypatch.setenv("DAGSTER_PG_NAME", str(url.database))
        yield made.url


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


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing_and_cloudformation_takes_it_straight_from_the_file(
    name: str,
) -> None:
    template = INFRA / f"{name}.yaml"
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert template.stat().st_size <= 51_200


def test_what_the_other_stacks_put_out_are_parameters_of_the_services() -> None:
    for name in ("database", "broker", "transcribe"):
        template = yaml.safe_load((INFRA / f"{name}.yaml").read_text())
        assert template["Outputs"].keys() <= SERVICE["Parameters"].keys()


def container(task: str) -> dict[str, Any]:
    (found,) = RESOURCES[task]["Properties"]["ContainerDefinitions"]
    assert isinstance(found, dict)
    return found


TASKS = sorted(id_ for id_, each in RESOURCES.items() if each["Type"] == "AWS::ECS::TaskDefinition")


def told(task: str, of: str) -> set[str]:
    """The variables or secrets that a container is handed, under any condition."""
    choices = [each.get("Fn::If", [None, each]) for each in container(task)[of]]
    return {name["Name"] for _, *names in choices for name in names if "Name" in name}


@pytest.mark.parametrize("task", TASKS)
def test_a_service_is_told_settings_that_there_are(task: str) -> None:
    known = {f"INGEST_{name.upper()}" for name in Settings.model_fields}
    ours = {name for name in told(task, "Environment") if name.startswith("INGEST_")}
    assert ours <= known
    assert "INGEST_AWS" in ours
    assert container(task)["EntryPoint"] == ["sh", "/app/entrypoint.sh"]


@pytest.mark.parametrize("task", sorted({*TASKS} - {"ApiTask"}))
def test_whatever_opens_the_dagster_instance_is_told_its_variables(task: str) -> None:
    wanted = {"DAGSTER_PG_HOST", "DAGSTER_PG_USER", "DAGSTER_PG_PASSWORD", "DAGSTER_PG_NAME"}
    assert wanted <= told(task, "Secrets")
    assert {"DAGSTER_LOG_BUCKET", "INGEST_WORKERS", "BROKER_HOST"} <= told(task, "Environment")
    assert {each for each in wanted if each in SERVICES_OWN.read_text()} == wanted


def test_daemon_and_web_server_touch_no_media() -> None:
    role = RESOURCES["DagsterRole"]["Properties"]
    assert {"Ref": "PipelinePolicyArn"} not in role["ManagedPolicyArns"]
    for task in ("DaemonTask", "WebserverTask"):
        assert RESOURCES[task]["Properties"]["TaskRoleArn"] == {
            "Fn::GetAtt": ["DagsterRole", "Arn"]
        }
        assert told(task, "Secrets").isdisjoint({"EVENT_DB", "SOURCES", "USERS", "TOKEN_KEY"})


def test_all_lanes_are_somebodys_and_workers_have_two_minutes_after_a_notice() -> None:
    served: list[str] = []
    for task in ("WorkerTask", "TranscoderTask"):
        assert container(task)["StopTimeout"] == 120
        program, *arguments = container(task)["Command"]
        assert program == "ingest-pipeline"
        context = main.make_context(program, list(arguments), resilient_parsing=True)
        assert main.get_command(context, arguments[0]) is not None
        served += arguments[arguments.index("--lanes") + 1].split(",")
    assert sorted(served) == sorted(Lane)


def test_workers_grow_with_the_messages_of_the_queues_that_there_are() -> None:
    queues = {
        dimension["Value"]
        for policy in ("WorkerByBacklog", "TranscoderByBacklog")
        for metric in RESOURCES[policy]["Properties"]["TargetTrackingScalingPolicyConfiguration"][
            "CustomizedMetricSpecification"
        ]["Metrics"]
        for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }
    names = Settings().queues
    ours = {names.ingest.queue, names.enrichment.queue, names.delete.queue, names.rendition.queue}
    assert queues == ours


def test_the_largest_fleet_is_what_the_instance_lets_run() -> None:
    parameters = {name: each.get("Default") for name, each in SERVICE["Parameters"].items()}
    runs = content(SERVICES_OWN)["concurrency"]["runs"]
    pools = content(SERVICES_OWN)["concurrency"]["pools"]
    processes = parameters["MaxWorkers"] * parameters["WorkerProcesses"]
    assert runs["max_concurrent_runs"] == processes + parameters["MaxTranscoders"]
    limits = {each["value"]: each["limit"] for each in runs["tag_concurrency_limits"]}
    assert {each["key"] for each in runs["tag_concurrency_limits"]} == {TAG}
    assert limits.keys() == {*Lane} - {Lane.FRESH}
    assert limits[Lane.TRANSCODE] == pools["default_limit"] == parameters["MaxTranscoders"]
    assert sum(limits.values()) <= runs["max_concurrent_runs"] * 2 / 3


def test_queues_and_table_of_a_broker_in_sqs_are_what_celery_looks_for() -> None:
    options = Broker.of(
        Settings(workers="sqs", worker_results=SecretStr("dynamodb://@us-east-1/results"))
    ).options
    queues = {
        each["Properties"]["QueueName"]: each["Properties"]["VisibilityTimeout"]
        for each in BROKER.values()
        if each["Type"] == "AWS::SQS::Queue"
    }
    prefix, hidden = options["queue_name_prefix"], options["visibility_timeout"]
    assert queues == {f"{prefix}{lane.queue.replace('.', '-')}": hidden for lane in Lane}
    table = BROKER["Results"]["Properties"]
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"]["AttributeName"] == "ttl"


def test_the_databases_secret_is_asked_for_what_rds_writes_into_it() -> None:
    written = {"host", "port", "username", "password", "dbname"}
    asked = {
        each["ValueFrom"]["Fn::Sub"].split(":")[1]
        for each in container("DaemonTask")["Secrets"]
        if "Fn::Sub" in each.get("ValueFrom", {})
    }
    assert asked == written - {"port"}


@pytest.mark.usefixtures("log_bucket", "database")
def test_dagster_takes_the_instance_of_the_services_and_finds_its_classes(tmp_path: Path) -> None:
    ref = InstanceRef.from_dir(str(home_of(SERVICES_OWN, tmp_path)))
    assert isinstance(ref.storage, DagsterPostgresStorage)
    assert isinstance(ref.compute_log_manager, S3ComputeLogManager)
    assert isinstance(ref.run_coordinator, PromptRunCoordinator)
    assert isinstance(ref.run_launcher, WorkerRunLauncher)
    settings: Mapping[str, Any] = ref.settings
    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_monitoring"]["enabled"] is True


@pytest.mark.usefixtures("database")
def test_runs_as_tasks_of_their_own_are_of_the_definition_that_the_services_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "embedded")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DAGSTER_LOG_BUCKET", "logs")
    monkeypatch.setenv("DAGSTER_RUN_TASK", "ingest-run")
    ref = InstanceRef.from_dir(str(home_of(ECS, tmp_path)))
    with mock_aws():
        boto3.client("ecs").register_task_definition(
            family="ingest-run",
            containerDefinitions=[
                {"name": container("RunTask")["Name"], "image": "ours", "memory": 512}
            ],
        )
        launcher = ref.run_launcher
        assert isinstance(launcher, EcsRunLauncher)
        assert str(launcher.task_definition).endswith(":task-definition/ingest-run:1")
    assert launcher.secrets_tags == []
    assert type(ref.run_coordinator) is QueuedRunCoordinator
    assert "DAGSTER_RUN_TASK" in told("DaemonTask", "Environment")
    assert "DAGSTER_RUN_TASK" in told("WebserverTask", "Environment")


def test_an_instance_says_which_variable_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DAGSTER_LOG_BUCKET", raising=False)
    ref = InstanceRef.from_dir(str(home_of(SERVICES_OWN, tmp_path)))
    with pytest.raises(dg.DagsterInvalidConfigError, match='"DAGSTER_LOG_BUCKET" which is not set'):
        _ = ref.compute_log_manager


@pytest.mark.usefixtures("database")
def test_what_a_run_prints_lies_in_the_bucket_below_the_folder_that_the_role_may_use(
    world: World, log_bucket: str, tmp_path: Path
) -> None:
    @dg.op
    def talk() -> None:
        print("a word of the run")  # noqa: T201 - it is what is looked for

    @dg.job
    def talking() -> None:
        talk()

    with dg.DagsterInstance.from_config(str(home_of(SERVICES_OWN, tmp_path))) as instance:
        assert talking.execute_in_process(instance=instance).success
    s3 = world.clients.s3
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=log_bucket)["Contents"]]
    assert [key.partition("/")[0] for key in keys if key.endswith(".out")] == ["compute-logs"]
    printed = "".join(
        s3.get_object(Bucket=log_bucket, Key=key)["Body"].read().decode() for key in keys
    )
    assert "a word of the run" in printed
    (policy,) = RESOURCES["PipelineRole"]["Properties"]["Policies"]
    files, listing = policy["PolicyDocument"]["Statement"]
    assert files["Resource"] == {"Fn::Sub": "${RunLogBucket.Arn}/compute-logs/*"}
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "compute-logs/*"}}


def test_a_deployment_keeps_what_a_laptop_keeps() -> None:
    services, laptop = content(SERVICES_OWN), content(LAPTOP)
    for name in ("telemetry", "nux", "retention"):
        assert services[name] == laptop[name]


def test_tasks_of_their_own_are_one_choice_made_otherwise() -> None:
    tasks, services = content(ECS), content(SERVICES_OWN)
    assert tasks.keys() == services.keys()
    assert {name for name in tasks if tasks[name] != services[name]} == {
        "run_launcher",
        "run_coordinator",
        "concurrency",
        "run_monitoring",
    }


def test_the_location_has_the_same_name_wherever_it_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_CODE_HOST", "code.example.internal")
    (served,) = WorkspaceFileTarget([str(INFRA / "workspace.services.yaml")]).create_origins()
    (local,) = WorkspaceFileTarget([str(PROJECT_ROOT / "workspace.yaml")]).create_origins()
    assert isinstance(served, GrpcServerCodeLocationOrigin)
    assert (served.host, served.port) == ("code.example.internal", 4000)
    (in_cluster,) = VALUES["dagsterWebserver"]["workspace"]["servers"]
    assert served.location_name == local.location_name == in_cluster["name"]


# The chart and its values.schema.json are not here: what is held is what of ours they are told.
def test_kubernetes_has_the_classes_and_the_limits_of_the_other_services() -> None:
    services = content(SERVICES_OWN)
    launcher = VALUES["runLauncher"]
    assert launcher["type"] == "CustomRunLauncher"
    assert launcher["config"]["customRunLauncher"] == {**services["run_launcher"], "config": {}}
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]
    assert coordinator["type"] == "CustomRunCoordinator"
    assert coordinator["config"]["customRunCoordinator"] == services["run_coordinator"]
    runs, pools = VALUES["concurrency"]["runs"], VALUES["concurrency"]["pools"]
    assert VALUES["concurrency"]["enabled"] is True
    assert runs["maxConcurrentRuns"] == services["concurrency"]["runs"]["max_concurrent_runs"]
    limits = services["concurrency"]["runs"]["tag_concurrency_limits"]
    assert runs["tagConcurrencyLimits"] == limits
    assert pools["defaultLimit"] == services["concurrency"]["pools"]["default_limit"]
    scheme = services["storage"]["postgres"]["postgres_db"]["scheme"]
    assert VALUES["postgresql"]["postgresqlScheme"] == scheme


def test_the_workers_on_kubernetes_are_those_of_the_services() -> None:
    deployments = [each for each in MANIFESTS if each["kind"] == "Deployment"]
    pods = [each["spec"]["template"]["spec"] for each in deployments]
    containers = [each for pod in pods for each in pod["containers"]]
    assert [each["args"] for each in containers] == [
        container(task)["Command"] for task in ("WorkerTask", "TranscoderTask")
    ]
    image = VALUES["dagsterDaemon"]["image"]
    assert {each["image"] for each in containers} == {f"{image['repository']}:{image['tag']}"}
    assert {pod["terminationGracePeriodSeconds"] for pod in pods} == {120}
    scaled = [each["spec"] for each in MANIFESTS if each["kind"] == "ScaledObject"]
    names = [each["metadata"]["name"] for each in deployments]
    assert [each["scaleTargetRef"]["name"] for each in scaled] == names
    parameters = SERVICE["Parameters"]
    assert [each["maxReplicaCount"] for each in scaled] == [
        parameters["MaxWorkers"]["Default"],
        parameters["MaxTranscoders"]["Default"],
    ]


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
SET_UP = {
    "dynamodb:UpdateTable",
    "s3:GetBucketCors",
    "s3:GetBucketNotificationConfiguration",
    "s3:GetBucketVersioning",
}
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


def transcribe_rights() -> Iterator[tuple[str, str, Any]]:
    """Each action of the policy for Amazon Transcribe, between its name and its statement."""
    for statement in TRANSCRIBE["Policy"]["Properties"]["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            yield statement["Sid"], action, statement


def test_transcribe_writes_into_our_bucket_alone_and_only_our_jobs_are_touched() -> None:
    by_action = {action: statement for _, action, statement in transcribe_rights()}
    assert by_action["transcribe:StartTranscriptionJob"]["Condition"] == {
        "StringEquals": {"transcribe:OutputBucketName": {"Ref": "RenditionBucketName"}}
    }
    for action in ("transcribe:GetTranscriptionJob", "transcribe:DeleteTranscriptionJob"):
        jobs = by_action[action]["Resource"]["Fn::Sub"]
        assert jobs.endswith(":transcription-job/ingest-*")
    assert job_name(Held(Path("a.wav")), "transcribe/en-US/1").startswith("ingest-")


@pytest.mark.parametrize("task", sorted({*TASKS} - {"ApiTask", "DaemonTask", "WebserverTask"}))
def test_with_the_right_to_transcribe_the_pipeline_does(task: str) -> None:
    assert "INGEST_TRANSCRIBER" in told(task, "Environment")


def test_every_call_of_aws_is_a_right_of_the_pipeline_or_of_the_api() -> None:
    asked = {
        operation
        for path in (PACKAGE / "aws").rglob("*.py")
        if path.name != "stack.py"
        for operation in operations(path)
    }
    assert {"s3:ListObjectsV2", "mediaconvert:CancelJob", "sqs:SendMessageBatch"} <= asked
    allowed = {what for policy in ("PipelinePolicy", "ApiPolicy") for what, _ in rights(policy)}
    allowed |= {action for _, action, _ in transcribe_rights()}
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

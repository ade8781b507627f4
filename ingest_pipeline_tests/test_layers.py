import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import ingest_pipeline

PACKAGE = Path(ingest_pipeline.__file__).parent

# What each part may know of the others. Parts that are not here know all, and nobody here knows
# them: defs, definitions, api, local, cli.
LAYERS = {
    "extras": {"errors"},
    "values": set(),
    "errors": set(),
    "settings": {"errors"},
    "trace": set(),
    "logs": {"settings", "trace"},
    "media": {"errors", "extras", "values"},
    "records": {"media", "values"},
    "aws": {"errors", "media", "records", "settings", "trace", "values"},
    "workers": {"aws", "definitions", "errors", "logs", "media", "settings", "trace"},
    "sessions": {"aws", "errors", "extras", "media", "records", "values"},
    "catalogue": {"aws", "errors", "media", "records", "values"},
    "pipeline": {
        "aws",
        "catalogue",
        "errors",
        "media",
        "records",
        "sessions",
        "settings",
        "trace",
        "values",
    },
    "system": {
        "aws",
        "catalogue",
        "media",
        "pipeline",
        "records",
        "sessions",
        "settings",
        "values",
    },
}
TOP = {"api", "cli", "definitions", "defs", "local"}

# Libraries that a part must do without.
FOREIGN = {
    "errors": {"boto3", "botocore", "dagster", "fastapi"},
    "values": {"boto3", "botocore", "dagster", "fastapi"},
    "settings": {"boto3", "botocore", "dagster", "fastapi"},
    "logs": {"boto3", "botocore", "dagster", "fastapi"},
    "trace": {"boto3", "botocore", "dagster", "fastapi"},
    "media": {"boto3", "botocore", "dagster", "fastapi"},
    "records": {"boto3", "botocore", "dagster", "fastapi"},
    "aws": {"dagster", "fastapi"},
    "sessions": {"boto3", "dagster", "fastapi"},
    "catalogue": {"boto3", "dagster", "fastapi"},
    "pipeline": {"boto3", "dagster", "fastapi"},
    "system": {"boto3", "dagster", "fastapi"},
    "api": {"boto3", "dagster"},
    "local": {"boto3", "fastapi"},
}

SERVICES = ("cloudformation", "dynamodb", "mediaconvert", "rekognition", "s3", "sqs", "transcribe")
# What boto3 adds to a client's operations.
ADDED = {
    "copy",
    "download_file",
    "download_fileobj",
    "generate_presigned_post",
    "generate_presigned_url",
    "get_paginator",
    "get_waiter",
    "paginate",
    "upload_file",
    "upload_fileobj",
}
# Methods of other objects that are named as one of a client's: the object, the method.
NO_CLIENTS = {
    ("TEMPLATES", "get_template"),
    ("items", "scan"),
    ("op", "create_table"),
    ("own", "probe"),
    ("reader", "probe"),
    ("shutil", "copy"),
    ("tables", "query"),
    ("tables", "scan"),
}


def sources(part: str) -> list[Path]:
    module = PACKAGE / f"{part}.py"
    return [module] if module.exists() else sorted((PACKAGE / part).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it, dotted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_known_by(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path))
    return {name[1] for name in names if name[0] == "ingest_pipeline" and len(name) > 1}


def test_every_part_has_its_place() -> None:
    parts = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__"} <= LAYERS.keys() | TOP


@pytest.mark.parametrize("part", LAYERS)
def test_a_part_knows_only_those_below_it(part: str) -> None:
    files = sources(part)
    assert files
    for path in files:
        assert parts_known_by(path) <= LAYERS[part] | {part}, path


@pytest.mark.parametrize("part", FOREIGN)
def test_a_part_does_without_the_libraries_of_others(part: str) -> None:
    for path in sources(part):
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & FOREIGN[part], path


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


TESTS = Path(__file__).parent
# Modules without a test file of their own name, and where they are tested. The HTTP API is tested
# by its calls, children with what starts them, and migrations with the databases that they make.
TESTED_ELSEWHERE = {
    "defs/common/ownership.py": "test_definitions.py",
    "local/disk.py": "local/test_durable.py",
    "local/repair.py": "e2e/test_kills.py",
    "local/stack.py": "local/test_embedded_aws.py",
    "local/state.py": "local/test_server.py",
    "media/audio/reading.py": "media/audio/test_probe.py",
    "media/files.py": "media/test_probe.py",
    "media/labels/efficientnet.py": "media/labels/test_local.py",
    "media/labels/imagenet/make_hierarchy.py": "media/labels/test_wordnet.py",
    "media/labels/labeler.py": "media/labels/test_local.py",
    "media/model.py": "media/test_probe.py",
    "media/sandbox/confinement.py": "media/sandbox/test_child.py",
    "media/speech/transcriber.py": "media/speech/test_local.py",
    "media/video/checks.py": "media/video/test_transcode.py",
    "media/video/ffmpeg.py": "media/video/test_program.py",
    "pipeline/enrich/transcode_ffmpeg.py": "pipeline/enrich/test_transcode.py",
    "pipeline/enrich/transcode_mediaconvert.py": "pipeline/enrich/test_transcode.py",
    "sessions/model.py": "sessions/test_ingest.py",
    "workers/daemon.py": "e2e/test_workers.py",
    "workers/reach.py": "workers/test_launcher.py",
}


def needs_a_test_file(module: Path) -> bool:
    is_api, is_migration = module.parts[0] == "api", "migrations" in module.parts
    is_entry = module.name in {"__init__.py", "__main__.py"}
    return not (is_api or is_migration or is_entry or module.stem.endswith("_child"))


def test_every_module_has_a_test_file_of_its_name_in_the_same_place() -> None:
    modules = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    without = {
        module.as_posix()
        for module in filter(needs_a_test_file, modules)
        if not (TESTS / module.with_name(f"test_{module.name}")).exists()
    }
    assert without == TESTED_ELSEWHERE.keys(), "the list has those that have none, and no other"


@pytest.mark.parametrize(("module", "test"), TESTED_ELSEWHERE.items())
def test_what_is_tested_elsewhere_is_tested_there(module: str, test: str) -> None:
    assert (PACKAGE / module).exists()
    assert (TESTS / test).exists()


def test_no_circle_leads_from_a_file_back_to_it() -> None:
    files = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    known = {name: files.keys() & set(imports(path)) - {name} for name, path in files.items()}
    TopologicalSorter(known).prepare()


@cache
def client_methods() -> set[str]:
    session = botocore.session.Session()
    models = map(session.get_service_model, SERVICES)
    return ADDED | {xform_name(name) for model in models for name in model.operation_names}


def name_of(node: ast.expr) -> str:
    """The last name of what an attribute is asked of: `s3` in `self._s3.get_object`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Call(func=function):
            return name_of(function)
        case _:
            return ""


def calls_of_aws(tree: ast.AST) -> Iterator[str]:
    """Whatever is asked of a client, and calls of what only a client has."""
    methods = client_methods()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and name_of(node.value) in SERVICES:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = (name_of(node.func.value), node.func.attr)
            if asked[1] in methods and asked not in NO_CLIENTS:
                yield ast.unparse(node.func)


@pytest.mark.parametrize(
    "code",
    [
        "self.s3.get_object(Bucket=bucket)",
        "system.clients.s3.head_bucket",
        "pool.map(partial(s3.get_object, Bucket=bucket), keys)",
        "self._dynamodb.exceptions.ConditionalCheckFailedException",
        "client.get_paginator('list_objects_v2')",
        "store.put_item(TableName=table)",
        "sqs.anything()",
        "connect(settings).sqs.send_message()",
    ],
)
def test_a_call_of_aws_is_found(code: str) -> None:
    assert list(calls_of_aws(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["self.tables.query(ASSETS, index, value)", "report.probe", "list_files(clients.s3)"]
)
def test_what_does_not_call_aws_is_not_taken_for_it(code: str) -> None:
    assert not list(calls_of_aws(ast.parse(code)))


def test_only_aws_calls_aws() -> None:
    calling = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(PACKAGE / "aws")
        and (found := list(calls_of_aws(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert calling == {}

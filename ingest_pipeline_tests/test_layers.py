import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ingest_pipeline

PACKAGE = Path(ingest_pipeline.__file__).parent

# What each part may know of the others. Parts that are not here know all, and nobody here knows
# them: defs, definitions, api, local, cli.
LAYERS = {
    "extras": set(),
    "values": set(),
    "settings": set(),
    "media": {"extras", "values"},
    "records": {"media", "values"},
    "aws": {"media", "records", "settings", "values"},
    "sessions": {"aws", "extras", "media", "records", "values"},
    "catalogue": {"aws", "media", "records", "values"},
    "pipeline": {"aws", "catalogue", "media", "records", "sessions", "settings", "values"},
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
    "values": {"boto3", "botocore", "dagster", "fastapi"},
    "settings": {"boto3", "botocore", "dagster", "fastapi"},
    "media": {"boto3", "botocore", "dagster", "fastapi"},
    "records": {"boto3", "botocore", "dagster", "fastapi"},
    "aws": {"dagster", "fastapi"},
    "sessions": {"boto3", "dagster", "fastapi"},
    "catalogue": {"boto3", "dagster", "fastapi"},
    "pipeline": {"boto3", "dagster", "fastapi"},
    "system": {"dagster", "fastapi"},
    "api": {"dagster"},
    "local": {"fastapi"},
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

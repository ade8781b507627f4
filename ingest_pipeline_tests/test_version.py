"""The version stands in pyproject.toml alone; whoever asks anywhere hears that one."""

import re
import subprocess
import sys
import tomllib

import pytest

import ingest_pipeline
from ingest_pipeline.api.app import create_app
from ingest_pipeline.settings import PROJECT_ROOT, Settings
from ingest_pipeline.system import System


@pytest.fixture(scope="module")
def version() -> str:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def test_the_package_tells_it(version: str) -> None:
    assert ingest_pipeline.__version__ == version, "install the project anew: make lint does"


def test_the_package_has_no_other_name_for_it() -> None:
    with pytest.raises(AttributeError, match="'ingest_pipeline' has no attribute 'version'"):
        getattr(ingest_pipeline, "version")  # noqa: B009 - mypy knows that it is not there


def test_importing_the_package_does_not_look_it_up() -> None:
    program = "import sys, ingest_pipeline; print('importlib.metadata' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_the_command_tells_it(version: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest_pipeline.cli.main", "--version"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"ingest-pipeline, version {version}\n"


def test_the_api_tells_it(version: str) -> None:
    assert create_app(System(Settings())).openapi()["info"]["version"] == version


def test_the_changelogs_newest_release_is_it(version: str) -> None:
    changelog = (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[([0-9][^]]*)\]", changelog, re.MULTILINE)
    assert releases[0] == version

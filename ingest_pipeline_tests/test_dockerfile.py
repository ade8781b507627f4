"""The image cannot be built by the suite: a linter reads its recipe, and its commands are tried."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.system import wait_for

DOCKERFILE = PROJECT_ROOT / "Dockerfile"
BIN = Path(sys.executable).parent


def instructions() -> list[tuple[str, str]]:
    """Each with its argument, continued lines joined and comments left out."""
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in joined.splitlines()]
    return [(word, rest) for word, rest in filter(None, lines) if word != "#"]


def arguments(name: str) -> list[str]:
    return [" ".join(rest.split()) for word, rest in instructions() if word == name]


def test_the_linter_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "hadolint", "--failure-threshold", "style", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_base_is_pinned_to_the_oldest_python_that_the_project_takes() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    oldest = re.match(r">=([0-9.]+)", project["requires-python"])
    assert oldest is not None
    assert {argument.split()[0] for argument in arguments("FROM")} == {f"python:{oldest[1]}-slim"}


def test_it_does_not_run_as_root() -> None:
    *_, user = arguments("USER")
    assert int(user) >= 10_000, "a number: Kubernetes cannot tell what a name stands for"
    last = [word for word, _ in instructions()]
    assert "RUN" not in last[last.index("USER") :]


def test_only_packages_with_known_hashes_are_installed() -> None:
    installs = [argument for argument in arguments("RUN") if "pip install" in argument]
    assert installs == [
        "/venv/bin/pip install --require-hashes --no-deps -r requirements.lock.txt",
        "/venv/bin/pip install --no-deps --no-build-isolation .",
    ]
    assert arguments("ADD") == []
    assert not re.search(r"https?://", DOCKERFILE.read_text())


def test_no_secret_is_in_the_image() -> None:
    secret = re.compile(r"secret|passw|token|key|credential", re.IGNORECASE)
    assert [each for each in instructions() if secret.search(each[1])] == []
    assert arguments("ARG") == []


def test_what_is_copied_is_there_and_nothing_else_reaches_the_builder() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines, "whatever is not named stays out"
    copied = {
        source
        for argument in arguments("COPY")
        if "--from" not in argument
        for source in [word for word in argument.split() if not word.startswith("--")][:-1]
    }
    assert copied == allowed
    assert all((PROJECT_ROOT / name).exists() for name in allowed)


def command(name: str, port: int) -> list[str]:
    """A command in the form of a JSON list, for another port."""
    (argument,) = arguments(name)
    found: list[str] = json.loads(argument[argument.index("[") :])
    assert arguments("EXPOSE") == [found[found.index("--port") + 1]]
    found[found.index("--port") + 1] = str(port)
    return [str(BIN / found[0]), *found[1:]]


def test_the_code_location_starts_from_any_folder_and_is_healthy_once_it_answers(
    tmp_path: Path,
) -> None:
    port = free_port()
    health = command("HEALTHCHECK", port)
    assert "CMD" in arguments("HEALTHCHECK")[0]
    assert subprocess.run(health, capture_output=True, check=False).returncode != 0
    environment = os.environ | {"INGEST_AWS": "real", "INGEST_HOME": str(tmp_path)}
    server = subprocess.Popen(
        command("CMD", port),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(
            lambda: subprocess.run(health, capture_output=True, check=False).returncode == 0, 60
        )
    finally:
        server.terminate()
        server.wait(30)

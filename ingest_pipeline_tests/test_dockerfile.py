"""The image cannot be built by the suite: a linter reads its recipe, and its commands are tried."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from ssl import CERT_REQUIRED
from typing import Any

from celery import Celery

from ingest_pipeline.settings import PROJECT_ROOT, Settings
from ingest_pipeline_tests.embedded import free_port
from ingest_pipeline_tests.system import wait_for

DOCKERFILE = PROJECT_ROOT / "Dockerfile"
INFRA = PROJECT_ROOT / "infra"
RUNTIME_LOCK = "requirements.runtime.lock.txt"
LAPTOP_LOCK = "requirements.laptop.lock.txt"
WHOLE_LOCK = "requirements.lock.txt"
IMAGE_EXTRAS = ("elasticsearch", "heic", "labels", "mysql", "postgresql", "redis", "speech", "sqs")
LAPTOP_EXTRAS = ("embedded", "parquet")
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


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    return found


def locked(name: str) -> dict[str, str]:
    """The version of each package in a lock, by its name."""
    text = (PROJECT_ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", text, re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    """Package names as locks spell them."""
    found = (re.match(r"[A-Za-z0-9._-]+", each) for each in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def test_every_base_is_pinned_to_a_release_of_the_oldest_python_that_the_project_takes() -> None:
    oldest = re.match(r">=([0-9.]+)", project()["requires-python"])
    assert oldest is not None
    (base,) = {argument.split()[0] for argument in arguments("FROM")}
    assert re.fullmatch(rf"python:{re.escape(oldest[1])}\.[0-9]+-slim-[a-z]+", base)


def test_the_images_packages_are_those_of_the_suite() -> None:
    runtime, laptop, whole = (locked(each) for each in (RUNTIME_LOCK, LAPTOP_LOCK, WHOLE_LOCK))
    assert runtime.items() <= laptop.items() <= whole.items()
    assert len(runtime) > 50


def test_the_image_has_every_package_that_runs_need_and_none_that_only_developers_need() -> None:
    runtime = locked(RUNTIME_LOCK).keys()
    extras = project()["optional-dependencies"]
    assert names(project()["dependencies"]) <= runtime
    assert names([each for name in IMAGE_EXTRAS for each in extras[name]]) <= runtime
    tools = names(extras["dev"]) - names(project()["dependencies"])
    assert tools & runtime == set()
    assert not [name for name in runtime if name.startswith(("opencv", "types-", "pytest"))]


def test_the_laptop_has_the_embedded_aws_and_parquet_which_the_image_does_without() -> None:
    runtime, laptop = locked(RUNTIME_LOCK).keys(), locked(LAPTOP_LOCK).keys()
    extras = project()["optional-dependencies"]
    own = names([each for name in LAPTOP_EXTRAS for each in extras[name]])
    assert own <= laptop - runtime
    assert names(extras["dev"]) & laptop == set()


def test_every_extra_is_in_a_lock() -> None:
    extras = project()["optional-dependencies"].keys()
    assert extras == {*IMAGE_EXTRAS, *LAPTOP_EXTRAS, "dev", "build"}


def test_locks_have_a_hash_for_each_package_and_no_address() -> None:
    for name in (RUNTIME_LOCK, LAPTOP_LOCK, WHOLE_LOCK):
        text = (PROJECT_ROOT / name).read_text()
        assert not re.search(r"https?:|--(extra-)?index", text)
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries)


def test_it_does_not_run_as_root() -> None:
    *_, user = arguments("USER")
    assert int(user) >= 10_000, "a number: Kubernetes cannot tell what a name stands for"
    last = [word for word, _ in instructions()]
    assert "RUN" not in last[last.index("USER") :]


def test_only_packages_with_known_hashes_are_installed() -> None:
    installs = [argument for argument in arguments("RUN") if "pip install" in argument]
    assert installs == [
        f"/venv/bin/pip install --require-hashes --no-deps -r {RUNTIME_LOCK}",
        (
            "/venv/bin/pip install --no-deps --no-build-isolation --editable . "
            "&& /venv/bin/pip uninstall --yes setuptools pip "
            "&& find /venv -type d -name tests -prune -exec rm -r {} +"
        ),
    ]
    assert arguments("ADD") == []
    assert not re.search(r"https?://", DOCKERFILE.read_text())


def test_no_secret_is_in_the_image() -> None:
    secret = re.compile(r"secret|passw|token|key|credential", re.IGNORECASE)
    assert [each for each in instructions() if secret.search(each[1])] == []
    assert arguments("ARG") == []


def sources() -> set[str]:
    """What is copied from the project."""
    return {
        source
        for argument in arguments("COPY")
        if "--from" not in argument
        for source in [word for word in argument.split() if not word.startswith("--")][:-1]
    }


def test_what_is_copied_is_there_and_nothing_else_reaches_the_builder() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines, "whatever is not named stays out"
    assert sources() == allowed
    assert all((PROJECT_ROOT / name).exists() for name in allowed)


def app(folder: Path) -> Path:
    """What the builder makes of the project, in a folder of its own."""
    for name in sources():
        target = folder / "app" / Path(name).name
        if (PROJECT_ROOT / name).is_dir():
            shutil.copytree(PROJECT_ROOT / name, target)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, target)
    return folder / "app"


def test_settings_and_instance_are_found_beside_the_package(tmp_path: Path) -> None:
    program = (
        "from ingest_pipeline.settings import PROJECT_ROOT as root, settings;"
        "print(root, *[(root / name).exists() for name in ('dagster.yaml', 'workspace.yaml')],"
        "settings().sources.exists(), settings().presets.exists())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(app(tmp_path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "app"), "True", "True", "True", "True"]


def entered(tmp_path: Path, *command: str, **variables: str) -> str:
    """What a command prints that the entry point starts."""
    home = tmp_path / "state"
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "INGEST_HOME": str(home)}
    done = subprocess.run(
        ["sh", INFRA / "entrypoint.sh", *command],
        env={**environment, "DAGSTER_HOME": str(home / "dagster"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_secrets_in_variables_become_files_that_only_we_can_read(tmp_path: Path) -> None:
    secrets = {
        "SOURCES": ("sources.toml", "INGEST_SOURCES"),
        "EVENT_DB": ("event-db", "INGEST_EVENT_DB_FILE"),
        "USERS": ("users", "INGEST_BASIC_USERS"),
        "TOKEN_KEY": ("token-key", "INGEST_JWT_KEY_FILE"),
    }
    values = {name: f'"of $HOME", {name}\nand more\n' for name in secrets}
    told = dict(
        line.split("=", 1)
        for line in entered(tmp_path, "env", **values).splitlines()
        if line.startswith("INGEST_")
    )
    for name, (file, setting) in secrets.items():
        path = tmp_path / "state" / file
        assert path.read_text() == values[name]
        assert path.stat().st_mode & 0o777 == 0o600
        assert told[setting] == str(path)
        assert setting.removeprefix("INGEST_").lower() in Settings.model_fields


def test_a_commands_own_environment_has_no_such_secret_and_what_is_not_given_is_not_set(
    tmp_path: Path,
) -> None:
    assert "word" not in entered(tmp_path, "env", SOURCES="word", TOKEN_KEY="word")
    assert "INGEST_BASIC_USERS" not in entered(tmp_path, "env")
    assert entered(tmp_path, "printf", "%s|", "a b", "$c") == "a b|$c|"


def test_the_brokers_password_goes_into_its_url(tmp_path: Path) -> None:
    given = {"BROKER_HOST": "redis.example.com", "BROKER_PASSWORD": "word"}
    url = entered(tmp_path, "sh", "-c", 'printf %s "$INGEST_WORKERS"', **given)
    assert Settings(workers=url).workers == url
    app = Celery(broker=url, backend=url, set_as_current=False)
    found = app.connection_for_write()
    assert (found.hostname, found.port, found.password) == ("redis.example.com", 6379, "word")
    assert found.ssl == {"ssl_cert_reqs": CERT_REQUIRED}
    assert app.backend.connparams["ssl_cert_reqs"] is CERT_REQUIRED
    assert "BROKER_PASSWORD" not in entered(tmp_path, "env", **given)


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
    environment = os.environ | {
        "INGEST_AWS": "real",
        "INGEST_HOME": str(tmp_path),
        "PYTHONPATH": str(app(tmp_path)),
    }
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

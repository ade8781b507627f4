"""What runs say in the log of their process: real runs, in an instance made from the file."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment

JOB = """
import logging, sys
import dagster as dg
import ingest_pipeline.defs  # has Dagster's notices of what is young silenced
from ingest_pipeline.trace import REQUEST_TAG
from ingest_pipeline.workers.run_log import silence_console

@dg.op
def speak(context: dg.OpExecutionContext) -> None:
    context.log.debug("in detail")
    context.log.info("a key with\\nnewline")
    context.log.warning("odd")
    if "fail" in sys.argv:
        raise ValueError("broken")

@dg.job
def talk() -> None:
    speak()

silence_console()
with dg.DagsterInstance.get() as instance:
    for _ in range(2):  # the second in a process that has everything
        talk.execute_in_process(
            instance=instance, tags={REQUEST_TAG: "r-1"}, raise_on_error=False
        )
"""


def said(home: Path, *arguments: str, **variables: str) -> list[str]:
    """The lines of a process that executes the job twice."""
    plain = (PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text(plain, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", JOB, *arguments],
        cwd=PROJECT_ROOT,
        env=child_environment(Settings(home=home)) | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return (done.stdout + done.stderr).splitlines()


def messages(lines: Sequence[dict[str, Any]], run: str) -> list[str]:
    return [line["message"].split(": ", 1)[1] for line in lines if run_of(line) == run]


def run_of(line: dict[str, Any]) -> str:
    return str(line["dagster"]["run"]["id"])


def test_a_run_is_told_by_its_beginning_what_it_says_and_its_end(tmp_path: Path) -> None:
    lines = [*map(json.loads, said(tmp_path, INGEST_LOG_FORMAT="json"))]
    runs = list(dict.fromkeys(map(run_of, lines)))
    assert len(runs) == 2
    for run in runs:
        started, *spoken, ended = messages(lines, run)
        assert started.startswith("Started execution of run")
        assert spoken == ["a key with\nnewline", "odd"]
        assert ended.startswith("Finished execution of run")
    for line in lines:
        assert line["dagster"]["job"]["name"] == "talk"
        assert line["trace"]["id"] == line["http"]["request"]["id"] == "r-1"
        assert line["log"]["logger"] == "ingest_pipeline.runs"
    assert {line["dagster"]["step"]["key"] for line in lines if "step" in line["dagster"]} == {
        "speak"
    }


def test_plain_lines_name_run_step_and_request(tmp_path: Path) -> None:
    lines = said(tmp_path, INGEST_LOG_LEVEL="warning")
    assert len(lines) == 2
    for line in lines:
        assert " WARNING ingest_pipeline.runs: talk " in line
        assert line.endswith(" speak: odd [request r-1]")


def test_events_are_told_at_debug(tmp_path: Path) -> None:
    text = "\n".join(said(tmp_path, INGEST_LOG_LEVEL="debug"))
    assert "speak: in detail" in text
    assert 'Started execution of step "speak"' in text


def test_an_error_is_told(tmp_path: Path) -> None:
    errors = [
        line
        for line in map(json.loads, said(tmp_path, "fail", INGEST_LOG_FORMAT="json"))
        if line["log.level"] == "error"
    ]
    assert any('Execution of step "speak" failed' in line["message"] for line in errors)


@pytest.mark.parametrize("name", ["dagster.yaml", "infra/dagster.yaml", "infra/dagster.ecs.yaml"])
def test_every_instance_has_the_handler(name: str) -> None:
    text = (PROJECT_ROOT / name).read_text(encoding="utf-8")
    assert "class: ingest_pipeline.workers.run_log.RunLogHandler" in text

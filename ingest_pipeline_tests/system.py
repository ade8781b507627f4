"""The whole system as a user starts it, for tests that need all of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from ingest_pipeline.api.auth import hash_password
from ingest_pipeline.records.model import (
    Outcome,
    Report,
    is_settled,
)
from ingest_pipeline.records.tables import (
    REPORTS,
    REPORTS_BY_OBJECT,
)
from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import ALICE
from ingest_pipeline_tests.embedded import free_port

VISIBILITY_SECONDS = 20  # a killed run's messages come again after so long, not after 3 minutes


class RunningSystem:
    """`ingest-pipeline dev` with its own home and ports; ALICE may log in."""

    def __init__(self, home: Path, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(variables or {})
        self.settings = Settings(
            home=home,
            aws_port=free_port(),
            ui_port=free_port(),
            api_port=free_port(),
            visibility_seconds=VISIBILITY_SECONDS,
            region="us-east-1",
            endpoint_url=None,
        )
        self.system = System(self.settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the system's commands need, and nothing of this machine's AWS."""
        inherited = {
            name: value
            for name, value in child_environment(self.settings).items()
            if not name.startswith(("AWS_", "PYTEST_"))
        }
        return inherited | {
            "INGEST_VISIBILITY_SECONDS": str(VISIBILITY_SECONDS),
            "INGEST_BASIC_USERS": str(self._users),
            **self._variables,
        }

    @property
    def _users(self) -> Path:
        return self.settings.state / "users"

    @property
    def log(self) -> Path:
        return self.settings.state / "dev.log"

    def start(self) -> None:
        """Start, and wait until the addresses are printed.

        Raises:
            RuntimeError: it ended, or took over two minutes; the message has its output.
        """
        self.settings.state.mkdir(parents=True, exist_ok=True)
        user, password = ALICE
        self._users.write_text(f"{user}:{hash_password(password)}\n", encoding="utf-8")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest_pipeline.cli.main", "dev"],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: "Ctrl-C" in self.log.read_text() or self._ended(), 120)
        if self._ended():
            raise RuntimeError(f"dev ended:\n{self.log.read_text()}")

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(60)
        self._process = None
        return code

    def kill(self) -> None:
        """Kill -9 of the supervisor: what it started goes on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those of this system whose command line has all these words."""
        return [process for process in self._all() if all(w in _command(process) for w in words)]

    def _all(self) -> Iterable[psutil.Process]:
        """Every process that was given this system's home."""
        home = str(self.settings.state)
        for process in psutil.process_iter():
            try:
                if process.environ().get("INGEST_HOME") == home and process.pid != os.getpid():
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run an `ingest-pipeline` command."""
        return subprocess.run(
            [sys.executable, "-m", "ingest_pipeline.cli.main", *arguments],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def put(self, key: str, body: bytes, bucket: str = "ingest") -> str:
        """Put an object; its versionId."""
        written = self.system.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return written["VersionId"]

    def reports(self, key: str, bucket: str = "ingest") -> list[Report]:
        """Every version's report."""
        uri = f"s3://{bucket}/{key}"
        return list(self.system.tables.query(REPORTS, REPORTS_BY_OBJECT, uri))

    def outcome(self, key: str, version: str, seconds: float = 120) -> Report:
        """The settled report of a version, waiting for it."""
        found: list[Report] = []

        def settled() -> bool:
            found[:] = [r for r in self.reports(key) if r.version == version and is_settled(r)]
            return bool(found)

        wait_for(settled, seconds, f"{key}: {self.reports(key)}")
        return found[0]

    def queue_is_empty(self) -> bool:
        depth = self.system.queues.ingest.queue.depth()
        return depth.waiting == depth.in_flight == 0

    def stands(self, key: str, bucket: str = "ingest") -> bool:
        """Whether something stands at the key."""
        listed = self.system.clients.s3.list_objects_v2(Bucket=bucket, Prefix=key)
        return any(entry["Key"] == key for entry in listed.get("Contents", []))

    def runs(self, *statuses: str, job: str = "ingest_objects") -> list[dict[str, Any]]:
        """The runs of a job in these states, newest first; none while Dagster is away."""
        query = """query($filter: RunsFilter) { runsOrError(filter: $filter) {
          ... on Runs { results { id status tags { key value } } } } }"""
        try:
            found = self.graphql(query, filter={"pipelineName": job, "statuses": list(statuses)})
        except httpx.TransportError:
            return []
        results: list[dict[str, Any]] = found["runsOrError"]["results"]
        return results

    def status(self, run_id: str) -> str:
        """Of a run."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.graphql(query, id=run_id)["runOrError"]["status"])

    def graphql(self, query: str, **variables: object) -> Any:
        """Ask the Dagster UI's API."""
        response = httpx.post(
            f"{self.settings.ui_url}/graphql",
            json={"query": query, "variables": variables},
            timeout=60,
        )
        answer = response.raise_for_status().json()
        assert "errors" not in answer, answer
        return answer["data"]


def wait_for(condition: Callable[[], object], seconds: float, what: str = "") -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: it never did.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.25)


def settled_outcomes(reports: Iterable[Report]) -> list[Outcome]:
    return [report.outcome for report in reports if is_settled(report)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""

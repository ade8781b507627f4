"""The embedded AWS as a process of its own, for tests that need the real thing."""

import os
import signal
import socket
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

from ingest_pipeline.aws.clients import Clients, connect
from ingest_pipeline.local.server import READY
from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment


class EmbeddedAws:
    """`python -m ingest_pipeline.local.server` with its own home and port."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self.settings = Settings(
            home=home,
            aws_port=port or free_port(),
            ui_port=free_port(),
            api_port=free_port(),
            region="us-east-1",
            endpoint_url=None,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the process wrote since its last start."""
        return self.settings.state / "aws.log"

    @property
    def folder(self) -> Path:
        """Where it keeps its state (`state/*.json`) and objects (`s3/`)."""
        return self.settings.state / "aws"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not running"
        return self._process.pid

    @cached_property
    def clients(self) -> Clients:
        return connect(self.settings)

    def start(self) -> None:
        """Start the process; returns at once."""
        assert self._process is None, "already running"
        self.settings.state.mkdir(parents=True, exist_ok=True)
        environment = {
            name: value
            for name, value in child_environment(self.settings).items()
            if not name.startswith("AWS_")
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest_pipeline.local.server"],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until the stack stands.

        Raises:
            RuntimeError: it ended, or did not get there in time; the message has its log.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._running():
            if READY in self.log.read_text():
                return
            time.sleep(0.05)
        raise RuntimeError(f"the embedded AWS is not ready:\n{self.log.read_text()}")

    def stop(self) -> int:
        """Stop gracefully (it saves); the exit code. Nothing happens if it does not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it like a power cut."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        if self._running():
            os.killpg(self._process.pid, number)
        code = self._process.wait(60)
        self._process = None
        return code

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None


_given: set[int] = set()


def free_port() -> int:
    """A port that nothing has right now, and that was not given before: settings want three."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    if port in _given:
        return free_port()
    _given.add(port)
    return port

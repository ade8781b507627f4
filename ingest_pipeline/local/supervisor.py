"""The whole system as child processes: started together, watched, stopped together."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from types import FrameType

import grpc
import httpx
import psutil
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from ingest_pipeline.errors import MistakeError
from ingest_pipeline.local.disk import shortage
from ingest_pipeline.local.log_files import rotate
from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment
from ingest_pipeline.workers.instance import write_instance

_START_SECONDS = 120
_STOP_SECONDS = 15  # then the kill
_TICK_PATIENCE = 2  # a tick may wait 19 s at its queue; one that is killed is done again
_RESTART_SECONDS = 1
_LOOK_EVERY = 5  # of these: whether the parts answer, and the disk has room
_SILENT_SECONDS = 60  # a start included


class StartError(MistakeError):
    """Something could not be started; the message says what and what to do."""


@dataclass(frozen=True)
class Part:
    """One child process: its command, and how to tell that it is ready."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    before: Callable[[], None] | None = None  # done before each start
    patience: int = _STOP_SECONDS  # seconds that it has to end by itself
    stage: int = 0  # those of a stage start together, once those of the earlier ones are ready


@dataclass
class Supervisor:
    """Starts the parts in order, restarts one that dies or hangs, and leaves no process behind."""

    config: Settings
    parts: Sequence[Part]
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _answered_at: dict[str, float] = field(default_factory=dict)
    _stopping: bool = False
    _is_full: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the parts for the length of the block.

        Raises:
            StartError: a port is in use, or a part died or did not answer in time.
        """
        self._end_leftovers()
        self._check_ports()
        # SIGINT too: a shell starts background jobs with it ignored, and children inherit that.
        stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        previous = {number: signal.signal(number, _interrupt) for number in stops}
        try:
            for _, parts in groupby(self.parts, lambda part: part.stage):
                together = list(parts)
                for part in together:
                    self._start(part)
                for part in together:
                    self._wait_until_ready(part)
            yield
        finally:
            self._stop_all()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def watch(self) -> None:
        """Restart what dies or hangs, and say when the disk is full, until interrupted."""
        looks = 0
        while True:
            time.sleep(_RESTART_SECONDS)
            self.restart_dead()
            looks += 1
            if looks % _LOOK_EVERY == 0:
                self.restart_hung()
                self.tell_shortage()
                self.rotate_logs()

    def rotate_logs(self) -> None:
        """Put aside the logs that have grown above INGEST_LOG_FILE_BYTES."""
        for part in self.parts:
            rotate(self._log(part), self.config.log_file_bytes)

    def _log(self, part: Part) -> Path:
        return self.config.state / "logs" / f"{part.name}.log"

    def restart_dead(self) -> None:
        """Start the parts anew whose process has ended."""
        for part in self.parts:
            code = self._running[part.name].poll()
            if code is not None:
                self._restart(part, f"ended with {code}")

    def restart_hung(self) -> None:
        """Start the parts anew that have not answered for long, though their processes stand."""
        now = time.monotonic()
        for part in self.parts:
            if part.is_ready():
                self._answered_at[part.name] = now
            elif now - self._answered_at.setdefault(part.name, now) > _SILENT_SECONDS:
                self._restart(part, f"has not answered for {_SILENT_SECONDS} s")

    def _restart(self, part: Part, why: str) -> None:
        print(f"{part.name} {why}: starting it again", file=sys.stderr)  # noqa: T201
        self._reap(part)
        self._start(part)
        self._answered_at[part.name] = time.monotonic()

    def tell_shortage(self) -> None:
        """Say it once when the disk is full, and once when there is room again."""
        full = shortage(self.config)
        if full and not self._is_full:
            print(full, file=sys.stderr)  # noqa: T201
        if self._is_full and not full:
            print("the disk has room again", file=sys.stderr)  # noqa: T201
        self._is_full = full is not None

    @property
    def _pids(self) -> Path:
        return self.config.state / "parts.json"

    def _end_leftovers(self) -> None:
        """End what a supervisor of this home has left that was killed: it holds the ports."""
        if not self._pids.exists():
            return
        left = json.loads(self._pids.read_text(encoding="utf-8"))
        if psutil.pid_exists(left["supervisor"]) and left["supervisor"] != os.getpid():
            return
        for pid, begun in left["parts"]:
            for process in _family(pid, begun):
                _kill(process)
        self._pids.unlink()

    def _note_pids(self) -> None:
        parts = [
            (process.pid, psutil.Process(process.pid).create_time())
            for process in self._running.values()
            if process.poll() is None
        ]
        content = json.dumps({"supervisor": os.getpid(), "parts": parts})
        self._pids.write_text(content, encoding="utf-8")

    def _check_ports(self) -> None:
        ports = {
            "INGEST_AWS_PORT": self.config.aws_port,
            "INGEST_UI_PORT": self.config.ui_port,
            "INGEST_API_PORT": self.config.api_port,
        }
        if self.config.aws == "real":
            del ports["INGEST_AWS_PORT"]
        for setting, port in ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise StartError(
                        f"port {port} is in use: stop what listens there, or set {setting}"
                    ) from error

    def _start(self, part: Part) -> None:
        if part.before:
            part.before()
        log = self._log(part)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # A session of its own: Ctrl-C reaches this process alone, which stops them in order.
            self._running[part.name] = subprocess.Popen(  # noqa: S603 - our own commands
                part.command,
                cwd=PROJECT_ROOT,
                env=child_environment(self.config),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._note_pids()

    def _wait_until_ready(self, part: Part) -> None:
        deadline = time.monotonic() + _START_SECONDS
        log = self._log(part)
        while time.monotonic() < deadline:
            if self._running[part.name].poll() is not None:
                raise StartError(f"{part.name} did not start:\n{_tail(log)}")
            if part.is_ready():
                return
            time.sleep(0.2)
        raise StartError(f"{part.name} was not ready after {_START_SECONDS} s; see {log}")

    def _stop_all(self) -> None:
        """Stop in reverse order: what uses AWS before AWS."""
        for part in reversed(self.parts):
            if part.name in self._running:
                self._reap(part)
        self._pids.unlink(missing_ok=True)

    def _reap(self, part: Part) -> None:
        """End a part and whatever it started, gently first."""
        process = self._running.pop(part.name)
        family = _family(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _gone, alive = psutil.wait_procs(family, timeout=part.patience)
        for straggler in {*alive, *_family(process.pid)}:
            _kill(straggler)
        process.wait()


def _family(session: int, begun: float = 0) -> list[psutil.Process]:
    """The processes of a session: also those whose parents are gone.

    None that began before `begun`: a pid may be another's by now.
    """
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.create_time() >= begun:
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return members


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(_STOP_SECONDS)
    except psutil.Error:
        return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    try:
        return _http().get(url).is_success
    except httpx.TransportError:
        return False


@cache
def _http() -> httpx.Client:
    """One for all looks: each new one reads the machine's certificates, 20 ms."""
    return httpx.Client(timeout=2, trust_env=False)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def whole_system(config: Settings) -> Supervisor:
    """The embedded AWS (unless the settings say real), Dagster, its workers, and the API.

    Dagster's three services are parts of their own, not `dagster dev`: that one goes on for ever
    with a code server that is gone, while every sensor fails.
    """
    home = config.folder("dagster")
    write_instance(config, home)
    socket_path = Path(tempfile.mkdtemp(prefix="ingest-")) / "code"  # a path of at most 107 bytes
    workspace = home / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      socket: {socket_path}\n"
        "      location_name: ingest_pipeline\n",
        encoding="utf-8",
    )
    python = [sys.executable, "-m"]
    parts = [
        Part(
            "code",
            [
                *python,
                *("dagster", "api", "grpc", "--socket", str(socket_path)),
                *("--module-name", "ingest_pipeline.definitions", "--log-level", "warning"),
                *("--max-workers", "32"),  # of which six wait at the queues
            ],
            partial(_serves_code, socket_path),
            partial(socket_path.unlink, missing_ok=True),
            patience=_TICK_PATIENCE,
            stage=1,
        ),
        Part(
            "worker",
            [*python, "ingest_pipeline.cli.main", "worker", "--grace", "2"],
            (config.state / "workers" / "ready").exists,
            partial((config.state / "workers" / "ready").unlink, missing_ok=True),
            stage=1,
        ),
        Part(
            "api",
            [*python, "ingest_pipeline.api"],
            partial(_answers, f"http://127.0.0.1:{config.api_port}/livez"),
            stage=1,
        ),
        Part(
            "dagster",
            [
                *python,
                *("ingest_pipeline.local.webserver", "--workspace", str(workspace)),
                *("--host", "127.0.0.1", "--port", str(config.ui_port)),
                *("--log-level", "warning"),
            ],
            partial(_answers, f"http://127.0.0.1:{config.ui_port}/server_info"),
            stage=2,
        ),
        Part(
            "daemon",
            [
                *python,
                *("ingest_pipeline.workers.daemon", "run", "--workspace", str(workspace)),
                *("--log-level", "warning"),  # every skipped tick is a line otherwise
            ],
            lambda: True,
            patience=_TICK_PATIENCE,
            stage=2,
        ),
    ]
    if config.aws == "embedded":
        (config.state / "aws" / "ready").unlink(missing_ok=True)
        aws = Part(
            "aws",
            [*python, "ingest_pipeline.cli.main", "aws"],
            (config.state / "aws" / "ready").exists,
        )
        parts.insert(0, aws)
    return Supervisor(config, parts)


def _serves_code(path: Path) -> bool:
    """Whether the code server has the definitions, and answers."""
    with grpc.insecure_channel(f"unix:{path}") as channel:
        try:
            answer = HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=2)
        except grpc.RpcError:
            return False
    return bool(answer.status == HealthCheckResponse.SERVING)

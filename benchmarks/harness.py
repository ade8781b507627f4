"""What the measurements share: an embedded AWS, a running system, WAVs, a counter of calls."""

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import psutil

from ingest_pipeline.aws.clients import Clients, Connection, open_clients, shared_clients
from ingest_pipeline.local.server import READY
from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment
from ingest_pipeline.system import System
from ingest_pipeline.workers.instance import write_instance

BUCKET = "ingest"
SMALL = 29_000  # bytes of a small WAV, about
LARGE = 17_000_000  # bytes of a large one

_START_SECONDS = 120
_STOP_SECONDS = 30
_FRAME = 6  # bytes: stereo, 24 bits
_UPLOADERS = 4
_FAR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_FOREIGN = ("AWS_", "INGEST_", "DAGSTER_")


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    small: int = 500  # objects
    flood: int = 5_000  # objects
    distant: int = 2_000  # objects
    near: int = 300  # objects of the plain loop there
    posts: int = 12  # photos one after another
    clips: int = 8
    settling: int = 30  # seconds before it counts as idle
    idle: int = 120  # seconds that are counted
    large: int = 20  # objects
    runs: int = 15  # of one object each
    singles: int = 20  # files one after another
    batches: tuple[int, ...] = (500, 200)  # objects of one run
    repeats: int = 3  # of what has no other way to average out the machine's noise
    sessions: int = 300  # of three recordings each
    year: int = 1_000  # sessions of a backfill over a year
    clip_seconds: int = 60  # of the video that is transcoded
    large_video: int = 1_000_000_000  # bytes
    photos: int = 200  # of one run
    catalogue: int = 100_000  # objects
    days: tuple[int, ...] = (10_000, 40_000)  # objects that arrived on one


QUICK = Sizes(
    small=30,
    flood=100,
    distant=60,
    near=20,
    posts=3,
    clips=2,
    settling=5,
    idle=20,
    large=2,
    runs=3,
    singles=3,
    batches=(30,),
    repeats=1,
    sessions=30,
    photos=20,
    catalogue=2_000,
    days=(500, 1_000),
    year=50,
    clip_seconds=6,
    large_video=100_000_000,
)


@dataclass(frozen=True)
class Figure:
    """One line of the table: ours against the baseline, and whether the goal is met.

    `ratio` is how many times better ours is, or how many times as much it takes, as `what` says.
    """

    what: str
    ours: str
    baseline: str
    ratio: float
    goal: str = ""
    is_met: bool | None = None  # None: there is no goal
    note: str = ""  # shown below the table

    @property
    def verdict(self) -> str:
        """Met, not met, or nothing."""
        return {None: "", True: "met", False: "NOT MET"}[self.is_met]


# --- processes ------------------------------------------------------------------------------------


def forget_surroundings() -> None:
    """Take other systems' settings out of the environment: everything here has its own."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]


@contextmanager
def embedded_aws(**overrides: int) -> Iterator[Settings]:
    """A fresh embedded AWS in a temporary home, and the settings that lead to it."""
    with _home(overrides) as config:
        command = ["-m", "ingest_pipeline.local.server"]
        with _process(config, "aws", command, lambda log: READY in log.read_text()):
            yield config


@contextmanager
def running_api(config: Settings) -> Iterator[None]:
    """The project's HTTP API as a process."""
    command = ["-m", "ingest_pipeline.api"]
    with _process(config, "api", command, lambda _log: _answers(config.api_url)):
        yield


@contextmanager
def running_system(**overrides: int) -> Iterator[Settings]:
    """A fresh `ingest-pipeline dev`, its samples taken in already."""
    with _home(overrides) as config:
        command = ["-m", "ingest_pipeline.cli.main", "dev"]
        with _process(config, "dev", command, lambda log: "Ctrl-C" in log.read_text()):
            system = System(config)
            wait_until(lambda: _is_idle(system), 120)
            yield config


@dataclass(frozen=True)
class Distant:
    """A system, and the embedded AWS that it reaches through a proxy."""

    config: Settings  # of the system: its AWS is "real", and far away
    near: Settings  # of the embedded AWS itself
    _counts: Path

    def calls(self) -> Counter[str]:
        """How many requests of each service went through the proxy, to the last half second."""
        return Counter(json.loads(self._counts.read_text()))


@contextmanager
def distant_aws(*, waits: bool = True, **overrides: int) -> Iterator[Distant]:
    """A fresh embedded AWS behind a proxy: `waits` as the real one does, or counts only."""
    with embedded_aws() as near, _home(overrides) as far:
        (port,) = _free_ports(1)
        config = far.model_copy(update={"aws": "real", "endpoint_url": f"http://127.0.0.1:{port}"})
        counts = near.state / "calls.json"
        command = ["-m", "benchmarks.distance", str(port), str(near.aws_port), str(counts)]
        command += [] if waits else ["--no-wait"]
        with _process(config, "distance", command, lambda _log: counts.exists()):
            yield Distant(config, near, counts)


@contextmanager
def distant_system(*, waits: bool = True, **overrides: int) -> Iterator[Distant]:
    """A fresh `ingest-pipeline dev` whose AWS is behind a proxy."""
    with distant_aws(waits=waits, **overrides) as distant:
        command = ["-m", "ingest_pipeline.cli.main", "dev"]
        with _process(distant.config, "dev", command, lambda log: "Ctrl-C" in log.read_text()):
            yield distant


@contextmanager
def another_worker(config: Settings) -> Iterator[None]:
    """One more worker of a running system."""
    ready = config.state / "workers" / "ready"
    ready.unlink()
    command = ["-m", "ingest_pipeline.cli.main", "worker", "--grace", "2"]
    with _process(config, "worker", command, lambda _log: ready.exists()):
        yield


@contextmanager
def _home(overrides: dict[str, int]) -> Iterator[Settings]:
    folder = Path(tempfile.mkdtemp(prefix="ingest-bench-"))
    try:
        aws_port, ui_port, api_port = _free_ports(3)
        config = Settings(
            home=folder,
            aws_port=aws_port,
            ui_port=ui_port,
            api_port=api_port,
            region="us-east-1",
            endpoint_url=None,
        ).model_copy(update=overrides)
        dagster_home = config.state / "dagster"
        dagster_home.mkdir()
        write_instance(config, dagster_home)
        yield config
    finally:
        _end_all(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(
    config: Settings, name: str, command: Sequence[str], is_ready: Callable[[Path], bool]
) -> Iterator[None]:
    log = config.state / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT_ROOT,
            env=environment(config),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or is_ready(log), _START_SECONDS)
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended:\n{log.read_text()}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()


def _end_all(folder: Path) -> None:
    """End whatever still runs with this home: a part may outlive the process that started it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("INGEST_HOME") == str(folder.resolve()):
                process.kill()


def environment(config: Settings) -> dict[str, str]:
    """The environment of a process that shall have these settings."""
    return child_environment(config) | {
        "INGEST_MAX_OBJECTS_PER_RUN": str(config.max_objects_per_run),
        "INGEST_MAX_QUEUED_RUNS": str(config.max_queued_runs),
        "INGEST_WAIT_SECONDS": str(config.wait_seconds),
        "INGEST_WORKER_PROCESSES": str(config.processes),
        "INGEST_MAX_CONCURRENT_RUNS": str(config.max_concurrent_runs),
        **(_FAR if config.aws == "real" else {}),
        **({"AWS_ENDPOINT_URL": config.endpoint_url} if config.endpoint_url else {}),
    }


def in_child(config: Settings, function: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
    """What `module:function` of this package returns in a process with these settings.

    Settings are read once in a process, and its CPU seconds are its own: so each measurement
    has one.
    """
    log = config.state / "child.log"
    with log.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments)],
            cwd=PROJECT_ROOT,
            env=environment(config),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{function} failed:\n{log.read_text()[-5000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.1) -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: it did not in time.

    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _free_ports(count: int) -> list[int]:
    """Different ports that nothing has right now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


# --- objects --------------------------------------------------------------------------------------


def wav(size: int, seed: int = 0) -> bytes:
    """Make a valid WAV (48 kHz, 24 bits, stereo) of about `size` bytes, of noise."""
    frames = (size - 44) // _FRAME
    data = random.Random(seed).randbytes(frames * _FRAME)  # noqa: S311 - noise, no secret
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 48_000, 48_000 * _FRAME, _FRAME, 24)
    content = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(content)) + content


def upload(system: System, name: str, count: int, size: int) -> list[str]:
    """Put different WAVs under keys that begin with `name`, and see their messages arrive."""
    keys = [f"{name}-{number:04}.wav" for number in range(count)]
    waiting = system.queues.ingest.queue.depth().waiting

    def put(numbered: tuple[int, str]) -> None:
        number, key = numbered
        system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=wav(size, number))

    with ThreadPoolExecutor(_UPLOADERS) as pool:
        list(pool.map(put, enumerate(keys)))
    wait_until(lambda: system.queues.ingest.queue.depth().waiting >= waiting + count, 60)
    return keys


def remaining(system: System) -> int:
    """How many messages are not answered yet."""
    depth = system.queues.ingest.queue.depth()
    return depth.waiting + depth.in_flight


def _is_idle(system: System) -> bool:
    """Whether nothing is left to do, what is made of the objects included."""
    queues = (
        system.queues.ingest.queue,
        system.queues.rendition.queue,
        system.queues.enrichment.queue,
    )
    depths = [queue.depth() for queue in queues]
    return all(depth.waiting == depth.in_flight == 0 for depth in depths)


# --- counting -------------------------------------------------------------------------------------


@dataclass
class CallCounter:
    """Counts every request that boto3 sends, repeated ones too, and the bytes of S3 bodies."""

    calls: Counter[str] = field(default_factory=Counter)  # by service and operation
    bytes_read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, clients: Clients) -> None:
        """Count what these clients send."""
        for client in (clients.s3, clients.sqs, clients.dynamodb):
            client.meta.events.register("before-send", self._sent)
        clients.s3.meta.events.register("after-call.s3.GetObject", self._received)

    def _sent(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.calls[event_name.removeprefix("before-send.")] += 1

    def _received(self, parsed: dict[str, Any], **_: object) -> None:
        with self._lock:
            self.bytes_read += parsed.get("ContentLength", 0)


@contextmanager
def counted_calls() -> Iterator[CallCounter]:
    """Count the calls of all clients that are opened within the block."""
    counter = CallCounter()

    def open_counted(connection: Connection) -> Clients:
        clients = open_clients(connection)
        counter.watch(clients)
        return clients

    shared_clients.cache_clear()
    with patch("ingest_pipeline.aws.clients.open_clients", open_counted):
        yield counter
    shared_clients.cache_clear()


def cpu_seconds() -> float:
    """User and system seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system

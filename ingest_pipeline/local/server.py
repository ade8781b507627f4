"""The embedded AWS: ministack in this process, its state kept under `home`.

ministack itself writes its state at a graceful stop only. Here what changed is also written every
few seconds, so that a kill loses seconds of rows and messages; objects are on disk at once.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import uvicorn

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.errors import MistakeError
from ingest_pipeline.extras import extra
from ingest_pipeline.local.bodies import Bodies, Drafts
from ingest_pipeline.local.durable import DurableObjects
from ingest_pipeline.local.gate import HEALTH, MOST_IN_MEMORY, Gate
from ingest_pipeline.local.stack import set_up
from ingest_pipeline.local.state import Saver
from ingest_pipeline.local.waiting import WaitingReceives
from ingest_pipeline.settings import PROJECT_ROOT, Settings, settings

TEMPLATE = PROJECT_ROOT / "infra" / "data.yaml"
READY = "embedded AWS ready:"  # what `main` prints, with the endpoint
_IN_MEMORY = (
    "embedded AWS: objects are on disk; rows and messages are in memory, and so is a form while it "
    f"is sent, up to {MOST_IN_MEMORY >> 20} MiB"
)
_HOST = "127.0.0.1"  # no passwords, and a reset that anyone may ask for: never another interface
_START_SECONDS = 60  # half a second is usual; it reads every object's sidecar file first
_LAST_ANSWERS_SECONDS = 5  # for requests that are under way at a stop
_SAVE_EVERY = 5  # seconds, at least
_SAVE_SHARE = 20  # and a save takes at most a twentieth of the time
_REPAIR_PAUSES = (1, 600)  # seconds; each is twice as long as the one before
_log = logging.getLogger(__name__)


class PortInUseError(MistakeError):
    """Another process has the port of the embedded AWS."""


def main() -> None:
    """Serve the embedded AWS with its stack, as the settings say, until SIGINT or SIGTERM."""
    config = settings()

    def on_ready() -> None:
        set_up(connect(config), TEMPLATE)
        click.echo(f"{READY} {config.aws_endpoint}")

    try:
        serve(config, on_ready)
    except MistakeError as error:
        sys.exit(f"embedded AWS: {error}")


def serve(
    config: Settings, on_ready: Callable[[], None], repair: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` runs in a thread once requests are answered.

    `repair` runs after it, beside the requests, where the last stop was not clean: rows and
    messages of the last seconds may be gone, objects are not. It is tried until it succeeds.

    Raises:
        MissingExtraError: the embedded AWS is not installed.
        PortInUseError: nothing was started.
        TimeoutError: no answer in time.
        Exception: whatever `on_ready` raised, after a graceful stop.

    """
    with extra("embedded", "the embedded AWS"):
        import ministack  # noqa: F401, PLC0415 - it takes a tenth of a second

    listener = _bound(config.aws_port)
    is_owed = not stopped_cleanly(config)
    _clean_marker(config).unlink(missing_ok=True)
    if asyncio.run(_serve(config, listener, on_ready, repair if is_owed else lambda: None)):
        _clean_marker(config).touch()


def stopped_cleanly(config: Settings) -> bool:
    """Whether the last stop saved everything, and nothing was left to repair."""
    return _clean_marker(config).exists()


def _clean_marker(config: Settings) -> Path:
    return config.state / "aws" / "clean"


def _bound(port: int) -> socket.socket:
    """Take the port at once: between a check and a later bind another could have it."""
    # Named TCP, or asyncio does not switch Nagle's algorithm off: 45 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"port {port} is in use; stop what listens there or set INGEST_AWS_PORT ({error})"
        ) from error
    return listener


async def _serve(
    config: Settings,
    listener: socket.socket,
    on_ready: Callable[[], None],
    repair: Callable[[], None],
) -> bool:
    """Serve; whether everything was saved at the end, and repaired before."""
    stop, close = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = Gate(_ministack(config), config)
    queues = _waiting_receives()
    saver = Saver(config, gate, _durable_objects(config), queues)
    server = asyncio.create_task(_Server(gate, close).serve(sockets=[listener]))
    server.add_done_callback(lambda _: stop.set())
    try:
        await _until_healthy(config, server)
        await asyncio.to_thread(on_ready)
        click.echo(_IN_MEMORY)
        repairing = asyncio.create_task(_repair(repair))
        await _save_until(stop, saver)
    finally:
        queues.close()
        close.set()
        await server
    is_repaired = repairing.done()
    repairing.cancel()
    if failure := await _failure(saver.save_all):
        _log.error("the embedded AWS's last state was not saved: %s", failure)
    return is_repaired and not failure


async def _repair(repair: Callable[[], None]) -> None:
    """Repair, whatever it takes: what fails today must not keep anybody from serving."""
    pause, longest = _REPAIR_PAUSES
    while True:
        try:
            await asyncio.to_thread(repair)
        except Exception as error:  # noqa: BLE001 - whatever it was, a later try may succeed
            _log.warning("repair after a kill: failed, the next try is in %d s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        else:
            return


def _ministack(config: Settings) -> Any:  # noqa: ANN401 - an untyped ASGI application
    """Import the application, whose modules read the environment as they are imported."""
    folder = config.folder("aws")
    for each in ("state", "s3"):
        (folder / each).mkdir(exist_ok=True)
    os.environ.update(
        BIND_HOST=_HOST,
        GATEWAY_PORT=str(config.aws_port),  # in the queues' URLs
        MINISTACK_REGION=config.region,
        PERSIST_STATE="1",
        STATE_DIR=str(folder / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(folder / "s3"),
        LOG_LEVEL="WARNING",
        SERVICES="s3,sqs,dynamodb,cloudformation,iam,sts",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST="unix:///nonexistent",  # it would remove containers that it takes for its own
    )
    from ministack.app import app  # noqa: PLC0415

    return app


def _durable_objects(config: Settings) -> DurableObjects:
    import ministack.app  # noqa: PLC0415 - once the environment is set
    from ministack.services import s3  # noqa: PLC0415

    drafts = Drafts(config.state / "aws" / "drafts")
    Bodies.of(ministack.app, drafts)
    return DurableObjects.of(s3, drafts)


def _waiting_receives() -> WaitingReceives:
    from ministack.services import sqs  # noqa: PLC0415 - once the environment is set

    return WaitingReceives.of(sqs)


class _Server(uvicorn.Server):
    """Serves until it is told to close; signals are handled outside.

    Its parser is C: a request takes a third less of the process than with hypercorn's.
    """

    def __init__(self, app: Any, close: asyncio.Event) -> None:  # noqa: ANN401 - any kind of message
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                date_header=False,  # ministack has its own
                server_header=False,
                timeout_keep_alive=75,  # boto3 reuses connections; ministack's own value
                timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
            )
        )
        self._close = close

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Wait; the original looks ten times a second whether it is to end."""
        await self._close.wait()


async def _until_healthy(config: Settings, server: "asyncio.Task[None]") -> None:
    """Wait for the first answer.

    Raises:
        TimeoutError: none came in time, or the server ended.

    """
    url = f"http://{_HOST}:{config.aws_port}{HEALTH}"
    deadline = time.monotonic() + _START_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:  # no proxy on the way to ourselves
        while time.monotonic() < deadline and not server.done():
            with contextlib.suppress(httpx.TransportError):
                (await client.get(url)).raise_for_status()
                return
            await asyncio.sleep(0.05)
    raise TimeoutError(f"no answer at {url}")


async def _save_until(stop: asyncio.Event, saver: Saver) -> None:
    told = ""
    while not stop.is_set():
        begun = time.monotonic()
        failure = await _failure(saver.save)
        if failure and not told:
            _log.error("the embedded AWS's state is not saved; it is tried on: %s", failure)
        if told and not failure:
            _log.warning("the embedded AWS's state is saved again")
        told = failure
        seconds = time.monotonic() - begun
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(_SAVE_EVERY, _SAVE_SHARE * seconds))


async def _failure(save: Callable[[], Awaitable[None]]) -> str:
    """Save; why it failed, or nothing."""
    try:
        await save()
    except Exception as error:  # noqa: BLE001 - whatever it was, the next save may succeed
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main()

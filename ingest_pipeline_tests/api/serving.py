"""The API on a port of its own, in this process: tests speak real HTTP to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from ingest_pipeline.api.app import create_app
from ingest_pipeline.system import System

# Users and passwords, where a test lets some in.
ALICE = ("alice", "correct: horse ä battery")
BOB = ("böb", "s3cret")


@contextmanager
def serving(system: System) -> Iterator[httpx.Client]:
    """Serve for the length of the block; the client speaks to the server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(create_app(system), log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
            ) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()

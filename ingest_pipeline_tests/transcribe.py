"""A server that speaks Amazon Transcribe's wire format (awsJson1.1) on loopback."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import validate_parameters

from ingest_pipeline.aws.clients import Clients

SERVICE = botocore.session.get_session().get_service_model("transcribe")
EXCHANGE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "aws" / "transcribe_exchange.json").read_text(encoding="utf-8")
)
Answer = tuple[int, dict[str, Any]]


@dataclass
class StandIn:
    """Takes jobs and does nothing about them: the test says how each ends.

    `errors` are names of recorded errors to give first, whatever is asked. With clients that write
    its results, `quick`, jobs end well as soon as they are started.
    """

    endpoint: str = ""
    quick: Clients | None = None
    errors: deque[str] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)  # of StartTranscriptionJob
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, target: str, body: bytes) -> Answer:
        """Status and body; raises where no client of the service would send such a request."""
        prefix, _, name = target.partition(".")
        operation, request = SERVICE.operation_model(name), json.loads(body)
        assert prefix == SERVICE.metadata["targetPrefix"]
        validate_parameters(request, SERVICE.shape_for(f"{operation.name}Request"))
        self.calls.append(name)
        if self.errors:
            return error(self.errors.popleft())
        job_name = request["TranscriptionJobName"]
        if name == "StartTranscriptionJob":
            return self._start(job_name, request)
        if name == "DeleteTranscriptionJob":
            self.jobs.pop(job_name, None)
            return 200, {}
        if job_name not in self.jobs:
            return error("unknown")
        return 200, {"TranscriptionJob": self.jobs[job_name]}

    def _start(self, name: str, request: dict[str, Any]) -> Answer:
        self.requests.append(request)
        if name in self.jobs:
            return error("conflict")
        told = {key: request[key] for key in ("Media", "MediaFormat")}
        started = deepcopy(EXCHANGE["job"]) | told | {"TranscriptionJobName": name}
        self.jobs[name] = deepcopy(started)
        if self.quick:
            self._complete(self.quick, request)
        return 200, {"TranscriptionJob": started}

    def complete(self, clients: Clients, result: bytes | None = None) -> None:
        """End all jobs well, with what the service would write where each was asked to."""
        for request in self.requests:
            if request["TranscriptionJobName"] in self.jobs:
                self._complete(clients, request, result)

    def _complete(
        self, clients: Clients, request: dict[str, Any], result: bytes | None = None
    ) -> None:
        content = json.dumps(EXCHANGE["result"]).encode() if result is None else result
        bucket, key = request["OutputBucketName"], request["OutputKey"]
        clients.s3.put_object(Bucket=bucket, Key=key, Body=content)
        self.jobs[request["TranscriptionJobName"]] |= EXCHANGE["completed"]

    def fail(self, **changes: Any) -> None:
        """End all jobs badly."""
        for job in self.jobs.values():
            job.update(EXCHANGE["failed"] | changes)


def error(name: str) -> Answer:
    """A recorded error."""
    status, code, message = EXCHANGE["errors"][name]
    return status, {"__type": code, "Message": message}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A running one."""
    service = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = service.answer(self.headers["X-Amz-Target"], body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

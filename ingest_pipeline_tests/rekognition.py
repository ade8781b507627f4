"""A server that speaks Rekognition's wire format (awsJson1.1) on loopback."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.validate import validate_parameters

SERVICE = botocore.session.get_session().get_service_model("rekognition")
OPERATION = SERVICE.operation_model("DetectLabels")
INPUT = SERVICE.shape_for("DetectLabelsRequest")

CAT = {
    "Name": "Cat",
    "Confidence": 98.76543,
    "Instances": [],
    "Parents": [{"Name": "Animal"}, {"Name": "Mammal"}, {"Name": "Pet"}],
    "Aliases": [],
    "Categories": [{"Name": "Animals and Pets"}],
}
PET = {"Name": "Pet", "Confidence": 98.0, "Instances": [], "Parents": [{"Name": "Animal"}]}


@dataclass
class StandIn:
    """Answers with what is in line for the key, and with a cat where nothing is."""

    endpoint: str = ""
    in_line: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    requests: list[dict[str, Any]] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    def answer(self, target: str, body: bytes, credentials: str) -> tuple[int, dict[str, Any]]:
        """Status and body; raises where no client of Rekognition would send such a request."""
        assert target == f"{SERVICE.metadata['targetPrefix']}.{OPERATION.name}"
        request = json.loads(body)
        validate_parameters(request, INPUT)
        self.requests.append(request)
        self.credentials.append(credentials)
        waiting = self.in_line[request["Image"]["S3Object"]["Name"]]
        if not waiting:
            return 200, {"Labels": [CAT, PET], "LabelModelVersion": "3.0"}
        code = waiting.pop(0)
        status = 500 if code == "InternalServerError" else 400
        return status, {"__type": code, "message": f"the service says {code}"}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A running one."""
    service = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = service.answer(
                self.headers["X-Amz-Target"], body, self.headers["Authorization"]
            )
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
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

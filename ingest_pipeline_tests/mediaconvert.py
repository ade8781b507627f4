"""A stand-in for MediaConvert on loopback, which answers as the recorded exchange does."""

import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EXCHANGE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "aws" / "mediaconvert" / "exchange.json").read_text(encoding="utf-8")
)
JOBS = "/2017-08-29/jobs"


class StandIn:
    """Takes jobs and does nothing about them: the test says how each ends.

    `answers` are names of recorded answers to give first, whatever is asked.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.answers: deque[str] = deque()
        self.requests: list[dict[str, Any]] = []  # bodies of CreateJob, answered or not
        self.jobs: dict[str, dict[str, Any]] = {}  # by id
        self._ids: dict[str, str] = {}  # by token

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """A recorded answer, filled in."""
        creates = (method, path) == ("POST", JOBS)
        if creates:
            self.requests.append(json.loads(body))
        if self.answers:
            return recorded(self.answers.popleft())
        if creates:
            return self._job_answer(self._taken(self.requests[-1]), 201)
        job_id = path.removeprefix(f"{JOBS}/")
        if job_id not in self.jobs:
            return recorded("unknown")
        if method == "DELETE":
            self.jobs[job_id]["status"] = "CANCELED"
            return {"status": 202, "headers": {}, "body": {}}
        return self._job_answer(job_id, 200)

    def _taken(self, request: dict[str, Any]) -> str:
        """A job of the same token is the same job."""
        token = request["clientRequestToken"]
        if token not in self._ids:
            job_id = f"153696433354{len(self.jobs)}-opn151"
            self._ids[token] = job_id
            self.jobs[job_id] = recorded("submitted")["body"]["job"] | {
                "id": job_id,
                "clientRequestToken": token,
                "settings": request["settings"],
                "userMetadata": request["userMetadata"],
            }
        return self._ids[token]

    def _job_answer(self, job_id: str, status: int) -> dict[str, Any]:
        return recorded("submitted") | {"status": status, "body": {"job": self.jobs[job_id]}}

    def end(self, job_id: str, status: str, **error: Any) -> str:
        """End a job; the body of the event."""
        job = self.jobs[job_id]
        job["status"] = status
        job |= error
        event = deepcopy(EXCHANGE["events"][status])
        event["detail"] |= {"jobId": job_id, "userMetadata": job["userMetadata"], **error}
        return json.dumps(event)

    def outputs(self, job_id: str) -> Iterator[tuple[str, str, str]]:
        """Group, bucket and key of what the service would write, by its rules for names."""
        for group in self.jobs[job_id]["settings"]["outputGroups"]:
            settings = group["outputGroupSettings"]
            hls = settings.get("hlsGroupSettings")
            destination = (hls or settings["fileGroupSettings"])["destination"]
            found = re.fullmatch("s3://([^/]+)/(.+)", destination)
            assert found, destination
            ends = _hls_ends(group["outputs"]) if hls else _file_ends(group["outputs"])
            for end in ends:
                yield group["name"], found[1], found[2] + end


def _file_ends(outputs: list[dict[str, Any]]) -> Iterator[str]:
    (output,) = outputs
    container = output["containerSettings"]["container"]
    yield ".0000000.jpg" if container == "RAW" else f".{container.lower()}"


def _hls_ends(outputs: list[dict[str, Any]]) -> Iterator[str]:
    """The master, and of each output a playlist and a single file."""
    yield ".m3u8"
    for output in outputs:
        yield f"{output['nameModifier']}.m3u8"
        yield f"{output['nameModifier']}.ts"


def recorded(name: str) -> dict[str, Any]:
    """A copy of a recorded answer."""
    answer: dict[str, Any] = deepcopy(EXCHANGE["answers"][name])
    return answer


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """The stand-in, listening for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = service.answer(self.command, self.path, body)
            content = json.dumps(answer["body"]).encode()
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = StandIn(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

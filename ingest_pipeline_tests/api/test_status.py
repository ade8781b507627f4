import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from ingest_pipeline.media.video.program import choose_ffmpeg
from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.embedded import free_port

WELL = {
    "version": "1.2.3",
    "workspaceOrError": {
        "locationEntries": [{"locationOrLoadError": {"__typename": "RepositoryLocation"}}]
    },
    "instance": {"daemonHealth": {"allDaemonStatuses": []}},
    "sensorsOrError": {"results": []},
    "runsOrError": {"results": []},
}


class _ServerInfo(BaseHTTPRequestHandler):
    """What Dagster's webserver answers; where nothing is said, all is well."""

    told: ClassVar[dict[str, Any]] = WELL

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if self.path == "/graphql" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"data": self.told}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dagster_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _ServerInfo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


def with_ports(system: System, **ports: int) -> System:
    return System(system.config.model_copy(update=ports))


def test_hello(api: httpx.Client) -> None:
    assert api.get("/").json() == {"hello": "world"}


def test_signs_of_life_are_open_to_all_and_by_any_name(system: System) -> None:
    tokens = {"auth": "jwt", "jwt_key": SecretStr("k" * 32)}
    locked = System(system.config.model_copy(update=tokens))
    with serving(locked) as api:
        for path in ("/livez", "/readyz"):
            answer = api.get(path, headers={"Host": "10.0.0.7:8000"})
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
        assert api.get("/health", headers={"Host": "10.0.0.7:8000"}).status_code == 400


def test_without_aws_it_lives_and_is_not_ready(system: System, silent_port: int) -> None:
    with serving(with_ports(system, aws_port=silent_port)) as api:
        assert api.get("/livez").status_code == 200
        begun = time.monotonic()
        answer = api.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ok": False})
        assert api.get("/readyz").status_code == 503
        assert time.monotonic() - begun < 4, "asked once, for two seconds"


def test_dagster_is_asked_where_the_settings_say(system: System, dagster_port: int) -> None:
    elsewhere = {
        "ui_port": free_port(),
        "dagster_url": f"http://127.0.0.1:{dagster_port}",
        "dagster_public_url": "https://dagster.example",
        "public_url": "https://media.example",
    }
    with serving(System(system.config.model_copy(update=elsewhere))) as api:
        assert api.get("/health").json()["dagster"] == {"ok": True, "detail": "Dagster 1.2.3"}
        by_name = {"Accept": "text/html", "Host": "media.example"}
        assert 'href="https://dagster.example"' in api.get("/", headers=by_name).text


def test_all_is_well(system: System, dagster_port: int) -> None:
    with serving(with_ports(system, ui_port=dagster_port)) as api:
        system.queues.ingest.dead_letters.send("{}")
        response = api.get("/health")
    health = response.json()
    assert response.status_code == 200
    assert health["aws"]["ok"]
    assert health["dagster"] == {"ok": True, "detail": "Dagster 1.2.3"}
    assert health["ffmpeg"] == {"ok": True, "detail": str(choose_ffmpeg())}
    assert health["queues"].keys() == {
        f"s3-{kind}-messages{suffix}"
        for kind in ("ingest", "delete", "rendition", "transcode", "enrichment", "session")
        for suffix in ("", "-dead")
    }
    assert health["queues"]["s3-ingest-messages-dead"]["waiting"] >= 1


def test_what_ffmpeg_lacks_is_told_and_is_no_outage(
    system: System, dagster_port: int, tmp_path: Path
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with_it = System(system.config.model_copy(update={"ffmpeg": broken, "ui_port": dagster_port}))
    with serving(with_it) as api:
        response = api.get("/health")
    assert response.status_code == 200
    assert response.json()["ffmpeg"] == {
        "ok": False,
        "detail": f"ffmpeg unknown at {broken} (INGEST_FFMPEG), "
        "without an answer to -version (ffmpeg ended with 3)",
    }


def tick(status: str, skipped: str | None = None, error: str | None = None) -> dict[str, Any]:
    """The last tick of a sensor."""
    told = {"status": status, "skipReason": skipped, "error": error and {"message": error}}
    return {"sensorState": {"ticks": [told]}}


def daemon(heard: float | None) -> dict[str, Any]:
    status = {"daemonType": "SENSOR", "required": True, "lastHeartbeatTime": heard}
    return {"daemonHealth": {"allDaemonStatuses": [status]}}


AWAY = tick(
    "SKIPPED", "the workers' broker, redis://x, does not answer: messages stay in SQS meanwhile"
)
BROKEN_CODE = {"__typename": "PythonError", "message": "No module named x\nlines"}


@pytest.mark.parametrize(
    ("told", "detail"),
    [
        (
            {"workspaceOrError": {"locationEntries": []}},
            "no code location is loaded: nothing is ingested",
        ),
        (
            {"workspaceOrError": {"locationEntries": [{"locationOrLoadError": BROKEN_CODE}]}},
            "the code location is not loaded, so that nothing is ingested: No module named x",
        ),
        ({"instance": daemon(None)}, "the daemon's SENSOR has not begun yet"),
        (
            {"instance": daemon(1_000_000_000)},
            r"the daemon's SENSOR has not been heard of for \d+ s",
        ),
        (
            {"sensorsOrError": {"results": [tick("FAILURE", error="gone\nlines")]}},
            "every sensor fails, so that messages wait in SQS: gone",
        ),
        (
            {"sensorsOrError": {"results": [tick("SKIPPED", "no messages"), AWAY]}},
            "the workers' broker, redis://x, does not answer: messages stay in SQS meanwhile",
        ),
        (
            {"runsOrError": {"results": [{"updateTime": 1_000_000_000}]}},
            r"1 runs wait for a worker, the first for \d+ s",
        ),
    ],
)
def test_what_is_wrong_with_dagster(
    system: System,
    dagster_port: int,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    detail: str,
) -> None:
    monkeypatch.setattr(_ServerInfo, "told", WELL | told)
    with serving(with_ports(system, ui_port=dagster_port)) as api:
        response = api.get("/health")
    assert response.status_code == 503
    assert re.fullmatch(detail, response.json()["dagster"]["detail"])


def test_ticks_that_are_well_or_fail_here_and_there_are_no_outage(
    system: System, dagster_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = [tick("SUCCESS"), tick("SKIPPED", "no messages"), tick("FAILURE", error="once")]
    told = {"sensorsOrError": {"results": ticks}, "instance": daemon(time.time())}
    monkeypatch.setattr(_ServerInfo, "told", WELL | told)
    with serving(with_ports(system, ui_port=dagster_port)) as api:
        assert api.get("/health").json()["dagster"]["ok"]


def test_without_dagster(api: httpx.Client) -> None:
    response = api.get("/health")
    health = response.json()
    assert response.status_code == 503
    assert health["aws"]["ok"]
    assert not health["dagster"]["ok"]
    assert "ConnectError" in health["dagster"]["detail"]


def test_with_aws_down(system: System, dagster_port: int) -> None:
    with serving(with_ports(system, aws_port=free_port(), ui_port=dagster_port)) as api:
        begun = time.monotonic()
        response = api.get("/health")
        assert time.monotonic() - begun < 3
        assert api.get("/").status_code == 200
    health = response.json()
    assert response.status_code == 503
    assert health["dagster"]["ok"]
    assert not health["aws"]["ok"]
    assert health["aws"]["detail"]
    assert health["queues"] == {}


def test_on_a_full_disk(system: System, dagster_port: int) -> None:
    full = with_ports(system, ui_port=dagster_port, min_free_bytes=10**15)
    with serving(full) as api:
        response = api.get("/health")
        page = api.get("/", headers={"Accept": "text/html"}).text
    health = response.json()
    assert response.status_code == 503
    assert not health["aws"]["ok"]
    assert health["aws"]["detail"].startswith("the disk is full: ")
    assert "INGEST_MIN_FREE_BYTES" in health["aws"]["detail"]
    assert health["queues"], "they answer"
    assert "AWS: the disk is full: " in page


def test_it_never_hangs_and_asks_once_at_a_time(system: System, silent_port: int) -> None:
    with serving(with_ports(system, aws_port=silent_port, ui_port=silent_port)) as api:
        before = threading.active_count()
        begun = time.monotonic()
        answers = [api.get("/health") for _ in range(3)]
        assert time.monotonic() - begun < 9
        assert threading.active_count() - before <= 5  # of them 2 ask; the rest serve
    for response in answers:
        assert response.status_code == 503
        assert response.json()["aws"] == {"ok": False, "detail": "no answer within 2 seconds"}


def test_a_request_while_aws_is_down(system: System) -> None:
    with serving(with_ports(system, aws_port=free_port())) as api:
        response = api.get("/assets")
    assert response.status_code == 503
    assert response.json() == {"message": "AWS does not answer: EndpointConnectionError"}

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import pytest

from ingest_pipeline.settings import PROJECT_ROOT, Settings, child_environment
from ingest_pipeline.system import System


@contextmanager
def process(config: Settings) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "ingest_pipeline.api"],
        cwd=PROJECT_ROOT,
        env=child_environment(config),
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {url}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_and_stops(system: System, number: signal.Signals) -> None:
    with process(system.config) as child:
        wait_for(system.config.api_url)
        assert httpx.get(f"{system.config.api_url}/assets", trust_env=False).status_code == 200
        child.send_signal(number)
        assert child.wait(20) == 0
        assert child.stderr is not None
        first, second = child.stderr.read().splitlines()
        assert " INFO ingest_pipeline.api.access_log: GET / 200 in " in first
        assert " INFO ingest_pipeline.api.access_log: GET /assets 200 in " in second


def test_a_port_in_use_is_named(system: System) -> None:
    with process(system.config) as first:
        wait_for(system.config.api_url)
        with process(system.config) as second:
            assert second.wait(30) == 1
            assert second.stderr is not None
            message = second.stderr.read()
        assert first.poll() is None
    assert f"port {system.config.api_port} is in use" in message
    assert "INGEST_API_PORT" in message
    assert "Traceback" not in message


def test_the_docs_need_nothing_from_outside(api: httpx.Client) -> None:
    page = api.get("/docs").text
    sources = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert len(sources) >= 3
    for source in sources:
        assert source.startswith("/")
        assert api.get(source).status_code == 200


def test_every_route_is_described(api: httpx.Client) -> None:
    schema = api.get("/openapi.json").json()
    assert schema["paths"].keys() == {
        "/",
        "/hello",
        "/livez",
        "/readyz",
        "/health",
        "/assets",
        "/asset",
        "/asset/{file}",
        "/rejections",
        "/sessions",
        "/sessions/{session_id}",
        "/object/{bucket}/{key}/history",
        "/presignedurl/{project}/{step}",
        "/videos",
        "/posts",
        "/posts/{post_id}",
        "/signedUrlPut",
        "/getSignedUrlPut",
    }
    tags = {tag["name"] for tag in schema["tags"]}
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert operation["description"]
            assert tags.issuperset(operation["tags"])


@pytest.mark.parametrize(
    "path",
    [
        *["/%0A", "/hello%0A", "/hello/%0A", "/videos%0A", "/assets%0A", "/rejections%0A"],
        *["/posts%0A", "/object/ingest/x/history%0A", "/static/catalogue.css%0A"],
    ],
)
def test_a_newline_makes_another_path(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 404


@pytest.mark.parametrize(
    "name",
    ["..", "a/../b", "new\nline", "nul\x00", "\x01", "\x7f", "\u202e", "k" * 1024, "k" * 1025],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/object/ingest/{}/history"),
        ("GET", "/object/{}/x/history"),
        ("GET", "/rejections?bucket={}"),
        ("GET", "/catalogue/ingest?key={}"),
        ("POST", "/catalogue/ingest/again?key={}"),
        ("POST", "/catalogue/ingest/restore?key={}"),
        ("GET", "/content/ingest?key={0}&version={0}"),
        ("GET", "/pictures/ingest?key={0}&version={0}"),
        ("GET", "/rejections?cursor={}"),
        ("GET", "/hello/{}"),
    ],
)
def test_odd_names_of_what_is_not_there_are_told_so(
    api: httpx.Client, method: str, path: str, name: str
) -> None:
    odd = quote(name, safe="").replace(".", "%2E")
    response = api.request(method, path.format(odd))
    assert 400 <= response.status_code < 500, response.text


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/nope", 404), ("/assets?limit=0", 422), ("/docs", 200)]
)
def test_no_answer_is_sniffed(api: httpx.Client, path: str, status: int) -> None:
    response = api.get(path)
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"

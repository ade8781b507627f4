"""The access log over real HTTP, and the request's id on its way to a queue."""

import logging
from typing import Any

import httpx
import pytest

from ingest_pipeline.system import System
from ingest_pipeline_tests.api.serving import serving

LOGGER = "ingest_pipeline.api.access_log"


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.name == LOGGER]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)


def test_each_request_is_a_line_with_its_id(
    api: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = api.get("/asset/no%0Ahere.wav", headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 404
    assert answer.headers["X-Request-ID"] == "mine-1"
    (line,) = logged(caplog)
    assert line["http.request.id"] == "mine-1"
    assert line["http.request.method"] == "GET"
    assert line["http.response.status_code"] == 404
    assert line["url.path"] == "/asset/no\nhere.wav"
    assert line["client.ip"] == "127.0.0.1"
    assert line["event.duration"] > 0
    assert line["levelno"] == logging.INFO


def test_an_id_that_is_no_token_is_replaced(api: httpx.Client) -> None:
    answers = [api.get("/livez", headers={"X-Request-ID": each}) for each in ("a b", "x" * 65)]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert [len(each) for each in ids] == [32, 32]
    assert ids[0] != ids[1]


def test_the_query_is_not_told(api: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    api.get("/assets", params={"X-Amz-Signature": "SECRET"}, headers={"Authorization": "SECRET"})
    assert "SECRET" not in str(logged(caplog))


def test_who_looks_whether_it_lives_is_logged_at_debug(
    api: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    api.get("/livez")
    (line,) = logged(caplog)
    assert line["levelno"] == logging.DEBUG


def test_refusals_of_other_middleware_are_logged(
    api: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = api.get("/assets", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "X-Request-ID" in answer.headers
    (line,) = logged(caplog)
    assert line["http.response.status_code"] == 400


def test_an_error_of_ours_has_its_id_too(
    system: System, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ingest_pipeline.api.asset_index.AssetIndex.remove", fail)
    with serving(system) as client:
        answer = client.delete("/asset/a.wav", headers={"X-Request-ID": "mine-2"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "mine-2"
    (line,) = logged(caplog)
    assert (line["http.response.status_code"], line["http.request.id"]) == (500, "mine-2")

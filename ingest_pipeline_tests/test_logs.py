"""Logs as processes write them: each test starts one of its own."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ingest_pipeline import logs
from ingest_pipeline.settings import PROJECT_ROOT, Settings

SETTINGS = "from ingest_pipeline.settings import Settings\n"
LOGGER = "import logging\nlog = logging.getLogger('ingest_pipeline.some')\n"


def written(code: str, **fields: str) -> str:
    """What a process writes to its log that is configured with these settings."""
    configure = f"logs.configure(Settings.model_validate({fields!r}), 'test')\n"
    script = f"from ingest_pipeline import logs\n{SETTINGS}{LOGGER}{configure}{code}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert not done.stdout
    return done.stderr


def lines(code: str, **fields: str) -> list[dict[str, Any]]:
    return [*map(json.loads, written(code, log_format="json", **fields).splitlines())]


def test_a_plain_line_has_time_level_logger_and_message() -> None:
    text = written("log.info('done: %s', 3)")
    assert text.endswith(" INFO ingest_pipeline.some: done: 3\n")
    assert text.count("\n") == 1


def test_a_json_line_has_the_fields_of_ecs() -> None:
    (line,) = lines("log.warning('odd', extra={'url.path': '/x', 'event.duration': 5})")
    assert line["message"] == "odd"
    assert line["log.level"] == "warning"
    assert line["log"]["logger"] == "ingest_pipeline.some"
    assert line["service"]["name"] == "ingest-test"
    assert line["event"] == {"dataset": "ingest.test", "duration": 5}
    assert line["url"] == {"path": "/x"}
    assert line["@timestamp"].endswith("Z")
    assert line["ecs.version"]


def test_an_error_tells_its_traceback() -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')"
    (line,) = lines(code)
    assert line["error"]["type"] == "ZeroDivisionError"
    assert "line " in line["error"]["stack_trace"]
    first, *more = written(code).splitlines()
    assert first.endswith("ingest_pipeline.some: failed")
    assert more[0] == "Traceback (most recent call last):"
    assert more[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["info", "warning", "error"]),
        ("info", ["info", "warning", "error"], ["warning", "error"]),
        ("warning", ["warning", "error"], ["warning", "error"]),
        ("error", ["error"], ["error"]),
    ],
)
def test_the_level_is_as_asked_and_libraries_are_quieter(
    level: str, ours: list[str], others: list[str]
) -> None:
    code = (
        "for name in ('ingest_pipeline.some', 'botocore.auth', 'dagster.daemon'):\n"
        "    for each in ('debug', 'info', 'warning', 'error'):\n"
        "        getattr(logging.getLogger(name), each)('said')\n"
    )
    told = [(each["log"]["logger"], each["log.level"]) for each in lines(code, log_level=level)]
    assert told == [
        *(("ingest_pipeline.some", each) for each in ours),
        *(("botocore.auth", each) for each in others),
        *(("dagster.daemon", each) for each in others),
    ]


@pytest.mark.parametrize("form", ["plain", "json"])
def test_the_request_that_is_worked_for_is_told(form: str) -> None:
    code = (
        "from ingest_pipeline.trace import working_for\n"
        "with working_for('r-1'):\n"
        "    log.info('one')\n"
        "log.info('two')\n"
    )
    one, two = written(code, log_format=form).splitlines()
    if form == "plain":
        assert one.endswith("one [request r-1]")
        assert two.endswith("two")
    else:
        first, second = json.loads(one), json.loads(two)
        assert first["trace"]["id"] == first["http"]["request"]["id"] == "r-1"
        assert "trace" not in second


@pytest.mark.parametrize("form", ["plain", "json"])
def test_what_a_key_holds_moves_no_cursor_and_makes_no_line(form: str) -> None:
    code = r"log.info('%s', 's3://b/a\x1b[2Jb\nERROR root: c\r\x9bd\u2028e\u202ef\tg')"
    text = written(code, log_format=form)
    assert text.count("\n") == 1
    assert not [sign for sign in text if not (sign.isprintable() or sign in "\t\n")]
    if form == "plain":
        shown = r"s3://b/a\x1b[2Jb\nERROR root: c\r\x9bd\u2028e\u202ef"
        assert text.endswith(f"{shown}\tg\n")


def test_an_errors_own_text_cannot_move_the_cursor_either() -> None:
    code = (
        "try:\n    raise ValueError('a\\x1b[2Jb')\nexcept ValueError:\n    log.exception('failed')"
    )
    assert written(code).endswith("ValueError: a\\x1b[2Jb\n")


SECRETS = [
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=SECRET%2F2026&X-Amz-Signature=SECRET&x=1",
    "https://b.s3.amazonaws.com/k?x-amz-security-token=SECRET",
    "https://b.s3.amazonaws.com/k?AWSAccessKeyId=SECRET&Signature=SECRET",
    "callback?url=https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3DSECRET",
    "{'Authorization': 'Bearer SECRET'}",
    "Authorization: Basic SECRET==",
    "authorization: AWS4-HMAC-SHA256 Credential=SECRET/2026/s3, Signature=SECRET",
    "postgresql+psycopg2://user:SECRET@db.example/ingest",
    "redis://:SECRET@host:6379/0",
    "elasticsearch+https://user:SECRET@host/index",
]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("form", ["plain", "json"])
def test_secrets_are_hidden(text: str, form: str) -> None:
    formatter = logs._formatter(Settings.model_validate({"log_format": form}), "test")
    error = ValueError(text)
    info = (ValueError, error, None)
    record = logging.LogRecord("ingest_pipeline.x", 30, "x.py", 1, "asked %s", (text,), info)
    record.__dict__["url.original"] = text
    line = formatter.format(record)
    assert "SECRET" not in line
    assert "(hidden)" in line


def test_what_is_no_secret_is_told() -> None:
    for text in ("s3://bucket/a:b@c/key.wav", "at 12:30:00 user@example.org", "Policy: keep"):
        assert logs.without_secrets(text) == text


@pytest.fixture
def _as_before() -> Iterator[None]:
    """The loggers of this process as they were."""
    names = ("", "dagster", "dagit", "dagster-webserver", "ingest_pipeline")
    before = [(each, each.level, [*each.handlers]) for each in map(logging.getLogger, names)]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_as_before")
def test_dagsters_own_handlers_give_way_in_a_code_server_and_nowhere_else() -> None:
    dagster, root = logging.getLogger("dagster"), logging.getLogger()
    dagster.handlers, before = [], [*root.handlers]
    logs.replace_dagsters(Settings(), "code")
    assert root.handlers == before
    dagster.handlers = [logging.StreamHandler()]
    logs.replace_dagsters(Settings(), "code")
    assert dagster.handlers == []
    (handler,) = root.handlers
    assert isinstance(handler.formatter, logs.PlainFormatter)


@pytest.mark.usefixtures("_as_before")
def test_what_somebody_has_configured_is_left_alone() -> None:
    root = logging.getLogger()
    before = [*root.handlers]
    assert before, "pytest has its own"
    logs.configure_where_none_is(Settings(), "run")
    assert root.handlers == before
    root.handlers = []
    logs.configure_where_none_is(Settings(), "run")
    assert len(root.handlers) == 1

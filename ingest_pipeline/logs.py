"""The logs of every process: plain lines for people, or JSON lines in the words of ECS.

ECS is the Elastic Common Schema: Filebeat sends such lines on to Elasticsearch as they are.
"""

import logging
import logging.config
import re
from typing import Any

import ecs_logging

from ingest_pipeline import trace
from ingest_pipeline.settings import Settings

_OURS = "ingest_pipeline"
# What Dagster's own `configure_loggers` gives handlers.
_DAGSTER = ("dagster", "dagit", "dagster-webserver")
_SECRETS = (
    # What signs a URL, of S3 in its two ways and of CloudFront.
    re.compile(
        r"(?i)\b((?:x-amz-(?:signature|credential|security-token)|signature|awsaccesskeyid|policy)"
        r"(?:=|%3d))[^&\s\"']+"
    ),
    re.compile(r"(?i)(\bAWS4-HMAC-SHA256\s).*"),
    re.compile(
        r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:basic|bearer|apikey)\s+)?)[^\s\"',]+"
    ),
    re.compile(r"([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)"),  # a URL's password
)
_HIDDEN = r"\1(hidden)"
# All that moves the cursor, ends a line or turns the text around; a tab does not.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure(config: Settings, service: str) -> None:
    """Have this process write its log to stderr, as the settings say.

    What is ours and what runs say comes from `INGEST_LOG_LEVEL` on. Libraries speak of warnings,
    and at `debug` of more, but never in detail: botocore would print what it signs.
    """
    level = config.log_level.upper()
    is_debug = level == "DEBUG"
    others = "INFO" if is_debug else _at_least_warning(level)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"ours": {"()": lambda: _formatter(config, service)}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours"}},
            "root": {"handlers": ["stderr"], "level": others},
            "loggers": {
                _OURS: {"level": level},
                **{name: {"handlers": [], "level": others} for name in _DAGSTER},
            },
        }
    )
    logging.captureWarnings(capture=True)


def configure_where_none_is(config: Settings, service: str) -> None:
    """Configure, but where somebody has: whoever runs a job in a process of theirs, or pytest."""
    if not logging.getLogger().handlers:
        configure(config, service)


def replace_dagsters(config: Settings, service: str) -> None:
    """Configure where Dagster has done it its own way: in a code server, which it starts itself."""
    if logging.getLogger("dagster").handlers:
        configure(config, service)


def _at_least_warning(level: str) -> str:
    names = logging.getLevelNamesMapping()
    return level if names[level] > logging.WARNING else "WARNING"


def without_secrets(text: str) -> str:
    """A text without what signs its URLs, without passwords and credentials."""
    for secret in _SECRETS:
        text = secret.sub(_HIDDEN, text)
    return text


def visible(text: str) -> str:
    r"""A text in one line, what would move a terminal's cursor as `\n`, `\x1b` and the like."""
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _formatter(config: Settings, service: str) -> logging.Formatter:
    return EcsFormatter(service) if config.log_format == "json" else PlainFormatter()


class PlainFormatter(logging.Formatter):
    """`2026-03-01 12:00:00,123 INFO ingest_pipeline.api: a message [request 1f2e...]`.

    A message is one line whatever it holds; a traceback follows in lines of its own.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line of a record."""
        request = _request_of(record)
        line = super().formatMessage(record) + (f" [request {request}]" if request else "")
        return visible(line)

    def format(self, record: logging.LogRecord) -> str:
        """The record, in a line or with its traceback in several."""
        first, *more = without_secrets(super().format(record)).split("\n")
        return "\n".join([first, *map(visible, more)])


class EcsFormatter(ecs_logging.StdlibFormatter):
    """A JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__(
            extra={"service.name": f"ingest-{service}", "event.dataset": f"ingest.{service}"},
            exclude_fields=["log.original", "taskName"],
        )

    def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
        """The record's fields."""
        fields = super().format_to_ecs(record)
        if request := _request_of(record):
            fields.setdefault("trace", {})["id"] = request
            fields.setdefault("http", {}).setdefault("request", {})["id"] = request
        cleaned: dict[str, Any] = _cleaned(fields)
        return cleaned


def _request_of(record: logging.LogRecord) -> str | None:
    return getattr(record, "http.request.id", None) or trace.request_id()


def _cleaned(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    match value:
        case str():
            return without_secrets(value)
        case dict():
            return {name: _cleaned(each) for name, each in value.items()}
        case list() | tuple():
            return [*map(_cleaned, value)]
        case _:
            return value

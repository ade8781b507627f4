"""What runs say, in the log of the process that executes them and in the form of all our logs."""

import logging
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import default_system_loggers
from dagster._core.execution import context_creation_job

from ingest_pipeline.logs import configure_where_none_is
from ingest_pipeline.settings import settings
from ingest_pipeline.trace import REQUEST_TAG

_OURS = "ingest_pipeline.runs"
_MARKS = (dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_SUCCESS)


def silence_console() -> None:
    """Where our handler writes, Dagster prints nothing: a run would give 40 lines at DEBUG."""
    context_creation_job.default_system_loggers = _system_loggers  # type: ignore[attr-defined]


def _system_loggers(
    instance: dg.DagsterInstance | None,
) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, object]]]:
    is_ours = instance is not None and instance.get_python_log_dagster_handler_config()
    return [] if is_ours else default_system_loggers(instance)


class RunLogHandler(logging.Handler):
    """What `python_logs` of dagster.yaml names; Dagster hands it what a run says, the run with it.

    Dagster's own console logger is told neither run nor step but in the text, nor tags at all.
    """

    def __init__(self) -> None:
        super().__init__()
        configure_where_none_is(settings(), "run")

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a run's record on to this process's log."""
        logger, level = logging.getLogger(_OURS), _level(record)
        if not logger.isEnabledFor(level):
            return
        try:
            logger.handle(_plain_record(record, level))
        except Exception:  # noqa: BLE001 - logging's own way: a line of a log ends no run
            self.handleError(record)


def _level(record: logging.LogRecord) -> int:
    """Dagster's events are of interest to who debugs, but for a run's beginning and end."""
    event: dg.DagsterEvent | None = record.__dict__["dagster_meta"]["dagster_event"]
    is_mark = event is not None and event.event_type in _MARKS
    return max(record.levelno, logging.INFO) if is_mark else record.levelno


def _plain_record(record: logging.LogRecord, level: int) -> logging.LogRecord:
    """A record of our own log; Dagster's holds whole events, which no JSON is made of."""
    meta = record.__dict__["dagster_meta"]
    step = f" {meta['step_key']}" if meta["step_key"] else ""
    run = f"{meta['job_name']} {meta['run_id']}{step}: " if meta["run_id"] else ""
    plain = logging.LogRecord(
        _OURS,
        level,
        record.pathname,
        record.lineno,
        "%s",
        (f"{run}{meta['orig_message']}",),
        record.exc_info,
    )
    known = {
        "dagster.run.id": meta["run_id"],
        "dagster.job.name": meta["job_name"],
        "dagster.step.key": meta["step_key"],
        "http.request.id": (meta["job_tags"] or {}).get(REQUEST_TAG),
    }
    plain.__dict__.update({name: value for name, value in known.items() if value})
    return plain

"""The strip of numbers on top of the catalogue: what waits, what was given up, today's outcomes."""

import time
from functools import cache
from threading import Lock

from ingest_pipeline.api.health import Monitor
from ingest_pipeline.api.models import Health
from ingest_pipeline.api.pages import words
from ingest_pipeline.catalogue.pages import (
    Catalogue,
    Today,
)
from ingest_pipeline.records.model import Outcome
from ingest_pipeline.system import System
from ingest_pipeline.values import Frozen

_FRESH_SECONDS = 2.0  # many pages look at once, each every few seconds
_SHOWN = (Outcome.INDEXED, Outcome.REJECTED, Outcome.KEPT)
_STUCK = (Outcome.PENDING, Outcome.FAILED)


class Tally(Frozen):
    """A number with its words."""

    number: str
    text: str
    tone: str  # the outcome, or "dead" and "busy"


class QueueLine(Frozen):
    """A queue, and the messages that were given up on."""

    name: str
    waiting: int
    in_flight: int
    dead: int


class Strip(Frozen):
    """What the strip shows."""

    backlog: int
    dead: int
    queues: tuple[QueueLine, ...]
    today: tuple[Tally, ...]
    dagster_trouble: str
    aws_trouble: str  # what is wrong with AWS, such as a full disk; empty where nothing is
    is_busy: bool

    @classmethod
    def of(cls, system: System, monitor: Monitor) -> "Strip":
        """Look, or take what was seen within the last two seconds."""
        return _board(system, monitor).strip()


class _Board:
    def __init__(self, system: System, monitor: Monitor) -> None:
        self._system = system
        self._monitor = monitor
        self._lock = Lock()
        self._seen_at = float("-inf")
        self._strip: Strip | None = None

    def strip(self) -> Strip:
        with self._lock:
            if self._strip is None or time.monotonic() - self._seen_at > _FRESH_SECONDS:
                today = Catalogue(self._system.tables).today()
                self._strip = _strip(self._system, self._monitor.health(), today)
                self._seen_at = time.monotonic()
            return self._strip


@cache
def _board(system: System, monitor: Monitor) -> _Board:
    return _Board(system, monitor)


def _strip(system: System, health: Health, today: Today) -> Strip:
    depths = health.queues  # empty while AWS is away
    lines = tuple(
        QueueLine(
            name=each.queue.name,
            waiting=depths[each.queue.name].waiting,
            in_flight=depths[each.queue.name].in_flight,
            dead=depths[each.dead_letters.name].waiting,
        )
        for each in system.queues
        if each.queue.name in depths and each.dead_letters.name in depths
    )
    backlog = sum(line.waiting + line.in_flight for line in lines)
    unsettled = sum(today.counts[outcome] for outcome in _STUCK)
    return Strip(
        backlog=backlog,
        dead=sum(line.dead for line in lines),
        queues=lines,
        today=tuple(_tally(outcome, today) for outcome in _SHOWN),
        dagster_trouble="" if health.dagster.ok else health.dagster.detail,
        aws_trouble="" if health.aws.ok else health.aws.detail,
        is_busy=bool(backlog or unsettled),
    )


def _tally(outcome: Outcome, today: Today) -> Tally:
    more = "" if today.is_complete else "+"
    return Tally(
        number=f"{today.counts[outcome]}{more}",
        text=words.OUTCOMES[outcome].lower(),
        tone=outcome.value,
    )

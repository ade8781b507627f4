"""Dagster's SQLite storage with connections that stay open, and one file for all events.

Dagster's own makes an engine, a connection and a close, with SQLite's checkpoint, of every
statement, and a database of 0.2 MB for each run: an event costs 12 ms of which 0.1 are SQLite's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster._config import StringSource
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    ConsolidatedSqliteEventLogStorage,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from filelock import FileLock
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

_BUSY_SECONDS = 60  # that a writer waits for the others
_CONNECTIONS = 20  # kept open to a file, of a process


class _OpenFile:
    """A SQLite file whose connections are used again. Not to be carried through a fork."""

    _conn_string: str  # as Dagster's classes name it

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine(
            self._conn_string,
            poolclass=QueuePool,
            pool_size=_CONNECTIONS,
            max_overflow=-1,  # never wait for another thread: it may wait for us
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _be_quick)
        return engine

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _be_quick(connection: Any, _record: object) -> None:  # noqa: ANN401 - of SQLite's driver
    """A power cut may take the last moments: Dagster's database is disposable, files are whole."""
    connection.execute("PRAGMA synchronous = NORMAL")


class _Runs(_OpenFile, SqliteRunStorage):
    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._begun() as connection:
            yield connection


class _Schedules(_OpenFile, SqliteScheduleStorage):
    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._begun() as connection:
            yield connection


class _Events(_OpenFile, ConsolidatedSqliteEventLogStorage):
    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._begun() as connection:
            yield connection

    def dispose(self) -> None:
        ConsolidatedSqliteEventLogStorage.dispose(self)  # type: ignore[no-untyped-call] # Dagster's
        super().dispose()


class OpenSqliteStorage(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules in a SQLite file each, below a folder."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        folder = Path(base_dir)
        self._inst_data = inst_data
        # Two processes that start together would both make the tables, and one would fail.
        with FileLock(folder / "made.lock"):
            self._runs = _Runs.from_local(str(folder / "history"))
            self._events = _Events(str(folder / "history"))
            self._schedules = _Schedules.from_local(str(folder / "schedules"))
        super().__init__()  # type: ignore[no-untyped-call] # as above

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml says of it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`base_dir`: the folder."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that dagster.yaml describes."""
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: Any) -> None:  # noqa: ANN401 - a DagsterInstance
        """Tell the parts whose they are."""
        super().register_instance(instance)
        for each in (self._runs, self._events, self._schedules):
            if not each.has_instance:
                each.register_instance(instance)

    @property
    def event_log_storage(self) -> _Events:
        """Events."""
        return self._events

    @property
    def run_storage(self) -> _Runs:
        """Runs."""
        return self._runs

    @property
    def schedule_storage(self) -> SqliteScheduleStorage:
        """Schedules, sensors and their ticks."""
        return self._schedules

    # For the config editor of Dagster's own page: there is nothing to take apart here.

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        """None."""
        return None

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        """None."""
        return None

    @property
    def schedule_storage_data(self) -> ConfigurableClassData | None:
        """None."""
        return None

    def dispose(self) -> None:
        """Close the files."""
        for each in (self._runs, self._events, self._schedules):
            each.dispose()

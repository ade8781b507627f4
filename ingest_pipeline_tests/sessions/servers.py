"""Databases of a test's own on the SQL servers of this machine, read without our code."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

_KNOWN = {
    "mysql": os.environ.get("TEST_MYSQL_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
    "postgresql": os.environ.get(
        "TEST_POSTGRES_URL", "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres"
    ),
}


def _answers(url: str) -> bool:
    parsed = sa.make_url(url)
    try:
        socket.create_connection((parsed.host or "127.0.0.1", parsed.port or 0), timeout=2).close()
    except OSError:
        return False
    return True


# A laptop may have neither server: it tests with those it has, and the header of the test run says
# which are missing. Where CI is set all of them must be there.
SERVERS = {kind: url for kind, url in _KNOWN.items() if "CI" in os.environ or _answers(url)}
MISSING = {kind: url for kind, url in _KNOWN.items() if kind not in SERVERS}
_PROCESSES = {
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = :name",
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = :name",
}
_KILL = {"mysql": "KILL {}", "postgresql": "SELECT pg_terminate_backend({})"}


class Server:
    """A server on which a database was made, seen by its administrator."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._engine = sa.create_engine(
            SERVERS[kind], poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
        )
        self.name = f"sessions_test_{uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {self.name}")

    @property
    def url(self) -> str:
        """The database's."""
        return self._engine.url.set(database=self.name).render_as_string(hide_password=False)

    def kill_connections(self) -> int:
        """End every connection to the database; how many there were."""
        with self._engine.connect() as connection:
            processes = connection.scalars(
                sa.text(_PROCESSES[self._kind]), {"name": self.name}
            ).all()
            for process in processes:
                connection.execute(sa.text(_KILL[self._kind].format(process)))
        return len(processes)

    def drop(self) -> None:
        self.kill_connections()
        self._execute(f"DROP DATABASE {self.name}")

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.text(statement))


@contextmanager
def server(kind: str) -> Iterator[Server]:
    made = Server(kind)
    try:
        yield made
    finally:
        made.drop()


def query(url: str, statement: str, **values: object) -> list[dict[str, Any]]:
    """The rows of a statement, over a connection that is closed before this returns."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

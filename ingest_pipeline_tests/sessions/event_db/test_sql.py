import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest_pipeline.sessions.event_db.event_db import (
    EventDbError,
    EventDbUnavailableError,
    EventDbUrlError,
    UploadState,
)
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.event_db.sql import SqlEventDb
from ingest_pipeline.sessions.model import Event, Session
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests.sessions.proxy import Proxy
from ingest_pipeline_tests.sessions.servers import Server, query

ID = "AV11_V236_230717_111649_62100"
PRODUCTION = [
    "vehicle",
    "country",
    "city",
    "timestamp",
    "comment",
    "annotation",
    "sds_provider_id",
    "sw_release",
    "session_id",
    "map_version",
    "driver",
    "codriver",
    "log_slice_link",
    "mission",
    "mission_segment",
    "creation_date",
]
MOMENTS = {"timestamp", "creation_date"}
PASSWORD = "s3cret-word"


def session(*tags: str, session_id: str = ID, **fields: str) -> Session:
    events = tuple(Event(session_id=session_id, audio_tag=tag, **fields) for tag in tags)
    return Session(session_id=session_id, events=events)


def rows(url: str) -> list[dict[str, object]]:
    return query(url, f"SELECT {', '.join(PRODUCTION)} FROM sds ORDER BY annotation")  # noqa: S608


def number_of_rows(url: str) -> tuple[int, int]:
    """Events and complete sessions."""
    (events,), (sessions,) = (
        query(url, f"SELECT count(*) AS n FROM {table}")  # noqa: S608
        for table in ("sds", "sds_sessions")
    )
    return events["n"], sessions["n"]


class InterruptedDb(SqlEventDb):
    """Does something between a session's events and its completion."""

    def __init__(self, url: str, interrupt: Callable[[], object]) -> None:
        super().__init__(url)
        self._interrupt = interrupt

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        self._interrupt()
        super()._create_sessions(session_ids)


def once(work: Callable[[], object]) -> Callable[[], object]:
    """Do it the first time only."""
    left = [work]
    return lambda: left.pop()() if left else None


def test_a_row_has_the_production_columns(sql_url: str) -> None:
    db = open_event_db(sql_url, catalogue_url="https://media.example/catalogue")
    fields = {
        "vehicle_id": "V236",
        "country": "日本",
        "city": "Köln",
        "comment": "'; DROP TABLE sds; -- \"\\ %s :x {} 🌧",
        "annotation": "medium",
        "sw_release": "AV11",
        "map_version": "m1",
        "driver": "O'Neill",
        "codriver": "Zoë",
        "link_to_audio_file": "s3://b/k",
        "mission": "m",
        "timestamp": "2023-07-17 11:16:55",
    }
    db.upload(session("nv0/audio_tags/7_1_medium.wav", **fields))
    (row,) = rows(sql_url) if not sql_url.startswith("sqlite") else typed_rows(sql_url)
    created = row.pop("creation_date")
    assert isinstance(created, datetime)
    assert abs(created - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)
    assert row == {
        "vehicle": "V236",
        "country": "日本",
        "city": "Köln",
        "timestamp": datetime(2023, 7, 17, 11, 16, 55),  # noqa: DTZ001
        "comment": "'; DROP TABLE sds; -- \"\\ %s :x {} 🌧",
        "annotation": "medium",
        "sds_provider_id": "7_1_medium.wav",
        "sw_release": "AV11",
        "session_id": ID,
        "map_version": "m1",
        "driver": "O'Neill",
        "codriver": "Zoë",
        "log_slice_link": "https://media.example/catalogue/content/b?key=k",
        "mission": "m",
        "mission_segment": "ND",
    }
    db.close()


def typed_rows(url: str) -> list[dict[str, object]]:
    """SQLite has no type for moments."""
    return [
        {
            name: datetime.fromisoformat(str(value)) if name in MOMENTS and value else value
            for name, value in row.items()
        }
        for row in rows(url)
    ]


def test_what_nobody_determined_is_nd_and_no_moment(sql_url: str) -> None:
    db = open_event_db(sql_url)
    db.upload(session("a"))
    (row,) = rows(sql_url)
    assert (row["timestamp"], row["city"], row["driver"]) == (None, "ND", "ND")
    db.close()


def test_long_texts_are_kept_whole(sql_url: str) -> None:
    db = open_event_db(sql_url)
    comment = "ü" * 20_000
    db.upload(session("a", comment=comment))
    (row,) = rows(sql_url)
    assert row["comment"] == comment
    db.close()


def test_connecting_again_changes_nothing(sql_url: str) -> None:
    for _ in range(3):
        db = open_event_db(sql_url)
        db.upload(session("a"))
        db.close()
    assert number_of_rows(sql_url) == (1, 1)


def test_many_connect_at_once(sql_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        for db in pool.map(open_event_db, [sql_url] * 8):
            db.close()
    assert number_of_rows(sql_url) == (0, 0)


def test_many_processes_connect_at_once(sql_url: str) -> None:
    program = "import sys; from ingest_pipeline.sessions.event_db.open import open_event_db as o; "
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"{program}o(sys.argv[1])", sql_url], cwd=PROJECT_ROOT
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert number_of_rows(sql_url) == (0, 0)


def make_production_table(url: str) -> None:
    moment = "TIMESTAMP" if url.startswith("postgresql") else "DATETIME"
    kinds = {name: moment if name in MOMENTS else "VARCHAR(100)" for name in PRODUCTION}
    query(url, f"CREATE TABLE sds ({', '.join(map(' '.join, kinds.items()))})")


def test_a_refusal_is_told_and_changes_nothing(sql_server: Server) -> None:
    """A column of production that we know nothing of may want a value."""
    make_production_table(sql_server.url)
    query(sql_server.url, "ALTER TABLE sds ADD COLUMN wanted INTEGER NOT NULL")
    db = open_event_db(sql_server.url)
    with pytest.raises(EventDbError, match=r"wanted") as caught:
        db.upload(session("a", comment="private"))
    assert not isinstance(caught.value, EventDbUnavailableError)
    assert "private" not in str(caught.value)
    assert number_of_rows(sql_server.url) == (0, 0)
    db.close()


def test_a_connection_that_is_lost_is_made_again(sql_server: Server) -> None:
    db = InterruptedDb(sql_server.url, once(sql_server.kill_connections))
    db.connect()
    assert db.upload(session("a", "b")).state is UploadState.COMPLETED
    assert number_of_rows(sql_server.url) == (2, 1)
    db.close()


def test_a_connection_that_was_lost_while_idle_is_made_again(sql_server: Server) -> None:
    db = open_event_db(sql_server.url)
    assert not db.session_exists(ID)
    assert sql_server.kill_connections() > 0
    db.upload(session("a", "b"))
    assert number_of_rows(sql_server.url) == (2, 1)
    db.close()


def test_a_database_that_stays_away_is_told_and_what_is_written_is_whole(
    sql_server: Server,
) -> None:
    db = InterruptedDb(sql_server.url, lambda: None)
    db.connect()
    db.upload(session("a", session_id="before"))
    db._interrupt = sql_server.kill_connections
    with pytest.raises(EventDbUnavailableError):
        db.upload(session("a", "b"))
    assert number_of_rows(sql_server.url) == (1, 1)
    db._interrupt = lambda: None
    assert db.upload(session("a", "b")).new_events == 2
    assert number_of_rows(sql_server.url) == (3, 2)
    db.close()


def test_a_server_that_goes_away_is_told_soon(sql_server: Server) -> None:
    url = sa.make_url(sql_server.url)
    assert url.port
    proxy = Proxy(url.port)
    near = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    db = InterruptedDb(near, proxy.cut)
    db.connect()
    begin = time.monotonic()
    with pytest.raises(EventDbUnavailableError):
        db.upload(session("a", "b"))
    assert time.monotonic() - begin < 10
    assert number_of_rows(sql_server.url) == (0, 0)
    db.close()


def test_a_file_that_another_writes_for_long_is_told(sqlite_url: str, tmp_path: Path) -> None:
    db = open_event_db(f"{sqlite_url}?timeout=0.05")
    other = sqlite3.connect(tmp_path / "events.db")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(EventDbUnavailableError, match="locked"):
        db.upload(session("a"))
    other.rollback()
    other.close()
    assert db.upload(session("a")).new_events == 1
    db.close()


def test_retries_are_told_in_the_log(sql_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    db = InterruptedDb(sql_server.url, once(sql_server.kill_connections))
    db.connect()
    with caplog.at_level(logging.WARNING, "ingest_pipeline.sessions"):
        db.upload(session("a", driver="Ada"))
    assert "trying again in 0.1 s" in caplog.text
    assert "Ada" not in caplog.text
    db.close()


def test_a_folder_of_its_file_is_made(tmp_path: Path) -> None:
    db = open_event_db(f"sqlite:///{tmp_path}/deep/er/events.db")
    assert not db.session_exists(ID)
    db.close()


def test_a_folder_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EventDbError, match="File exists"):
        open_event_db(f"sqlite:///{tmp_path}/file/events.db")


@pytest.mark.parametrize(
    "url",
    [
        f"mysql+pymysql://root:{PASSWORD}@127.0.0.1:1/x?connect_timeout=1",
        f"postgresql+psycopg2://root:{PASSWORD}@127.0.0.1:1/x?password={PASSWORD}",
    ],
)
def test_a_password_is_told_nowhere(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EventDbUnavailableError) as caught:
        open_event_db(url)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(SqlEventDb(url))
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "events.db",
        f"oracle://root:{PASSWORD}@host/x",
        f"mysql://root:{PASSWORD}@host:port/x",
        f"mysql+nonsense://root:{PASSWORD}@host/x",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(EventDbUrlError, match="event database") as caught:
        open_event_db(url)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_driver_need_not_be_named(sql_server: Server) -> None:
    url = sa.make_url(sql_server.url)
    plain = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)
    db = open_event_db(plain)
    assert db.upload(session("a")).new_events == 1
    db.close()


def test_a_missing_table_is_a_refusal(sql_server: Server) -> None:
    db = open_event_db(sql_server.url)
    query(sql_server.url, "DROP TABLE sds_sessions")
    with pytest.raises(EventDbError):
        db.upload(session("a"))
    db.close()

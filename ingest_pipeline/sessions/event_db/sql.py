"""The event database in SQLite, MySQL, MariaDB or PostgreSQL."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from more_itertools import chunked
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ingest_pipeline.extras import extra
from ingest_pipeline.sessions.event_db.event_db import (
    Author,
    EventDb,
    EventDbError,
    EventDbUnavailableError,
    EventDbUrlError,
    EventKey,
    EventSearch,
    Holding,
    Row,
)
from ingest_pipeline.sessions.event_db.limits import Limit, limits_of
from ingest_pipeline.sessions.event_db.migrations import migrate
from ingest_pipeline.sessions.links import recording_link
from ingest_pipeline.sessions.model import ND, TIMESTAMP_FORMAT, Event

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")
_Rows = Sequence[sa.Row[*tuple[Any, ...]]]
_log = logging.getLogger(__name__)
# A right lacks to a table or a column, a column wants a value: as OperationalError, too.
_MYSQL_REFUSALS = {(1142,), (1143,), (1364,)}
_PAUSES = (0.1, 0.5, 2.0)  # seconds before each further attempt
_KEYS = 500  # asked for in one query
_FETCHED = 1000  # rows at a time, where many are told
_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg2",
}
_EXTRAS = {"mariadb": "mysql"}  # the others have their dialect's name
_MYSQL_OPTIONS = {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60}  # seconds
_OPTIONS = {
    "sqlite": {"timeout": 30},  # seconds that a writer waits for another
    "mysql": _MYSQL_OPTIONS,
    "mariadb": _MYSQL_OPTIONS,
    "postgresql": {"connect_timeout": 10, "tcp_user_timeout": 60_000},  # seconds, milliseconds
}

_SDS = sa.table(
    "sds",
    sa.column("vehicle"),
    sa.column("country"),
    sa.column("city"),
    sa.column("timestamp", sa.DateTime),
    sa.column("comment"),
    sa.column("annotation"),
    sa.column("sds_provider_id"),
    sa.column("sw_release"),
    sa.column("session_id"),
    sa.column("map_version"),
    sa.column("driver"),
    sa.column("codriver"),
    sa.column("log_slice_link"),
    sa.column("mission"),
    sa.column("mission_segment"),
    sa.column("creation_date", sa.DateTime),
    sa.column("audio_tag"),
    sa.column("timestamp_source"),
    sa.column("event_key"),
    sa.column("session_key"),
    sa.column("comment_key"),
)
_OUR_KEYS = {"event_key", "session_key", "comment_key"}
_SESSIONS = sa.table(
    "sds_sessions",
    sa.column("session_key"),
    sa.column("session_id"),
    sa.column("completed_at", sa.DateTime),
)


class SqlEventDb(EventDb):
    """Table `sds` for the events, `sds_sessions` for the complete sessions.

    Rows are known by hashes: databases compare names each in a way of its own, MySQL even
    without regard to case. A session's events and its completion are one transaction.
    """

    def __init__(self, url: str, *, catalogue_url: str | None = None) -> None:
        """Take the address; nothing is reached before `connect`.

        Links to recordings begin with `catalogue_url`; without it they are their own addresses.

        Raises:
            EventDbUrlError: it is no address of a database that this class knows.
            MissingExtraError: its driver is not installed.
        """
        self._url = _understood(url)
        self._catalogue_url = catalogue_url
        self._limits: dict[str, Limit] = {}  # of columns of text, by their names
        dialect = self._url.get_backend_name()
        options = _OPTIONS[dialect]
        with extra(_EXTRAS.get(dialect, dialect), f"an event database in {dialect}"):
            self._engine = sa.create_engine(
                self._url,
                connect_args={k: v for k, v in options.items() if k not in self._url.query},
                hide_parameters=True,  # errors must not carry who drove where
                pool_pre_ping=True,
            )
        if dialect == "sqlite":
            sa.event.listen(self._engine, "connect", _let_readers_and_writer_work_together)
        self._thread = threading.local()  # .connection: of the transaction that it is in

    def __repr__(self) -> str:
        """Where it is, without user and password."""
        url = self._url
        return (
            f"SqlEventDb({url.get_backend_name()} {url.database} on {url.host or 'this machine'})"
        )

    def connect(self) -> None:
        """Make the tables, or bring them up to date."""
        if self._url.get_backend_name() == "sqlite":
            self._make_folder()
        self._attempt(lambda: migrate(self._engine, self._catalogue_url))
        self._limits = self._in_transaction(lambda: limits_of(self._thread.connection, _SDS.name))

    def _make_folder(self) -> None:
        try:
            Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EventDbError(f"{self!r}: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def session_exists(self, session_id: str) -> bool:
        """Whether all events of the session are in the database, or the old job wrote any."""
        return bool(self.complete_sessions([session_id]))

    def complete_sessions(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that exist, by two queries for 500 of them."""
        by_key = {_key(session_id): session_id for session_id in session_ids}
        complete = {by_key[key] for key in self._present(_SESSIONS.c.session_key, by_key)}
        return complete | self.sessions_of_old_job(set(by_key.values()) - complete)

    def sessions_of_old_job(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that have rows without our key.

        Such a row tells no folder: where one id stands below two vehicles, it stands for both.
        """
        by_id: dict[str, set[str]] = {}
        for session_id in session_ids:
            by_id.setdefault(self._in_column("session_id", _bare(session_id)), set()).add(
                session_id
            )
        ids = sa.select(_SDS.c.session_id).where(_SDS.c.event_key.is_(None)).distinct()
        return {
            session_id
            for batch in chunked(by_id, _KEYS)
            for (found,) in self._execute(ids.where(_SDS.c.session_id.in_(batch)))
            for session_id in by_id.get(found, ())  # databases find other spellings, too
        }

    def holdings(self, session_ids: Iterable[str]) -> dict[str, Holding]:
        """What is there of each session; also of a table as the old job or we left it."""
        wanted = dict.fromkeys(session_ids)
        if self._url.get_backend_name() == "sqlite" and not Path(str(self._url.database)).exists():
            return {session_id: Holding() for session_id in wanted}
        return self._in_transaction(lambda: self._holdings(wanted))

    def _holdings(self, session_ids: Iterable[str]) -> dict[str, Holding]:
        inspector = sa.inspect(self._thread.connection)
        complete: set[str] = set()
        if inspector.has_table(_SESSIONS.name):
            by_key = {_key(session_id): session_id for session_id in session_ids}
            complete = {by_key[key] for key in self._present(_SESSIONS.c.session_key, by_key)}
        rows: dict[str, list[Row]] = {}
        if inspector.has_table(_SDS.name):
            columns = {column["name"] for column in inspector.get_columns(_SDS.name)}
            rows = self._rows_by_session(session_ids, columns)
        return {
            session_id: Holding(
                is_complete=session_id in complete, rows=tuple(rows.get(session_id, ()))
            )
            for session_id in session_ids
        }

    def _rows_by_session(
        self, session_ids: Iterable[str], present: Collection[str]
    ) -> dict[str, list[Row]]:
        names = ("session_id", "sds_provider_id", "audio_tag", "event_key", "session_key")
        columns = [
            _SDS.c[name] if name in present else sa.null().label(name)
            for name in (*names, "timestamp_source")
        ]
        by_id: dict[str, list[str]] = {}
        for session_id in session_ids:
            by_id.setdefault(self._in_column("session_id", _bare(session_id)), []).append(
                session_id
            )
        found: dict[str, list[Row]] = {}
        statement = sa.select(*columns)
        for batch in chunked(by_id, _KEYS):
            for row in self._execute(statement.where(_SDS.c.session_id.in_(batch))):
                for session_id in by_id.get(row.session_id, ()):
                    if row.session_key in {None, _key(session_id)}:
                        found.setdefault(session_id, []).append(_row_seen(row))
        return found

    def event_counts(self, session_ids: Iterable[str]) -> dict[str, int]:
        """How many events of each session are in the database, those that uploads wrote."""
        by_key = {_key(session_id): session_id for session_id in session_ids}
        key = _SDS.c.session_key
        counting = sa.select(key, sa.func.count()).group_by(key)
        return {
            by_key[key_found]: count
            for batch in chunked(by_key, _KEYS)
            for key_found, count in self._execute(counting.where(key.in_(batch)))
        }

    def table(self) -> "pd.DataFrame":
        """Every row of `sds`, without our own keys, in the order of sessions and recordings."""
        with extra("parquet", "a table of events"):
            import pandas as pd  # noqa: PLC0415 - half a second that runs need not wait

        columns = [column for column in _SDS.c if column.name not in _OUR_KEYS]
        statement = sa.select(*columns).order_by(_SDS.c.session_id, _SDS.c.audio_tag)
        rows = self._execute(statement)
        return pd.DataFrame(map(tuple, rows), columns=[column.name for column in columns])

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of `sds`, without our own keys."""
        return tuple(column.name for column in _SDS.c if column.name not in _OUR_KEYS)

    def find_events(self, search: EventSearch) -> Iterator[Mapping[str, object]]:
        """Rows of `sds` in the order of their timestamps, not all at once in memory."""
        statement = (
            sa.select(*(_SDS.c[name] for name in self.columns))
            .where(*_conditions(search))
            .order_by(_SDS.c.timestamp, _SDS.c.session_id, _SDS.c.audio_tag)
            .execution_options(stream_results=True, yield_per=_FETCHED)
        )
        with ExitStack() as stack:
            connection = stack.enter_context(self._attempt(self._engine.connect))
            result = self._translating(lambda: connection.execute(statement))
            rows = iter(result.mappings())
            while (row := self._translating(lambda: next(rows, None))) is not None:
                yield {**row}

    def _create_session(self, session_id: str) -> None:
        self._create_sessions([session_id])

    def _create_sessions(self, session_ids: Sequence[str]) -> None:
        now = _now()
        rows = [
            {
                "session_key": _key(session_id),
                "session_id": self._in_column("session_id", session_id),
                "completed_at": now,
            }
            for session_id in session_ids
        ]
        self._insert(_SESSIONS, "session_key", rows)

    def _create_event_in_session(self, session_id: str, event: Event) -> None:
        self._create_events({(session_id, event.audio_tag): event})

    def _create_events(self, events: Mapping[EventKey, Event]) -> None:
        now = _now()
        rows = [self._row(session_id, event, now) for (session_id, _tag), event in events.items()]
        self._insert(_SDS, "event_key", rows)

    def _row(self, session_id: str, event: Event, now: datetime) -> dict[str, Any]:
        return {
            **{
                name: self._in_column(name, text)
                for name, text in self._texts(session_id, event).items()
            },
            "timestamp": _moment(event.timestamp),
            "creation_date": now,
            "event_key": _key(session_id, event.audio_tag),
            "session_key": _key(session_id),
        }

    def _texts(self, session_id: str, event: Event) -> dict[str, str]:
        return {
            "vehicle": event.vehicle_id,
            "country": event.country,
            "city": event.city,
            "comment": event.comment,
            "annotation": event.annotation,
            "sds_provider_id": event.audio_tag.rpartition("/")[2],
            "sw_release": event.sw_release,
            "session_id": _bare(session_id),  # queries ask for the id as it is
            "map_version": event.map_version,
            "driver": event.driver,
            "codriver": event.codriver,
            "log_slice_link": self._link(event),
            "mission": event.mission,
            "mission_segment": ND,
            "audio_tag": event.audio_tag,
            "timestamp_source": event.timestamp_source,
        }

    def _link(self, event: Event) -> str:
        if self._catalogue_url is None or event.link_to_audio_file == ND:
            return event.file_url
        return recording_link(self._catalogue_url, event.link_to_audio_file)

    def _in_column(self, name: str, text: str) -> str:
        """As much of a text as its column takes, the same every time."""
        limit = self._limits.get(name)
        return limit.cut(text) if limit else text

    def _cut(self, event: Event) -> list[str]:
        texts = self._texts(event.session_id, event)
        return [name for name, text in texts.items() if self._in_column(name, text) != text]

    def _set_comment(self, session_id: str, audio_tag: str, text: str) -> bool:
        """A row's `comment_key` is the hash of the comment that we gave it, if we gave one."""
        text = self._in_column("comment", text)
        event = _SDS.c.event_key == _key(session_id, audio_tag)
        columns = (_SDS.c.comment, _SDS.c.comment_key)

        def work() -> bool:
            rows = self._execute(sa.select(*columns).where(event).with_for_update())
            if not rows:
                return False
            (comment, comment_key), *_ = rows
            if comment not in {None, ND} and _key(comment) != comment_key:
                return bool(comment == text)
            self._execute(sa.update(_SDS).where(event).values(comment=text, comment_key=_key(text)))
            return True

        return self._in_transaction(work)

    def _known_events(self, keys: Collection[EventKey]) -> set[EventKey]:
        by_key = {_key(*key): key for key in keys}
        return {by_key[key] for key in self._present(_SDS.c.event_key, by_key)}

    def _present(self, column: sa.ColumnClause[Any], keys: Iterable[str]) -> list[str]:
        """Those of the keys that stand in a column."""
        return [
            key
            for batch in chunked(keys, _KEYS)
            for (key,) in self._execute(sa.select(column).where(column.in_(batch)))
        ]

    def _insert(self, table: sa.TableClause, key: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows, many in a statement; those whose key is there already stay as they are."""
        if rows:
            self._execute(_insert_new(self._engine.dialect.name, table, key), rows)

    def _execute(self, statement: sa.Executable, rows: list[dict[str, Any]] | None = None) -> _Rows:
        def work() -> _Rows:
            result = self._thread.connection.execute(statement, rows)
            return result.all() if result.returns_rows else ()

        return self._in_transaction(work)

    def _in_transaction(self, work: Callable[[], _T]) -> _T:
        """Do the work in the transaction that this thread is in, or in one of its own.

        One of its own is repeated from its start where the database gave no answer.
        """
        if getattr(self._thread, "connection", None) is not None:
            return work()

        def transaction() -> _T:
            with self._engine.begin() as connection:
                self._thread.connection = connection
                try:
                    return work()
                finally:
                    self._thread.connection = None

        return self._attempt(transaction)

    def _attempt(self, work: Callable[[], _T]) -> _T:
        """Do the work, again after a pause where the database gave no answer."""
        for pause in _PAUSES:
            try:
                return self._translating(work)
            except EventDbUnavailableError as error:
                _log.warning("%s, trying again in %s s", error, pause)
                time.sleep(pause)
        return self._translating(work)

    def _translating(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except SQLAlchemyError as error:
            is_passing = _is_passing(error)
            kind = EventDbUnavailableError if is_passing else EventDbError
            raise kind(f"{self!r}: {_said(error)}") from error


def _conditions(search: EventSearch) -> Iterator[sa.ColumnElement[bool]]:
    if search.session_id:
        by_others = sa.and_(
            _SDS.c.session_key.is_(None),
            _SDS.c.session_id == search.session_id.rpartition("/")[2],
        )
        yield sa.or_(_SDS.c.session_key == _key(search.session_id), by_others)
    if search.first:
        yield _SDS.c.timestamp >= datetime.combine(search.first, datetime.min.time())
    if search.last:
        yield _SDS.c.timestamp <= datetime.combine(search.last, datetime.max.time())
    if search.vehicle:
        yield _SDS.c.vehicle == search.vehicle
    if search.annotation:
        yield _SDS.c.annotation == search.annotation


def _understood(url: str) -> sa.URL:
    """The address with its driver. Errors must not repeat it: it may hold a password."""
    try:
        parsed = sa.make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
        with_driver = parsed if "+" in parsed.drivername else parsed.set(drivername=driver)
        with_driver.get_dialect()
    except (SQLAlchemyError, KeyError, ValueError):
        known = ", ".join(_DRIVERS)
        raise EventDbUrlError(
            f"the URL of the event database (INGEST_EVENT_DB) begins with {known} or dynamodb"
        ) from None
    if driver == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise EventDbUrlError("threads share the event database: SQLite needs a file")
    return with_driver


def _let_readers_and_writer_work_together(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _said(error: SQLAlchemyError) -> str:
    """What the database said, in one line; not the statement, nor the address of a manual.

    PostgreSQL's DETAIL repeats the row, which says who drove where.
    """
    said = error.orig if isinstance(error, DBAPIError) else error
    said = getattr(getattr(said, "diag", None), "message_primary", None) or said
    return " ".join(str(said).split())


def _is_passing(error: SQLAlchemyError) -> bool:
    """Whether the database gave no answer, as opposed to refusing.

    Drivers report lost connections, locks and deadlocks as one of two kinds, and hardly anything
    else in statements that worked before.
    """
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        if error.orig and error.orig.args[:1] in _MYSQL_REFUSALS:
            return False
    return isinstance(error, OperationalError | InterfaceError | PoolTimeoutError)


def _insert_new(
    dialect: str, table: sa.TableClause, key: str
) -> sqlite.Insert | postgresql.Insert | mysql.Insert:
    """INSERT that passes over rows whose key is there, in the words of the database."""
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=[key])
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])
    # Not INSERT IGNORE: that cuts values that are too long, without an error.
    return mysql.insert(table).on_duplicate_key_update({key: table.c[key]})


def _key(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _now() -> datetime:
    """UTC without its name, as the columns are."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _bare(session_id: str) -> str:
    """The session's id, without the vehicle's folder that may stand before it."""
    return session_id.rpartition("/")[2]


def _row_seen(row: Any) -> Row:  # noqa: ANN401 - a row of sds
    if row.event_key is None:
        return Row(author=Author.OLD_JOB, recording=row.sds_provider_id or "")
    author = Author.FIRST_VERSION if row.timestamp_source is None else Author.OURS
    return Row(author=author, recording=row.audio_tag or "")


def _moment(timestamp: str) -> datetime | None:
    if timestamp == ND:
        return None
    return datetime.strptime(timestamp, TIMESTAMP_FORMAT)  # noqa: DTZ007 - the vehicle's clock

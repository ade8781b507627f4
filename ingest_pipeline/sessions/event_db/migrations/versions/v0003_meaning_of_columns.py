"""The columns as their readers understand them, in the rows that the first version wrote, too.

Adds whence an event's moment is and whose its comment is; widens what is too narrow for a text or
cannot spell it; adds indexes for what people ask. Rows of other programs stay as they are.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from ingest_pipeline.sessions.event_db.limits import Limit, limits_of
from ingest_pipeline.sessions.links import recording_link
from ingest_pipeline.sessions.names import MalformedNameError, parse_session_id

revision = "0003"
down_revision = "0002"

_log = logging.getLogger(__name__)
_COLUMNS: dict[str, sa.types.TypeEngine[str]] = {
    "timestamp_source": sa.String(16),
    "comment_key": sa.CHAR(64),
}
_TEXTS = (
    "vehicle",
    "country",
    "city",
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
    "audio_tag",
)
_INDEXES = ("session_id", "timestamp", "vehicle", "annotation")
_PREFIX = 64  # characters of a text that MySQL's indexes hold
_LEAST_LENGTH = 255  # of a column that an index is on
_ROWS = 1000  # moved together
_MYSQL = {"mysql", "mariadb"}
_NO_DEFAULT = {None, "NULL"}  # MariaDB spells it out

_MOVED = (
    "timestamp",
    "comment",
    "sds_provider_id",
    "log_slice_link",
    "mission",
    "mission_segment",
    "timestamp_source",
)
_SDS = sa.table(
    "sds",
    sa.column("timestamp", sa.DateTime),
    *map(sa.column, ("comment", "sds_provider_id", "session_id", "log_slice_link", "mission")),
    *map(sa.column, ("mission_segment", "audio_tag", "timestamp_source", "event_key")),
)
# Rows of ours have a key, and a source from this step on.
_IS_OF_FIRST_VERSION = _SDS.c.event_key.is_not(None) & _SDS.c.timestamp_source.is_(None)


def upgrade() -> None:
    """Do what is not done yet: MySQL may have been interrupted after any of these."""
    connection = op.get_bind()
    _add_columns(connection)
    if connection.dialect.name in _MYSQL:
        _widen_mysql(connection)
    elif connection.dialect.name == "postgresql":
        _widen_postgresql(connection)
    _add_indexes(connection)
    _move_rows(connection)


def _add_columns(connection: sa.Connection) -> None:
    present = {column["name"] for column in sa.inspect(connection).get_columns("sds")}
    for name, kind in _COLUMNS.items():
        if name not in present:
            op.add_column("sds", sa.Column(name, kind))


def _widen_mysql(connection: sa.Connection) -> None:
    """One change for all columns, as each copies the table; each alone where that is refused."""
    changes = [*filter(None, (_wider(connection, column) for column in _mysql_columns(connection)))]
    if changes and not _tried(connection, partial(_modify, connection, changes)):
        for change in changes:
            _tried(connection, partial(_modify, connection, [change]))


def _mysql_columns(connection: sa.Connection) -> list[Any]:
    columns = sa.text(
        "SELECT column_name AS name, data_type AS kind, character_maximum_length AS length, "
        "character_set_name AS charset, collation_name AS collation, is_nullable AS nullable, "
        "column_default AS standard, column_key AS part_of_key, column_comment AS said "
        "FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = 'sds' AND column_name IN :names"
    ).bindparams(sa.bindparam("names", expanding=True))
    return [*connection.execute(columns, {"names": _TEXTS})]


def _wider(connection: sa.Connection, column: Any) -> str | None:  # noqa: ANN401 - a row of columns
    """What MODIFY makes of a column; nothing where it is wide enough, or has ways of its own."""
    is_narrow = column.kind in {"varchar", "char", "tinytext"}
    if column.charset is None or column.standard not in _NO_DEFAULT or column.said:
        return None
    if column.part_of_key:
        if column.charset == "utf8mb4" and (not is_narrow or column.length >= _LEAST_LENGTH):
            return None
        kind = f"VARCHAR({max(column.length, _LEAST_LENGTH)})" if is_narrow else "MEDIUMTEXT"
    elif is_narrow or column.charset != "utf8mb4":
        kind = "MEDIUMTEXT"
    else:
        return None
    collation = _collation(connection, column.collation)
    null = "NULL" if column.nullable == "YES" else "NOT NULL"
    return f"MODIFY `{column.name}` {kind} CHARACTER SET utf8mb4 COLLATE {collation} {null}"


def _collation(connection: sa.Connection, collation: str) -> str:
    """The one that compares as before: queries must find what they found."""
    wanted = f"utf8mb4_{collation.partition('_')[2]}"
    known = sa.text("SELECT 1 FROM information_schema.collations WHERE collation_name = :name")
    if connection.execute(known, {"name": wanted}).scalar():
        return wanted
    return "utf8mb4_general_ci"


def _modify(connection: sa.Connection, changes: list[str]) -> None:
    connection.exec_driver_sql(f"ALTER TABLE sds {', '.join(changes)}")


def _widen_postgresql(connection: sa.Connection) -> None:
    """No row is touched by it, and no index made anew."""
    for column in sa.inspect(connection).get_columns("sds"):
        if column["name"] in _TEXTS and getattr(column["type"], "length", None):
            name = column["name"]
            _tried(connection, partial(op.alter_column, "sds", name, type_=sa.Text()))


def _add_indexes(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    first_columns = {index["column_names"][0] for index in inspector.get_indexes("sds")}
    first_columns |= set(inspector.get_pk_constraint("sds")["constrained_columns"][:1])
    kinds = {column["name"]: column["type"] for column in inspector.get_columns("sds")}
    for name in _INDEXES:
        if name in first_columns:
            continue
        kind = kinds[name]
        prefix = {}
        if isinstance(kind, sa.String):
            is_text = isinstance(kind, sa.Text)
            prefix = {name: _PREFIX if is_text else min(kind.length or _PREFIX, _PREFIX)}
        create = partial(op.create_index, f"sds_{name}", "sds", [name], mysql_length=prefix)
        _tried(connection, create)


def _tried(connection: sa.Connection, change: Callable[[], object]) -> bool:
    """Make a change that rows can do without: a view may hold a column, a right may lack."""
    is_one_transaction = connection.dialect.name == "postgresql"  # and broken by one refusal
    try:
        with connection.begin_nested() if is_one_transaction else nullcontext():
            change()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        _log.warning("the table sds stays as it is in a part: %s", error.orig)
        return False
    return True


def _move_rows(connection: sa.Connection) -> None:
    config = op.get_context().config
    catalogue_url = config.attributes["catalogue_url"] if config else None
    limits = limits_of(connection, "sds")
    change = (
        sa.update(_SDS)
        .where(_SDS.c.event_key == sa.bindparam("key"), _IS_OF_FIRST_VERSION)
        .values({name: sa.bindparam(f"new_{name}") for name in _MOVED})
    )
    for rows in _rows_of_first_version(connection):
        connection.execute(change, [_moved(row, catalogue_url, limits) for row in rows])


def _rows_of_first_version(connection: sa.Connection) -> Iterator[Any]:
    """Each once, also while they are changed."""
    some = sa.select(_SDS).where(_IS_OF_FIRST_VERSION).order_by(_SDS.c.event_key).limit(_ROWS)
    last = ""
    while rows := connection.execute(some.where(_SDS.c.event_key > last)).all():
        yield rows
        last = rows[-1].event_key


def _moved(row: Any, catalogue_url: str | None, limits: dict[str, Limit]) -> dict[str, Any]:  # noqa: ANN401 - a row of sds
    link = row.log_slice_link
    if catalogue_url and link and link.startswith("s3://"):
        link = recording_link(catalogue_url, link)
    texts = {
        "comment": "ND",
        "sds_provider_id": row.sds_provider_id or (row.audio_tag or "ND").rpartition("/")[2],
        "log_slice_link": link,
        "mission": row.comment,  # the driver's, of the whole drive
        "mission_segment": row.mission_segment or "ND",
        "timestamp_source": "log" if row.timestamp else "session",
    }
    fitting = {
        f"new_{name}": limits[name].cut(text) if name in limits and text is not None else text
        for name, text in texts.items()
    }
    return {"key": row.event_key, "new_timestamp": row.timestamp or _started(row), **fitting}


def _started(row: Any) -> datetime | None:  # noqa: ANN401 - a row of sds
    """The session's start: the first version knew no moment where no log told it."""
    try:
        return parse_session_id(row.session_id).started
    except MalformedNameError:
        return None

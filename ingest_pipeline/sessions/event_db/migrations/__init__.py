"""The schema of the SQL event databases, step by step in `versions`."""

import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_ONE_AT_A_TIME = threading.Lock()  # alembic keeps its state in globals
_LOCKS = {  # against other processes; held until the connection is closed
    "sqlite": "BEGIN IMMEDIATE",
    "mysql": "SELECT GET_LOCK('sds_schema', 60)",
    "mariadb": "SELECT GET_LOCK('sds_schema', 60)",
    "postgresql": "SELECT pg_advisory_lock(7564135)",
}


def migrate(engine: sa.Engine, catalogue_url: str | None = None) -> None:
    """Bring the schema up to date; what is there already is taken as it is.

    Links of rows that a step moves begin with `catalogue_url`, where it is given.
    Every step may be repeated: MySQL commits in the middle of one.
    """
    with _ONE_AT_A_TIME, engine.connect() as connection:
        connection.detach()  # really closed afterwards, and with it the lock is gone
        connection.exec_driver_sql(_LOCKS[engine.dialect.name])
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["catalogue_url"] = catalogue_url
        command.upgrade(config, "head")
        connection.commit()

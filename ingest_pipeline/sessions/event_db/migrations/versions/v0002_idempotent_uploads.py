"""What makes an upload repeatable: the identity of an event, and the complete sessions.

The columns are empty in rows that another program wrote, and a reader of the others does not
see them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS: dict[str, sa.types.TypeEngine[str]] = {
    "audio_tag": sa.Text(),
    "event_key": sa.CHAR(64),
    "session_key": sa.CHAR(64),
}
_UNIQUE_BY_COLUMN = {"event_key": True, "session_key": False}


def upgrade() -> None:
    """Add what is missing: MySQL may have been interrupted after any of these."""
    inspector = sa.inspect(op.get_bind())
    columns = {column["name"] for column in inspector.get_columns("sds")}
    for name, kind in _COLUMNS.items():
        if name not in columns:
            op.add_column("sds", sa.Column(name, kind))
    indexes = {index["name"] for index in inspector.get_indexes("sds")}
    for name, is_unique in _UNIQUE_BY_COLUMN.items():
        if f"sds_{name}" not in indexes:
            op.create_index(f"sds_{name}", "sds", [name], unique=is_unique)
    if not inspector.has_table("sds_sessions"):
        op.create_table(
            "sds_sessions",
            sa.Column("session_key", sa.CHAR(64), primary_key=True),
            sa.Column("session_id", sa.Text, nullable=False),
            sa.Column("completed_at", sa.DateTime, nullable=False),
            mysql_charset="utf8mb4",
        )

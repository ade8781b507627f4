"""What makes an upload repeatable: the identity of an event, and the complete sessions.

The columns are empty in rows that another program wrote, and a reader of the others does not
see them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INDEX = "sds_event_key"


def upgrade() -> None:
    """Add what is missing: MySQL may have been interrupted after any of these."""
    inspector = sa.inspect(op.get_bind())
    columns = {column["name"] for column in inspector.get_columns("sds")}
    if "audio_tag" not in columns:
        op.add_column("sds", sa.Column("audio_tag", sa.Text))
    if "event_key" not in columns:
        op.add_column("sds", sa.Column("event_key", sa.CHAR(64)))
    if _INDEX not in {index["name"] for index in inspector.get_indexes("sds")}:
        op.create_index(_INDEX, "sds", ["event_key"], unique=True)
    if not inspector.has_table("sds_sessions"):
        op.create_table(
            "sds_sessions",
            sa.Column("session_key", sa.CHAR(64), primary_key=True),
            sa.Column("session_id", sa.Text, nullable=False),
            sa.Column("completed_at", sa.DateTime, nullable=False),
            mysql_charset="utf8mb4",
        )

"""The table `sds` as production has it; where it exists, it stays as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table unless it is there."""
    if sa.inspect(op.get_bind()).has_table("sds"):
        return
    op.create_table(
        "sds",
        sa.Column("vehicle", sa.Text),
        sa.Column("country", sa.Text),
        sa.Column("city", sa.Text),
        sa.Column("timestamp", sa.DateTime),
        sa.Column("comment", sa.Text),
        sa.Column("annotation", sa.Text),
        sa.Column("sds_provider_id", sa.Text),
        sa.Column("sw_release", sa.Text),
        sa.Column("session_id", sa.String(255), index=True),
        sa.Column("map_version", sa.Text),
        sa.Column("driver", sa.Text),
        sa.Column("codriver", sa.Text),
        sa.Column("log_slice_link", sa.Text),
        sa.Column("mission", sa.Text),
        sa.Column("mission_segment", sa.Text),
        sa.Column("creation_date", sa.DateTime),
        mysql_charset="utf8mb4",
    )

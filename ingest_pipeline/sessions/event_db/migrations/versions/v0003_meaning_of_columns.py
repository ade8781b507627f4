"""What our rows carry beside production's columns: whence their moment is, and whose comment."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS: dict[str, sa.types.TypeEngine[str]] = {
    "timestamp_source": sa.String(16),
    "comment_key": sa.CHAR(64),
}


def upgrade() -> None:
    """Add what is missing: MySQL may have been interrupted after any of these."""
    inspector = sa.inspect(op.get_bind())
    columns = {column["name"] for column in inspector.get_columns("sds")}
    for name, kind in _COLUMNS.items():
        if name not in columns:
            op.add_column("sds", sa.Column(name, kind))

"""Run by alembic: the migrations over the connection that `migrate` hands in."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="sds_alembic_version",  # others keep an alembic_version in the same database
)
with context.begin_transaction():
    context.run_migrations()

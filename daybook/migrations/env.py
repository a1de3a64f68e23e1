"""What Alembic runs: the steps that are missing, in one transaction, on the connection `run.migrate` opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["names"]["schema"],
)
with context.begin_transaction():
    context.run_migrations()

"""`daybook migrate`: bring one schema to the newest shape, once, however many processes ask for it at the same time."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from journal.connection import conninfo

SERIALISED = 0x4441_5942_4F4F_4B  # "DAYBOOK": the advisory lock migrations take turns by


def migrate(owner_url: str, schema: str, *, role: str) -> None:
    """Carry out the missing steps as the owner and grant the processes' `role` its rights. Raises `psycopg.Error`."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo(owner_url, schema, name="migrate", plans=False)),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        connection.execute(text("set statement_timeout = 0"))
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": SERIALISED})
        connection.execute(text(f"create schema if not exists {sql.Identifier(schema).as_string()}"))
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["names"] = {"schema": schema, "role": sql.Identifier(role).as_string()}
        command.upgrade(config, "head")
        connection.commit()

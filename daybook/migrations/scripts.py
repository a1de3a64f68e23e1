"""How a step carries out its SQL."""

from alembic import context, op


def carry_out(script: str) -> None:
    """Run several statements as they are, with `{schema}` and `{role}` filled in.

    By the driver itself, which looks for no placeholders in PL/pgSQL.
    """
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "Alembic is connected while it runs a step"
    driver.execute(script.format(**context.config.attributes["names"]))

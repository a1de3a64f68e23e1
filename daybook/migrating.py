"""`daybook migrate`, apart from the command line: what it needs would be two fifths of what every command imports."""

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from daybook.migrations import run
from daybook.settings import Settings
from daybook.supervisor import CannotRun


def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date. Raises `CannotRun`."""
    role = conninfo_to_dict(settings.database_url.get_secret_value()).get("user")
    if not role:
        raise CannotRun("DATABASE_URL must name a user: it is granted what our processes may do")
    try:
        run.migrate(settings.database_owner_url.get_secret_value(), settings.daybook_schema, role=str(role))
    except (psycopg.Error, DBAPIError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        raise CannotRun(f"the database cannot be migrated: {str(why).splitlines()[0]}") from error

"""What the commands of operators share: the journal they work on, and its troubles as people can mend them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.errors import UndefinedTable

from daybook.settings import Settings
from daybook.supervisor import CannotRun
from journal.connection import SessionNotKept, Unavailable
from journal.journal import Journal


@asynccontextmanager
async def journal_of(settings: Settings, *, name: str) -> AsyncIterator[Journal]:
    """The journal, closed at the end; PostgreSQL knows its connections by `name`. Raises `CannotRun`."""
    journal = Journal(settings.database_url.get_secret_value(), settings.daybook_schema, name=name)
    try:
        yield journal
    except (Unavailable, SessionNotKept) as error:
        raise CannotRun(str(error)) from error
    except UndefinedTable:
        raise CannotRun("the database is not as it should be: run `daybook migrate` first") from None
    finally:
        await journal.close()

"""What the commands of operators share: the journal they work on, its troubles as people can mend them, and how what
others wrote is shown.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from psycopg.errors import UndefinedColumn, UndefinedFunction, UndefinedTable

from booking.refusals import NotFound, Refused
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
    except (UndefinedTable, UndefinedColumn, UndefinedFunction):
        raise CannotRun("the database is not as it should be: run `daybook migrate` first") from None
    finally:
        await journal.close()


async def over_journal(settings: Settings, do: Callable[[Journal], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Do something with the journal. Raises `CannotRun`, also for what is not there and what the rules refuse."""
    try:
        async with journal_of(settings, name=name) as journal:
            await do(journal)
    except NotFound as error:
        raise CannotRun(str(error)) from None
    except Refused as refused:
        raise CannotRun(" ".join(refusal.detail for refusal in refused.refusals)) from None


def printable(text: str) -> str:
    """The text with nothing in it that begins a line or speaks to the terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)

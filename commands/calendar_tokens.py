"""Calendar tokens: with one in its address a calendar program, which can send no headers, reads a user's feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands import opaque
from journal.journal import Journal

PREFIX = "dbc_"
"""What every token begins with, so that one that leaked is recognised."""

PER_USER = 20

_MAKE = """
insert into calendar_tokens (token_id, user_id, name, hash, made_at)
select %(token_id)s, user_id, %(name)s, %(hash)s, journal_now() from accounts where user_id = %(user_id)s
on conflict (token_id) do nothing
"""
_COLUMNS = "token_id, name, made_at"


@dataclass(frozen=True, slots=True)
class CalendarToken:
    """A token as it is kept."""

    id: UUID
    name: str
    made_at: datetime


def new() -> str:
    """A token, as its user is shown it once."""
    return PREFIX + opaque.new()


async def make(journal: Journal, user_id: UUID, token_id: UUID, *, name: str, token: str) -> CalendarToken | None:
    """Have `token` open the user's feeds; None where one of this id is there already. Raises `Unavailable`."""
    hash = opaque.hashed(token)
    await journal.query(_MAKE, {"token_id": token_id, "user_id": user_id, "name": name, "hash": hash})
    rows = await journal.query(f"select {_COLUMNS} from calendar_tokens where hash = %(hash)s", {"hash": hash})
    return CalendarToken(*rows[0]) if rows else None


async def revoke(journal: Journal, user_id: UUID, token_id: UUID) -> None:
    """Have a token of the user's open nothing any more. Raises `Unavailable`."""
    await journal.query(
        "delete from calendar_tokens where user_id = %(user_id)s and token_id = %(token_id)s",
        {"user_id": user_id, "token_id": token_id},
    )


async def of_user(journal: Journal, user_id: UUID) -> Sequence[CalendarToken]:
    """The user's tokens in the order they were made. Raises `Unavailable`."""
    rows = await journal.query(
        f"select {_COLUMNS} from calendar_tokens where user_id = %(user_id)s order by made_at, token_id",
        {"user_id": user_id},
    )
    return [CalendarToken(*row) for row in rows]


async def user_of(journal: Journal, token: str) -> UUID | None:
    """Whose feeds a token opens. Raises `Unavailable`."""
    rows = await journal.query(
        "select user_id from calendar_tokens where hash = %(hash)s", {"hash": opaque.hashed(token)}
    )
    return rows[0][0] if rows else None

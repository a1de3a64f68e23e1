"""Calendar tokens: with one in its address a calendar program, which can send no headers, reads a user's feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking.refusals import NotFound
from commands import opaque
from journal.journal import Journal

PREFIX = "dbc_"
"""What every token begins with, so that one that leaked is recognised."""

PER_USER = 20

_MAKE = """
insert into calendar_tokens (token_id, user_id, name, hash, made_at)
select %(token_id)s, user_id, %(name)s, %(hash)s, journal_now() from accounts where user_id = %(user_id)s
returning token_id, name, made_at
"""
_OF_USER = """
select token_id, name, made_at from calendar_tokens where user_id = %(user_id)s order by made_at, token_id
"""


@dataclass(frozen=True, slots=True)
class CalendarToken:
    """A token as it is kept."""

    id: UUID
    name: str
    made_at: datetime


def new() -> str:
    """A token, as its user is shown it once."""
    return PREFIX + opaque.new()


async def make(journal: Journal, user_id: UUID, token_id: UUID, *, name: str, token: str) -> CalendarToken:
    """Have `token` open the user's feeds. Raises `NotFound` where they have no account any more, and `Unavailable`."""
    wanted = {"token_id": token_id, "user_id": user_id, "name": name, "hash": opaque.hashed(token)}
    rows = await journal.query(_MAKE, wanted)
    if not rows:
        raise NotFound("user", user_id)
    return CalendarToken(*rows[0])


async def revoke(journal: Journal, user_id: UUID, token_id: UUID) -> bool:
    """Have a token of the user's open nothing any more; whether there was one of this id. Raises `Unavailable`."""
    rows = await journal.query(
        "delete from calendar_tokens where user_id = %(user_id)s and token_id = %(token_id)s returning 1",
        {"user_id": user_id, "token_id": token_id},
    )
    return bool(rows)


async def of_user(journal: Journal, user_id: UUID) -> Sequence[CalendarToken]:
    """The user's tokens in the order they were made. Raises `Unavailable`."""
    rows = await journal.query(_OF_USER, {"user_id": user_id})
    return [CalendarToken(*row) for row in rows]


async def user_of(journal: Journal, token: str) -> UUID | None:
    """Whose feeds a token opens. Raises `Unavailable`."""
    rows = await journal.query(
        "select user_id from calendar_tokens where hash = %(hash)s", {"hash": opaque.hashed(token)}
    )
    return rows[0][0] if rows else None

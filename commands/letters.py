"""Letters: what is to be sent to a person's address, with a token that proves they read it.

A token is derived from its letter's id under the secret key: the table holds its hash alone, and yet whoever sends the
letters can write the token into them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from commands.opaque import derived, hashed
from journal.connection import Line
from journal.journal import Along, Journal


class Kind(StrEnum):
    """What a letter is for."""

    PASSWORD_RESET = "password-reset"
    VERIFICATION = "verification"


GOOD_FOR: Mapping[Kind, timedelta] = {Kind.PASSWORD_RESET: timedelta(minutes=30), Kind.VERIFICATION: timedelta(days=7)}

# The notice that has the letter sent stands or falls with it.
_WRITE = """
with over as (delete from letters where expires_at <= (select journal_now())),
  written as (
    insert into letters (letter_id, user_id, credentials_version, kind, token_hash, written_at, expires_at)
    select %(letter_id)s, user_id, credentials_version, %(kind)s, %(hash)s, journal_now(), journal_now() + %(life)s
    from accounts where email = %(email)s
    on conflict (letter_id) do update set expires_at = excluded.expires_at returning user_id)
insert into notices (notice_id, kind, user_id, position, at)
select %(letter_id)s, %(kind)s, user_id, 0, journal_now() from written
on conflict (notice_id) do update set kind = excluded.kind returning user_id
"""
_WRITTEN = "select token_hash, expires_at from letters where letter_id = %(letter_id)s and expires_at > journal_now()"
_TO_USER = """
select kind, written_at, expires_at from letters where user_id = %(user_id)s order by written_at, letter_id
"""
_READER = """
select l.user_id from letters l join accounts a using (user_id)
where l.token_hash = %(hash)s and l.kind = %(kind)s and l.expires_at > journal_now()
  and (l.kind <> 'password-reset' or l.credentials_version = a.credentials_version)
"""
_VERIFIED = "spent as (delete from letters l using recorded where l.user_id = %(user_id)s and l.kind = 'verification')"
_PASSWORD_CHANGED = """
stored as (update accounts a set password_hash = %(password_hash)s, credentials_version = credentials_version + 1
           from recorded where a.user_id = %(user_id)s),
closed as (delete from sessions s using recorded where s.user_id = %(user_id)s),
spent as (delete from letters l using recorded where l.user_id = %(user_id)s and l.kind = 'password-reset')
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, for whoever is told of it."""

    kind: Kind
    email: str
    token: str


@dataclass(frozen=True, slots=True)
class Written:
    """What is kept of a letter, apart from what its token is known by."""

    kind: str
    written_at: datetime
    expires_at: datetime


class Letters:
    """Writes letters and recognises their tokens. `told` is told of each letter; `key` is the secret key in use.
    Every method raises `Unavailable`.

    `writing` is a line that nobody waits for but who has a letter sent: writing takes longer where there is an account.
    """

    def __init__(self, line: Line, key: str, *, writing: Line, told: Callable[[Letter], None]) -> None:
        self._line = line
        self._writing = writing
        self._key = key
        self._told = told

    async def write(self, kind: Kind, email: str) -> None:
        """Have a letter sent to an address in lower case, if it has an account."""
        letter_id = uuid4()
        token = _token(letter_id, self._key)
        parameters: dict[str, Any] = {
            "letter_id": letter_id,
            "kind": kind.value,
            "hash": hashed(token),
            "life": GOOD_FOR[kind],
            "email": email,
        }
        if await self._writing.repeatable(_WRITE, parameters):
            self._told(Letter(kind, email, token))

    async def to_user(self, user_id: UUID) -> list[Written]:
        """What is kept of the letters to a user, in order."""
        return [Written(*row) for row in await self._line.repeatable(_TO_USER, {"user_id": user_id})]

    async def reader(self, kind: Kind, token: str) -> UUID | None:
        """Who was sent `token`, while it is good and was not used."""
        rows = await self._line.repeatable(_READER, {"hash": hashed(token), "kind": kind.value})
        return rows[0][0] if rows else None


async def written(journal: Journal, letter_id: UUID, keys: Iterable[str]) -> tuple[str, datetime] | None:
    """The token of a letter, made under one of the secret keys, and until when it is good; None where it is not any
    more, or was used. Raises `Unavailable`.
    """
    for token_hash, expires_at in await journal.query(_WRITTEN, {"letter_id": letter_id}):
        for token in (_token(letter_id, key) for key in keys):
            if hashed(token) == token_hash:
                return token, expires_at
    return None


def _token(letter_id: UUID, key: str) -> str:
    return derived(b"letter " + letter_id.bytes, key)


def verified_along(user_id: UUID) -> Along:
    """Spend the letters that verify a user's address together with the fact."""
    return Along(_VERIFIED, {"user_id": user_id})


def password_changed_along(user_id: UUID, password_hash: str) -> Along:
    """Store another password, end every session and spend every letter for a reset together with the fact."""
    return Along(_PASSWORD_CHANGED, {"user_id": user_id, "password_hash": password_hash})

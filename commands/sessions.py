"""Sessions: how somebody stays signed in. Each is a chain of refresh tokens, of which the last one is good once.

A token is 256 bits that only its bearer holds: the table has hashes. Its successor is derived from it under the secret
key, so that whoever sends one twice, as parallel requests of one browser do, can be given the same successor again.
A spent one that comes later than that was copied: then the whole session ends (RFC 9700 §4.14.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from commands import opaque
from commands.opaque import derived, hashed
from journal.connection import Line
from journal.journal import Along

LIFE = timedelta(days=7)
GRACE = timedelta(seconds=10)
LONGEST_AGENT = 200

# The account is locked against a change of its password, so that no session is opened with the one before; one that is
# opened while a change still waits for the journal bears a version of the credentials that is over with the change.
# Like every statement here it may be carried out twice: a connection can be lost with its answer.
_OPEN = """
with over as (delete from sessions where expires_at <= (select journal_now())),
  account as materialized (
    select user_id, credentials_version from accounts
    where user_id = %(user_id)s and password_hash = %(password_hash)s for share),
  opened as (
    insert into sessions (session_id, user_id, credentials_version, user_agent, opened_at, used_at, expires_at)
    select %(session_id)s, user_id, credentials_version, %(agent)s,
      journal_now(), journal_now(), journal_now() + %(life)s
    from account
    on conflict do nothing)
insert into refresh_tokens (hash, session_id) select %(hash)s, %(session_id)s from account
on conflict (hash) do update set session_id = excluded.session_id returning session_id
"""
_ROTATE = """
with token as materialized (
    select t.hash, t.session_id, t.spent_at, t.successor, s.user_id
    from refresh_tokens t join sessions s using (session_id) join accounts a using (user_id)
    where t.hash = %(hash)s and s.expires_at > journal_now() and s.credentials_version = a.credentials_version
    for update of t, s),
  fresh as (select * from token where spent_at is null),
  ended as (
    delete from sessions s using token
    where s.session_id = token.session_id and token.spent_at <= journal_now() - %(grace)s),
  forgotten as (
    delete from refresh_tokens t using fresh
    where t.session_id = fresh.session_id and t.spent_at <= (select journal_now()) - %(life)s),
  spent as (
    update refresh_tokens t set spent_at = journal_now(), successor = %(successor)s
    from fresh where t.hash = fresh.hash),
  used as (
    update sessions s set used_at = journal_now(), expires_at = journal_now() + %(life)s
    from fresh where s.session_id = fresh.session_id),
  next as (insert into refresh_tokens (hash, session_id) select %(successor)s, session_id from fresh)
select user_id, coalesce(successor, %(successor)s) from token
where spent_at is null or spent_at > journal_now() - %(grace)s
"""
_CLOSE = "delete from sessions s using refresh_tokens t where t.session_id = s.session_id and t.hash = %(hash)s"
_CLOSE_ALL = "delete from sessions where user_id = %(user_id)s"
_OF_USER = """
select s.session_id, s.user_agent, s.opened_at, s.used_at, s.expires_at, exists (
    select from refresh_tokens t where t.session_id = s.session_id and t.hash = %(hash)s)
from sessions s join accounts a using (user_id, credentials_version)
where s.user_id = %(user_id)s and s.expires_at > journal_now() order by s.used_at desc, s.session_id
"""
_CLOSED_ALONG = """
renewed as (update accounts a set credentials_version = credentials_version + 1
            from recorded where a.user_id = %(user_id)s),
closed as (delete from sessions s using recorded where s.user_id = %(user_id)s)
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One of a user's sessions; `current` is the one that asks."""

    id: UUID
    user_agent: str
    opened_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool


class Sessions:
    """The sessions of one journal's users. Every method raises `Unavailable`.

    `keys` are the secret keys, the one in use first.
    """

    def __init__(self, line: Line, keys: Sequence[str], *, life: timedelta = LIFE) -> None:
        self._line = line
        self._keys = keys
        self.life = life

    async def open(self, user_id: UUID, *, password_hash: str, agent: str) -> str | None:
        """The first refresh token of a new session; None where the account has another password by now."""
        token = opaque.new()
        opened = await self._line.repeatable(
            _OPEN,
            {
                "user_id": user_id,
                "password_hash": password_hash,
                "session_id": uuid4(),
                "agent": agent[:LONGEST_AGENT],
                "hash": hashed(token),
                "life": self.life,
            },
        )
        return token if opened else None

    async def refresh(self, token: str) -> tuple[UUID, str] | None:
        """Whose session it is, and the token that takes the place of `token`; None where it is not good."""
        successors = {hashed(successor): successor for successor in (_successor(token, key) for key in self._keys)}
        rows = await self._line.repeatable(
            _ROTATE,
            {"hash": hashed(token), "successor": next(iter(successors)), "life": self.life, "grace": GRACE},
        )
        if not rows or (successor := successors.get(rows[0][1])) is None:
            return None
        return rows[0][0], successor

    async def close(self, token: str) -> None:
        """End the session that `token` is or was one of."""
        await self._line.repeatable(_CLOSE, {"hash": hashed(token)})

    async def close_all(self, user_id: UUID) -> None:
        """End every session of a user."""
        await self._line.repeatable(_CLOSE_ALL, {"user_id": user_id})

    async def of_user(self, user_id: UUID, *, token: str | None) -> list[Session]:
        """The user's sessions, the one used last first; `token` is one of the session that asks."""
        rows = await self._line.repeatable(_OF_USER, {"user_id": user_id, "hash": hashed(token or "")})
        return [Session(*row) for row in rows]


def closed_along(user_id: UUID) -> Along:
    """End every session of a user together with the fact that ends them."""
    return Along(_CLOSED_ALONG, {"user_id": user_id})


def _successor(token: str, key: str) -> str:
    return derived(b"refresh " + token.encode(), key)

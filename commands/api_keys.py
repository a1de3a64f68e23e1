"""API keys: with one a service acts for a user, within its scopes. Scopes are facts, keys only hashes in a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking import users
from booking.roles import Role, Scope
from booking.users import User
from commands import opaque
from commands.command import Command
from journal import folding
from journal.folding import Named
from journal.journal import Along, Journal

PREFIX = "dbk_"
"""What every key begins with, so that one that leaked is recognised."""

_ISSUE = """
stored as (insert into api_keys (key_id, user_id, name, hash)
           select %(key_id)s::uuid, %(user_id)s::uuid, %(name)s::text, %(hash)s::bytea
           from recorded)
"""


def new_key() -> str:
    """A key, as its user is shown it once."""
    return PREFIX + opaque.new()


@dataclass(eq=False, kw_only=True)
class _AboutKey(Command[User]):
    """A command about a key of a user, which ADMINs give. Raises `NotAllowed`, `NotFound`."""

    user_id: UUID
    key_id: UUID

    def name(self) -> None:
        self.user = self.writes(self.subject())

    def subject(self) -> Named[User]:
        return folding.user(self.user_id)


@dataclass(eq=False, kw_only=True)
class IssueApiKey(_AboutKey):
    """Let a service act for a user; `called` says which one that is. A key of this id that exists stays as it is."""

    hash: bytes
    called: str
    scopes: frozenset[Scope]

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.issue_api_key(self.user, key_id=self.key_id, scopes=self.scopes, now=self.now))

    def along(self) -> Along:
        key = {"key_id": self.key_id, "user_id": self.user_id, "name": self.called, "hash": self.hash}
        return Along(_ISSUE, key)


@dataclass(eq=False, kw_only=True)
class RevokeApiKey(_AboutKey):
    """Have a key be good for nothing from now on. Its hash stays until the account goes, and opens nothing."""

    def execute(self) -> None:
        self.must_be(Role.ADMIN)
        self.record(users.revoke_api_key(self.user, key_id=self.key_id, now=self.now))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept."""

    key_id: UUID
    user_id: UUID
    name: str
    hash: bytes
    issued_at: datetime


_COLUMNS = "key_id, user_id, name, hash, issued_at"


async def by_key(journal: Journal, key: str) -> ApiKey | None:
    """What is kept of a key that somebody sends. Raises `Unavailable`."""
    rows = await journal.query(f"select {_COLUMNS} from api_keys where hash = %(hash)s", {"hash": opaque.hashed(key)})
    return ApiKey(*rows[0]) if rows else None


async def by_id(journal: Journal, key_id: UUID) -> ApiKey | None:
    """A key by its id. Raises `Unavailable`."""
    rows = await journal.query(f"select {_COLUMNS} from api_keys where key_id = %(id)s", {"id": key_id})
    return ApiKey(*rows[0]) if rows else None


async def of_user(journal: Journal, user_id: UUID) -> Sequence[ApiKey]:
    """The keys that act for a user, those that are good for nothing any more too. Raises `Unavailable`."""
    rows = await journal.query(
        f"select {_COLUMNS} from api_keys where user_id = %(id)s order by issued_at, key_id", {"id": user_id}
    )
    return [ApiKey(*row) for row in rows]


async def after(journal: Journal, key_id: UUID, limit: int) -> Sequence[ApiKey]:
    """The keys behind one in order of their ids, at most `limit`. Raises `Unavailable`."""
    rows = await journal.query(
        f"select {_COLUMNS} from api_keys where key_id > %(after)s order by key_id limit %(limit)s",
        {"after": key_id, "limit": limit},
    )
    return [ApiKey(*row) for row in rows]

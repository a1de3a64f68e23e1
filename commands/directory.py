"""The directory: everybody who has an account, with role and state, for those who run things.

Names and addresses are in no view: they are read from the accounts, and what the facts say of each is folded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking.roles import Role
from booking.users import User
from journal import folding
from journal.folding import Aggregates
from journal.journal import Journal

AT_ONCE = 200
"""Accounts read, and users folded, by one statement, so that nobody waits long behind it."""

LOOKED_AT = 1_000
"""Accounts looked at for one page of those that fit; a page can be short, or empty, with more behind it."""

# In order of the time they were made, which tells nothing of a person to whoever sees a page's cursor.
_PAGE = """
select user_id, email, full_name, created_at from accounts
where (%(after_at)s::timestamptz is null or (created_at, user_id) > (%(after_at)s, %(after_id)s::uuid))
  and (%(text)s::text is null or position(lower(%(text)s) in lower(email)) > 0
       or position(lower(%(text)s) in lower(full_name)) > 0)
order by created_at, user_id limit %(limit)s
"""
Place = tuple[datetime, UUID]
"""Somebody's place in the directory: when their account was made, and its user."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A person with an account; `user` is what the facts say."""

    user: User
    email: str
    full_name: str
    created_at: datetime

    @property
    def place(self) -> Place:
        return self.created_at, self.user.id


@dataclass(frozen=True, slots=True)
class Listing:
    """Some of the directory in order of registration, and the place behind which the next page begins, if any."""

    people: Sequence[Listed]
    last: Place | None


async def listing(
    journal: Journal,
    aggregates: Aggregates,
    *,
    text: str | None = None,
    role: Role | None = None,
    is_active: bool | None = None,
    limit: int,
    after: Place | None = None,
) -> Listing:
    """Those whose e-mail address or name has `text` in it, in whatever case, in a role and a state if they are named.

    Raises `Unavailable`.
    """
    found: list[Listed] = []
    for _ in range(LOOKED_AT // AT_ONCE):
        people = await _some(journal, aggregates, text, after)
        for one in people:
            if (role is None or one.user.role is role) and (is_active is None or one.user.is_active is is_active):
                if len(found) == limit:
                    return Listing(found, after)
                found.append(one)
            after = one.place
        if len(people) < AT_ONCE:
            return Listing(found, None)
    return Listing(found, after)


async def number_of_users(journal: Journal) -> int:
    """How many people have an account. Raises `Unavailable`."""
    ((number,),) = await journal.query("select count(*) from accounts", {})
    return int(number)


async def _some(journal: Journal, aggregates: Aggregates, text: str | None, after: Place | None) -> Sequence[Listed]:
    at, user_id = after or (None, None)
    rows = await journal.query(_PAGE, {"text": text, "after_at": at, "after_id": user_id, "limit": AT_ONCE})
    users, _ = await aggregates.all_fresh([folding.user(row[0]) for row in rows])
    return [Listed(user, *row[1:]) for user, row in zip(users, rows, strict=True)]

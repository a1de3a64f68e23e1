"""Due work: what has to be done at a time, posted from the journal into a table and taken from there by workers.

Taking a row only lends it for a while; what it leads to is decided on what the booking is by then, so acting twice has
one effect. Nothing is lost with a worker, a message or a Redis.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingRejected,
    BookingRescheduled,
)
from commands.posting import Posting
from journal.journal import Journal, Recorded

EXPIRE = "expire"
"""The kind of work that records the end of a booking's slot."""

DECLINE = "decline"
"""The kind of work that records that nobody decided on a booking in time."""

LENT = timedelta(seconds=3)
"""How long a taken row stays away from other workers: a killed one delays its work by no more than that."""

LENT_AT_ONCE = 60
"""Rows lent to all workers together: what waits for its turn longer than a loan is lent, and done, in vain, and what
ends at the same time by the thousand must leave the journal to others."""

_POST = """
  wanted as (
    select * from json_to_recordset(%(rows)s::json)
      as r (kind text, booking_id uuid, at timestamptz, position bigint)),
  done as (
    delete from due d using moved where d.booking_id = any(%(touched)s::uuid[])
    and (d.kind, d.booking_id) not in (select kind, booking_id from wanted))
insert into due (kind, booking_id, at, position)
select w.kind, w.booking_id, w.at, w.position from wanted w, moved
on conflict (kind, booking_id) do update
  set at = excluded.at, position = excluded.position, lent_until = null where due.position < excluded.position
"""
# Here as elsewhere the clock is asked apart from the rows, so that an index can be searched by what it says: it is
# volatile, and would be asked again for every row there is.
_TAKE = """
update due d set lent_until = journal_now() + %(lent)s
from (select kind, booking_id from due
      where at <= (select journal_now()) and (lent_until is null or lent_until <= journal_now())
      order by at
      limit greatest(0, least(%(limit)s, %(at_once)s - (
        select count(*) from due where lent_until > (select journal_now()))))
      for update skip locked) t
where d.kind = t.kind and d.booking_id = t.booking_id
returning d.kind, d.booking_id
"""
_BACKLOG = """
select count(*), coalesce(extract(epoch from journal_now() - min(at)), 0)::float8 from due
where at <= (select journal_now())
"""
# What is lent was due before, and is due again when its loan ends.
_NEXT = """
select extract(epoch from least(
  (select min(at) from due where lent_until is null), (select min(lent_until) from due)) - journal_now())::float8
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One thing that is due."""

    kind: str
    booking_id: UUID


async def take(journal: Journal, *, limit: int) -> list[Work]:
    """Due rows, lent to the caller for `LENT`; none while `LENT_AT_ONCE` are lent already. Raises `Unavailable`."""
    wanted = {"lent": LENT, "limit": limit, "at_once": LENT_AT_ONCE}
    return [Work(*row) for row in await journal.query(_TAKE, wanted)]


async def wait_until_next(journal: Journal, *, at_most: float) -> float:
    """Seconds until something is due, within `[0, at_most]`. Raises `Unavailable`."""
    ((seconds,),) = await journal.query(_NEXT, {})
    return at_most if seconds is None else min(max(seconds, 0.0), at_most)


async def backlog(journal: Journal) -> tuple[int, float]:
    """How much is due that was not done yet, and for how many seconds the longest of it. Raises `Unavailable`."""
    ((count, seconds),) = await journal.query(_BACKLOG, {})
    return count, seconds


def _changes(_journal_id: UUID, page: Iterable[Recorded]) -> Mapping[str, Any]:
    """What a page leaves to be done, and the bookings of which nothing else is due any more."""
    rows: dict[UUID, dict[str, Any]] = {}
    touched: set[UUID] = set()
    for fact in page:
        event = fact.event
        match event:
            case BookingCreated() | BookingRescheduled() if event.decide_by is not None:
                rows[event.booking_id] = _row(DECLINE, event.booking_id, event.decide_by, fact.position)
            case BookingCreated() | BookingRescheduled() | BookingApproved():
                rows[event.booking_id] = _row(EXPIRE, event.booking_id, event.slot.end, fact.position)
            case BookingCancelled() | BookingRejected() | BookingDeclined() | BookingExpired():
                rows.pop(event.booking_id, None)
            case _:
                continue
        touched.add(event.booking_id)
    return {"rows": orjson.dumps(list(rows.values())).decode(), "touched": list(touched)}


def _row(kind: str, booking_id: UUID, at: datetime, position: int) -> dict[str, Any]:
    return {"kind": kind, "booking_id": booking_id, "at": at, "position": position}


post = Posting("due", _POST, _changes).post

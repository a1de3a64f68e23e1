"""Deliveries: what each webhook is to be sent, posted from the journal into a table, and what came of it.

The table is a projection of the journal: rows and the position they reflect change in one statement. Of the facts about
one booking, or one space, only the first that was not delivered may be under way, so its receiver hears of them in
order; one that was given up is in the way of none. Taking a row lends it: what a worker took with it when it was killed
is sent again by another, under the same id, and a worker that comes too late notes nothing.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import orjson

from booking.events import BookingEvent, SpaceEvent
from journal import codec
from journal.journal import Journal, Recorded

BACK_OFF = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each attempt that failed the next one comes (Standard Webhooks, "Deliverability and reliability")."""

LENT = timedelta(seconds=15)
"""How long a taken row stays away from other workers: longer than sending takes."""

PER_WEBHOOK = 4
"""Deliveries under way to one webhook, so that a slow receiver keeps nobody else waiting."""

KEPT = timedelta(days=30)
"""How long what was delivered or given up stays in the log."""

TOLD = timedelta(days=1)
"""How long whoever watches is told that one was given up, unless it is replayed."""

_BEHIND = """
select w.posted, w.webhook_id from webhooks w, journal_head h
where w.is_active and w.posted < h.position order by w.posted, w.webhook_id
"""
_POST = """
with moved as (
    update webhooks set posted = %(to)s
    where webhook_id = any(%(webhooks)s) and posted = %(after)s and is_active returning webhook_id, events),
  over as (
    delete from deliveries where state <> 'waiting' and attempted_at < (select journal_now()) - %(kept)s)
insert into deliveries (webhook_id, position, hash, subject, type, due_at)
select m.webhook_id, r.position, decode(r.hash, 'hex'), r.subject, r.type, journal_now()
from json_to_recordset(%(rows)s::json) as r (position bigint, hash text, subject uuid, type text)
join moved m on r.type = any(m.events)
on conflict (webhook_id, position) do update
  set state = 'waiting', due_at = excluded.due_at, lent_until = null, attempts = 0, status = null, error = null
"""
# Materialized: whoever is looked for once more after rows were locked finds others. With the offset, those of the same
# subject are looked for by it; joined with all of a webhook they are compared with each of them while a table is young.
_TAKE = """
with taken as materialized (
  select t.webhook_id, t.position, w.url, w.secret,
    case when w.previous_until > journal_now() then w.previous_secret end as previous_secret
  from webhooks w cross join lateral (
    select o.webhook_id, o.position from deliveries o
    where o.webhook_id = w.webhook_id and o.state = 'waiting' and o.due_at <= (select journal_now())
      and (o.lent_until is null or o.lent_until <= journal_now())
      and not exists (
        select from deliveries e where e.webhook_id = o.webhook_id and e.subject = o.subject
        and e.state = 'waiting' and e.position < o.position offset 0)
    order by o.due_at, o.position
    limit greatest(0, %(per_webhook)s - (
      select count(*) from deliveries l
      where l.webhook_id = w.webhook_id and l.lent_until > (select journal_now())))
    for update skip locked) t
  where w.is_active)
update deliveries d set lent_until = journal_now() + %(lent)s
from taken t where d.webhook_id = t.webhook_id and d.position = t.position
returning d.webhook_id, d.position, d.hash, d.attempts, d.lent_until, t.url, t.secret, t.previous_secret
"""
_DELIVERED = """
update deliveries set state = 'delivered', lent_until = null, attempts = attempts + 1, attempted_at = journal_now(),
  status = %(status)s, error = null
where webhook_id = %(webhook)s and position = %(position)s and state = 'waiting' and lent_until = %(lent_until)s
returning 1
"""
# What has to wait for this one is not looked at again and again meanwhile.
_FAILED = """
with failed as (
    update deliveries set state = case when %(wait)s::interval is null then 'dead' else 'waiting' end,
      due_at = journal_now() + coalesce(%(wait)s::interval, '0'), lent_until = null, attempts = attempts + 1,
      attempted_at = journal_now(), status = %(status)s, error = %(error)s
    where webhook_id = %(webhook)s and position = %(position)s and state = 'waiting' and lent_until = %(lent_until)s
    returning webhook_id, subject, position, due_at, state),
  behind as (
    update deliveries d set due_at = f.due_at from failed f
    where f.state = 'waiting' and d.webhook_id = f.webhook_id and d.subject = f.subject and d.state = 'waiting'
      and d.position > f.position and d.due_at < f.due_at)
select 1 from failed
"""
_STANDING = """
select count(*), coalesce(extract(epoch from journal_now() - min(d.due_at)), 0)::float8
from deliveries d join webhooks w using (webhook_id)
where w.is_active and d.state = 'waiting' and d.due_at <= (select journal_now())
and not exists (
  select from deliveries e where e.webhook_id = d.webhook_id and e.subject = d.subject
  and e.state = 'waiting' and e.position < d.position offset 0)
"""
_GIVEN_UP = """
select count(*) from deliveries d join webhooks w using (webhook_id)
where w.is_active and d.state = 'dead' and d.attempted_at > (select journal_now()) - %(told)s
"""
_LOG = """
select position, hash, type, state, attempts, attempted_at, status, error, due_at from deliveries
where webhook_id = %(webhook)s and position < %(before)s and (%(state)s::text is null or state = %(state)s)
order by position desc limit %(limit)s
"""


class State(StrEnum):
    """What became of a delivery; one that is dead was given up, and goes out again with a replay alone."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One fact that is to be sent, lent to whoever took it; secrets are sealed."""

    webhook_id: UUID
    position: int
    hash: bytes
    attempts: int
    lent_until: datetime
    url: str
    secret: str
    previous_secret: str | None

    @property
    def id(self) -> str:
        """What its receiver knows it by, however often it is sent."""
        return id_of(self.webhook_id, self.hash)


@dataclass(frozen=True, slots=True)
class Logged:
    """A delivery in the log: `error` says what its last attempt failed of, `due_at` when the next one is."""

    position: int
    hash: bytes
    type: str
    state: State
    attempts: int
    attempted_at: datetime | None
    status: int | None
    error: str | None
    due_at: datetime


def id_of(webhook_id: UUID, hash: bytes) -> str:
    """The id under which a webhook is sent the fact with which the chain comes to `hash`; it has no dot.

    Not made from its position: after a backup was restored that is another fact's.
    """
    return f"msg_{uuid5(webhook_id, hash.hex()).hex}"


async def post(journal: Journal, *, limit: int = 500) -> int:
    """Post the next page of the journal for every webhook that is behind; how many facts were looked at.

    Raises `Unavailable`.
    """
    behind = defaultdict[int, list[UUID]](list)
    for posted, webhook_id in await journal.query(_BEHIND, {}):
        behind[posted].append(webhook_id)
    looked_at = 0
    for posted, webhook_ids in behind.items():  # one that is replayed keeps none of the others waiting
        page = await journal.page(posted, limit)
        if page:
            rows = orjson.dumps(list(_rows(page))).decode()
            wanted = {"webhooks": webhook_ids, "after": posted, "to": page[-1].position, "rows": rows, "kept": KEPT}
            await journal.query(_POST, wanted)
        looked_at += len(page)
    return looked_at


async def take(journal: Journal) -> list[Delivery]:
    """What can go out now, lent to the caller for `LENT`. Raises `Unavailable`."""
    return [Delivery(*row) for row in await journal.query(_TAKE, {"lent": LENT, "per_webhook": PER_WEBHOOK})]


async def note_delivered(journal: Journal, delivery: Delivery, *, status: int) -> None:
    """Its receiver has it. Raises `Unavailable`."""
    await journal.query(_DELIVERED, {**_lent(delivery), "status": status})


async def note_failed(journal: Journal, delivery: Delivery, *, status: int | None, error: str) -> State | None:
    """Its receiver does not have it: it is due later, or dead after the last attempt; None where the loan was over.

    Raises `Unavailable`.
    """
    wait = BACK_OFF[delivery.attempts] if delivery.attempts < len(BACK_OFF) else None
    # Not all at the same moment when a receiver comes back.
    later = None if wait is None else wait * random.uniform(1, 1.1)
    noted = await journal.query(_FAILED, {**_lent(delivery), "status": status, "error": error, "wait": later})
    if not noted:
        return None
    return State.DEAD if wait is None else State.WAITING


async def standing(journal: Journal) -> tuple[int, float]:
    """How many deliveries are due, and for how many seconds the longest of them. Raises `Unavailable`."""
    ((count, seconds),) = await journal.query(_STANDING, {})
    return count, seconds


async def given_up(journal: Journal) -> int:
    """How many deliveries are dead since less than `TOLD`. Raises `Unavailable`."""
    ((count,),) = await journal.query(_GIVEN_UP, {"told": TOLD})
    return int(count)


async def log_of(
    journal: Journal, webhook_id: UUID, *, state: State | None = None, before: int = 2**62, limit: int
) -> Sequence[Logged]:
    """The deliveries of a webhook before a position, the newest fact first. Raises `Unavailable`."""
    wanted = {"webhook": webhook_id, "before": before, "state": state, "limit": limit}
    rows = await journal.query(_LOG, wanted)
    return [Logged(position, hash, type, State(state), *rest) for position, hash, type, state, *rest in rows]


def _lent(delivery: Delivery) -> Mapping[str, Any]:
    return {"webhook": delivery.webhook_id, "position": delivery.position, "lent_until": delivery.lent_until}


def _rows(page: Sequence[Recorded]) -> Iterator[dict[str, Any]]:
    for fact in page:
        event = fact.event
        if isinstance(event, BookingEvent | SpaceEvent):
            subject = event.booking_id if isinstance(event, BookingEvent) else event.space_id
            yield {
                "position": fact.position,
                "hash": fact.hash.hex(),
                "subject": subject,
                "type": codec.name_of(type(event)),
            }

"""Notices: what people are told of their bookings, posted from the journal into a table and taken from there to send.

A notice is handed out for a moment and begun once, by whoever comes first with the number of attempts it was handed out
with. Beginning lends it for longer than a mail server is waited for, so two workers never send the same. Those of one
booking go out in order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import orjson

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingRejected,
    BookingRescheduled,
    UserErased,
)
from commands.posting import Posting
from journal.journal import Journal, Recorded


class Kind(StrEnum):
    """What a notice tells of a booking."""

    CONFIRMATION = "confirmation"
    REQUEST = "request"
    CHANGE = "change"
    APPROVAL = "approval"
    REJECTION = "rejection"
    DECLINE = "decline"
    CANCELLATION = "cancellation"
    REMINDER = "reminder"


class State(StrEnum):
    """Where a notice stands: DEAD is what is tried no more until somebody retries it, LOGGED what was told to the log
    alone, for there was no mail server.
    """

    WAITING = "waiting"
    SENT = "sent"
    LOGGED = "logged"
    DEAD = "dead"


_Told = BookingCreated | BookingRescheduled | BookingApproved | BookingRejected | BookingDeclined | BookingCancelled
_CONFIRMS = frozenset({Kind.CONFIRMATION, Kind.CHANGE, Kind.APPROVAL})

HANDED = timedelta(seconds=10)
"""How long a notice that was handed out may take to be begun; then it is handed out again."""

LENT = timedelta(seconds=750)
"""How long a notice that was begun stays away from others, unless something comes of it: longer than sending takes."""

LENT_AT_ONCE = 32
"""Notices handed out or begun by all workers together."""

KEPT = timedelta(days=30)
"""How long it is remembered that a notice was sent, or logged."""

# What an import enters is caused by it rather than by a request of its own, and told by its report; of what begins soon
# its people are reminded as all are. A reminder that was sent stays, as every notice, and so does one that may just be
# sent; any other gives way to what became of the booking.
_POST = """
  wanted as (
    select w.* from json_to_recordset(%(rows)s::json)
      as w (notice_id uuid, kind text, booking_id uuid, user_id uuid, at timestamptz, position bigint)
    join events e on e.position = w.position where e.causation_id is null or w.kind = 'reminder'),
  replaced as (
    delete from notices n using moved
    where n.booking_id = any(%(touched)s::uuid[]) and n.kind = 'reminder' and n.state <> 'sent'
    and n.lent_until is null),
  forgotten as (delete from notices n using moved where n.user_id = any(%(erased)s::uuid[]))
insert into notices (notice_id, kind, booking_id, user_id, at, position)
select w.notice_id, w.kind, w.booking_id, w.user_id, w.at, w.position from wanted w, moved
on conflict (notice_id) do nothing
"""
# What follows a reminder waits while that is lent: once put off it has nothing to say any more.
_TAKE = """
update notices n set lent_until = journal_now() + %(lent)s
from (select w.notice_id from notices w
      where w.state = 'waiting' and w.at <= (select journal_now())
      and (w.lent_until is null or w.lent_until <= journal_now())
      and not exists (
        select from notices b where b.booking_id = w.booking_id and b.state = 'waiting'
        and (b.position, b.kind = 'reminder') < (w.position, w.kind = 'reminder')
        and (b.kind <> 'reminder' or b.lent_until is not null))
      order by w.at
      limit greatest(0, least(%(limit)s, %(at_once)s - (
        select count(*) from notices where lent_until > (select journal_now()))))
      for update skip locked) t
where n.notice_id = t.notice_id
returning n.notice_id, n.attempts
"""
_BEGIN = """
update notices set attempts = attempts + 1, lent_until = journal_now() + %(lent)s
where notice_id = %(notice_id)s and attempts = %(attempts)s and state = 'waiting'
returning notice_id, attempts, kind, booking_id, user_id, position, journal_now()
"""
_SENT = """
with over as (
  delete from notices where (state = 'sent' and sent_at <= (select journal_now()) - %(kept)s)
  or (state = 'logged' and at <= (select journal_now()) - %(kept)s))
update notices set state = 'sent', sent_at = journal_now(), lent_until = null, error = null
where notice_id = %(notice_id)s and state <> 'sent'
"""
_LOGGED = """
with over as (delete from notices where state = 'logged' and at <= (select journal_now()) - %(kept)s)
update notices set state = 'logged', lent_until = null, error = null
where notice_id = %(notice_id)s and state <> 'logged'
"""
_FAILED = """
update notices set state = %(state)s, due_at = coalesce(due_at, at), at = journal_now() + %(pause)s,
  lent_until = null, error = %(error)s
where notice_id = %(notice_id)s and attempts = %(attempts)s and state = 'waiting'
"""
_GIVE_BACK = """
update notices set lent_until = null
where notice_id = %(notice_id)s and attempts = %(attempts)s and state = 'waiting'
"""
_DROP = "delete from notices where notice_id = %(notice_id)s and attempts = %(attempts)s and state = 'waiting'"
_LIST = """
select notice_id, kind, state, booking_id, user_id, at, attempts, error, sent_at from notices
where (%(state)s::text is null or state = %(state)s)
and (%(after_at)s::timestamptz is null or (at, notice_id) > (%(after_at)s, %(after_id)s::uuid))
order by at, notice_id limit %(limit)s
"""
# Of what was sent there is a month's worth: nobody counts that again and again. A try that failed puts the next one
# off, and not since when somebody waits.
_STANDING = """
select count(*), (select count(*) from notices where state = 'dead'),
  coalesce(greatest(extract(epoch from journal_now() - min(coalesce(due_at, at))), 0), 0)::float8
from notices where state = 'waiting'
"""
# What was overtaken would contradict what was told since. What is lent may have been sent, so it counts until somebody
# knows, also after its loan.
_RETRY = """
update notices n set state = 'waiting', attempts = 0, at = journal_now(), lent_until = null, error = null,
  due_at = case when n.state = 'waiting' then n.due_at end
where (n.state = 'dead' or (n.state = 'waiting' and n.error is not null and n.lent_until is null))
and (%(notice_id)s::uuid is null or n.notice_id = %(notice_id)s)
and not exists (
  select from notices l where l.booking_id = n.booking_id and l.position > n.position
  and (l.state = 'sent' or l.lent_until is not null))
returning n.notice_id
"""
_DROP_FAILED = """
delete from notices n
where (n.state = 'dead' and %(notice_id)s::uuid is null) or (n.notice_id = %(notice_id)s and (
  n.state = 'dead' or (n.state = 'waiting' and n.error is not null and n.lent_until is null)))
returning n.notice_id
"""


@dataclass(frozen=True, slots=True)
class Handed:
    """A notice on its way to whoever begins it, with the number of attempts there were."""

    notice_id: UUID
    attempts: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A notice that is ours to send for `LENT` from `now` on; a letter's has no booking, and its kind is the letter's.

    `attempts` counts this one; `position` is that of the fact it tells of.
    """

    id: UUID
    attempts: int
    kind: str
    booking_id: UUID | None
    user_id: UUID
    position: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A notice as an operator sees it; `at` is when it is, or was, to be tried."""

    id: UUID
    kind: str
    state: State
    booking_id: UUID | None
    user_id: UUID
    at: datetime
    attempts: int
    error: str | None
    sent_at: datetime | None


def posting(*, remind_before: timedelta) -> Posting:
    """How notices are posted from the journal, with reminders so long before a slot begins; zero: none."""
    return Posting("notices", _POST, lambda journal_id, page: _changes(journal_id, page, remind_before))


async def take(journal: Journal, *, limit: int) -> list[Handed]:
    """Notices whose time has come, handed to the caller for `HANDED`. Raises `Unavailable`."""
    wanted = {"lent": HANDED, "limit": limit, "at_once": LENT_AT_ONCE}
    return [Handed(*row) for row in await journal.query(_TAKE, wanted)]


async def begin(journal: Journal, handed: Handed) -> Begun | None:
    """The notice, lent to the caller alone; None where somebody was first. Raises `Unavailable`."""
    wanted = {"notice_id": handed.notice_id, "attempts": handed.attempts, "lent": LENT}
    rows = await journal.query(_BEGIN, wanted)
    return Begun(*rows[0]) if rows else None


async def note_sent(journal: Journal, notice: Begun) -> None:
    """Note that the notice was sent. Raises `Unavailable`."""
    await journal.query(_SENT, {"notice_id": notice.id, "kept": KEPT})


async def note_logged(journal: Journal, notice: Begun) -> None:
    """Note that the log was told of the notice, and nobody else. Raises `Unavailable`."""
    await journal.query(_LOGGED, {"notice_id": notice.id, "kept": KEPT})


async def note_failed(journal: Journal, notice: Begun, error: str, *, again_after: timedelta | None) -> None:
    """Note why the notice could not be sent, and when to try again; None: not by itself. Raises `Unavailable`."""
    state = State.DEAD if again_after is None else State.WAITING
    wanted = {"state": state.value, "pause": again_after or timedelta(0), "error": error}
    await journal.query(_FAILED, {**wanted, "notice_id": notice.id, "attempts": notice.attempts})


async def give_back(journal: Journal, notice: Begun) -> None:
    """Have a notice that was not sent begun by others at once. Raises `Unavailable`."""
    await journal.query(_GIVE_BACK, {"notice_id": notice.id, "attempts": notice.attempts})


async def drop(journal: Journal, notice: Begun) -> None:
    """Forget a notice there is nobody, or no more reason, to send to. Raises `Unavailable`."""
    await journal.query(_DROP, {"notice_id": notice.id, "attempts": notice.attempts})


async def listed(
    journal: Journal, *, state: State | None = None, limit: int, after: Listed | None = None
) -> list[Listed]:
    """Notices in the order of their times, those after another one. Raises `Unavailable`."""
    at, notice_id = (after.at, after.id) if after else (None, None)
    wanted = {"state": state and state.value, "limit": limit, "after_at": at, "after_id": notice_id}
    return [Listed(row[0], row[1], State(row[2]), *row[3:]) for row in await journal.query(_LIST, wanted)]


async def retry(journal: Journal, notice_id: UUID | None = None) -> int:
    """Have a notice that is dead, or waits after a failure, sent now, or all of them; how many. Those overtaken by a
    later one of the same booking that was, or is being, sent stay as they are. Raises `Unavailable`.
    """
    return len(await journal.query(_RETRY, {"notice_id": notice_id}))


async def drop_failed(journal: Journal, notice_id: UUID | None = None) -> int:
    """Forget a notice that is dead, or waits after a failure, or all that are dead; how many. Raises `Unavailable`."""
    return len(await journal.query(_DROP_FAILED, {"notice_id": notice_id}))


async def standing(journal: Journal) -> tuple[Mapping[State, int], float]:
    """How many notices wait and are dead, and for how many seconds, put off or not, the longest of those that wait is
    due. Raises `Unavailable`.
    """
    ((waiting, dead, seconds),) = await journal.query(_STANDING, {})
    return {State.WAITING: waiting, State.DEAD: dead}, seconds


def _changes(journal_id: UUID, page: Iterable[Recorded], remind_before: timedelta) -> Mapping[str, Any]:
    """What a page has to be told, the bookings whose reminder it makes void, and the users it erases.

    Nothing is told of slots that are over, and nobody is reminded of what they have just done.
    """
    rows: list[dict[str, Any]] = []
    reminders: dict[UUID, dict[str, Any]] = {}
    touched: set[UUID] = set()
    erased: set[UUID] = set()
    for fact in page:
        event, at = fact.event, fact.recorded_at
        if isinstance(event, UserErased):
            erased.add(event.user_id)
        if not isinstance(event, BookingExpired | _Told):
            continue
        touched.add(event.booking_id)
        reminders.pop(event.booking_id, None)
        if isinstance(event, BookingExpired) or event.slot.end <= at:
            continue
        kind = _kind(event)
        rows.append(_row(journal_id, kind, event, fact, at))
        remind_at = event.slot.start - remind_before
        if kind in _CONFIRMS and remind_before and remind_at > at:
            reminders[event.booking_id] = _row(journal_id, Kind.REMINDER, event, fact, remind_at)
    wanted = [row for row in (*rows, *reminders.values()) if row["user_id"] not in erased]
    return {"rows": orjson.dumps(wanted).decode(), "touched": list(touched), "erased": list(erased)}


def _kind(event: _Told) -> Kind:
    match event:
        case BookingCreated():
            return Kind.REQUEST if event.decide_by else Kind.CONFIRMATION
        case BookingRescheduled():
            return Kind.REQUEST if event.decide_by else Kind.CHANGE
        case BookingApproved():
            return Kind.APPROVAL
        case BookingRejected():
            return Kind.REJECTION
        case BookingDeclined():
            return Kind.DECLINE
        case BookingCancelled():
            return Kind.CANCELLATION


def _row(journal_id: UUID, kind: Kind, event: _Told, fact: Recorded, at: datetime) -> dict[str, Any]:
    """The row of a notice, whose id is the same whoever posts it, and however often.

    Not made from the position: after a backup was restored that is another fact's.
    """
    return {
        "notice_id": uuid5(journal_id, f"{kind} {fact.hash.hex()}"),
        "kind": kind,
        "booking_id": event.booking_id,
        "user_id": event.user_id,
        "at": at,
        "position": fact.position,
    }

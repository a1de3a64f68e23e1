"""History read back: the facts as they were recorded, by tag, kind, author and time, and a booking as it once was."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag

from booking.bookings import Booking
from booking.events import BookingEvent, Event
from booking.refusals import NotFound
from journal import codec, tags
from journal.chain import COLUMNS, Row
from journal.codec import UnknownFact
from journal.journal import PER_TAG, Journal

LOOK_FOR = timedelta(seconds=1)
"""How long one page looks for facts that fit; what it did not get to is left to the next."""

AT_ONCE = 2_000
"""Facts looked at by one statement, so that nobody waits long behind it."""

_MICROSECOND = timedelta(microseconds=1)

_BEARING = """
select distinct t.position from unnest(%(tags)s::text[]) w (tag) cross join lateral (
  select t.position from event_tags t where t.tag = w.tag and t.position > %(after)s and t.position <= %(to)s
  order by t.position limit %(limit)s) t
order by 1 limit %(limit)s
"""
_FITTING = """
(%(type)s::text is null or type = %(type)s) and (%(actor)s::text is null or actor = %(actor)s)
order by position limit %(limit)s
"""
_BETWEEN = f"select {COLUMNS} from events where position > %(after)s and position <= %(to)s and {_FITTING}"
_AT = f"select {COLUMNS} from events where position = any(%(positions)s::bigint[]) and {_FITTING}"
# Facts are in order of their times, so this halves where the last one before a time may be until it is found.
_LAST_BEFORE = """
with recursive last (least, most) as (
  select 0::bigint, position from journal_head
  union all
  select case when e.recorded_at < %(time)s then m.middle else m.least end,
         case when e.recorded_at < %(time)s then m.most else m.middle - 1 end
  from (select least, most, (least + most + 1) / 2 as middle from last where least < most) m
  left join events e on e.position = m.middle
)
select least from last where least = most
"""
_RECORDED_AT = "select recorded_at from events where position = %(position)s"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact with everything that is known of how it came about.

    `payload` is as stored, its sealed text opened, or None where the key is gone. `event` is None, and the payload just
    as stored, where this code cannot read it: an auditor is shown what there is.
    """

    row: Row
    event: Event | None
    payload: Any

    @property
    def position(self) -> int:
        return self.row.position

    def document(self) -> dict[str, Any]:
        """The fact as an auditor sees it."""
        row = self.row
        return {
            "position": row.position,
            "type": row.type,
            "version": row.version,
            "recorded_at": row.recorded_at,
            "actor": row.actor,
            "correlation_id": row.correlation_id,
            "causation_id": row.causation_id,
            "command_id": row.command_id,
            "tags": row.tags,
            "payload": self.payload,
            "hash": row.hash.hex(),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Facts in order, those that fit among all up to position `to`; unless `at_end` there are more to look at."""

    facts: Sequence[Fact]
    to: int
    at_end: bool


@dataclass(frozen=True, slots=True)
class AsOf:
    """A booking as it was at a position, `moment` by the clock, and the facts that made it so."""

    booking: Booking
    position: int
    moment: datetime
    facts: Sequence[Fact]

    def document(self) -> dict[str, Any]:
        """The booking as its readers saw it then, and how that came about."""
        return {
            "position": self.position,
            "moment": self.moment,
            "booking": self.booking.document() | {"status": self.booking.status(self.moment)},
            "facts": [fact.document() for fact in self.facts],
        }


async def page(
    journal: Journal,
    *,
    tag: str | None = None,
    type: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    after: int = 0,
    limit: int,
    look_for: timedelta = LOOK_FOR,
    at_once: int = AT_ONCE,
) -> Page:
    """The facts above position `after` that fit, recorded in `[since, before)`, at most `limit`. Raises `Unavailable`.

    A tag and a time lead straight to their facts. For a type and an author all others are looked through, `at_once` by
    one statement, for as long as `look_for`: the page may then hold few facts or none and yet not be at the end.
    """
    _, end, _ = await journal.head()
    if before is not None:
        end = min(end, await _last_before(journal, before))
    if since is not None:
        after = max(after, await _last_before(journal, since))
    at_once = at_once if type or actor else limit
    clock = asyncio.get_running_loop().time
    until = clock() + look_for.total_seconds()
    found: list[Fact] = []
    while after < end:
        left = {"type": type, "actor": actor, "limit": limit - len(found)}
        if tag is None:
            to = min(after + at_once, end)
            rows = await journal.query(_BETWEEN, {"after": after, "to": to, **left})
        else:
            positions = await _bearing(journal, [tag], after=after, to=end, limit=at_once)
            to = positions[-1] if len(positions) == at_once else end
            rows = await journal.query(_AT, {"positions": positions, **left})
        found += await _read(journal, rows)
        if len(found) == limit:
            to = found[-1].position
        after = to
        if len(found) == limit or clock() >= until:
            break
    return Page(found, min(after, end), after >= end)


async def of_tags(journal: Journal, wanted: Sequence[str], *, at_once: int = PER_TAG) -> AsyncIterator[Fact]:
    """Every fact there is now that bears one of the tags, in order, each once. Raises `Unavailable`."""
    _, end, _ = await journal.head()
    async for fact in _up_to(journal, wanted, end, at_once=at_once):
        yield fact


async def of_person(journal: Journal, user_id: UUID) -> Sequence[Fact]:
    """Every fact about a user and their bookings there is now, in order. Raises `Unavailable`."""
    wanted = [tags.user(user_id), tags.allowance(user_id)]
    facts = [fact async for fact in of_tags(journal, wanted)]
    # What changes no allowance, as other notes do, bears the tag of its booking alone.
    wanted += {tags.booking(fact.event.booking_id): None for fact in facts if isinstance(fact.event, BookingEvent)}
    return [fact async for fact in of_tags(journal, wanted)]


async def booking_as_of(journal: Journal, booking_id: UUID, as_of: int | datetime | None = None) -> AsOf:
    """The booking as it was when the fact at a position was recorded, or at a time; as it is now if neither came yet.

    Raises `NotFound` when there was no such booking, and `Unavailable`.
    """
    now = await journal.read({})
    position, moment = now.head, now.now
    if isinstance(as_of, datetime) and as_of < moment:
        position, moment = await _last_before(journal, as_of + _MICROSECOND), as_of
    elif isinstance(as_of, int) and as_of <= position:
        position = as_of
        for (recorded_at,) in await journal.query(_RECORDED_AT, {"position": position}):
            moment = recorded_at
    facts = [fact async for fact in _up_to(journal, [tags.booking(booking_id)], position)]
    booking = Booking(booking_id)
    for fact in facts:
        if fact.event is None:
            raise UnknownFact(f"{fact.row.type} version {fact.row.version} at position {fact.position}")
        booking.fold(fact.event)
    if not booking.revision:
        raise NotFound("booking", booking_id)
    return AsOf(booking, position, moment, facts)


async def _up_to(journal: Journal, wanted: Sequence[str], end: int, *, at_once: int = PER_TAG) -> AsyncIterator[Fact]:
    after = 0
    while positions := await _bearing(journal, wanted, after=after, to=end, limit=at_once):
        everything = {"positions": positions, "type": None, "actor": None, "limit": at_once}
        for fact in await _read(journal, await journal.query(_AT, everything)):
            yield fact
        after = positions[-1]


async def _bearing(journal: Journal, wanted: Sequence[str], *, after: int, to: int, limit: int) -> list[int]:
    parameters = {"tags": wanted, "after": after, "to": to, "limit": limit}
    return [position for (position,) in await journal.query(_BEARING, parameters)]


async def _last_before(journal: Journal, time: datetime) -> int:
    """The position of the last fact recorded before `time`; 0 if there is none."""
    ((position,),) = await journal.query(_LAST_BEFORE, {"time": time})
    return int(position)


async def _read(journal: Journal, rows: Sequence[Sequence[Any]]) -> list[Fact]:
    stored = [Row(*row) for row in rows]
    events = [_decoded(row) for row in stored]
    people = {person for event in events if event is not None and (person := codec.sealed_for(event))}
    keys = await journal.keys.of(people) if people else {}
    return [_opened(row, event, keys) for row, event in zip(stored, events, strict=True)]


def _decoded(row: Row) -> Event | None:
    try:
        return codec.decode(row.type, row.version, row.payload)
    except (UnknownFact, ValueError):  # written by a newer Daybook, or meddled with
        return None


def _opened(row: Row, event: Event | None, keys: dict[UUID, bytes]) -> Fact:
    try:
        payload = orjson.loads(row.payload)
    except orjson.JSONDecodeError:
        payload = row.payload
    if event is None:
        return Fact(row, None, payload)
    try:
        opened = codec.opened(event, keys)
    except (InvalidTag, ValueError):  # not what was sealed here
        return Fact(row, None, payload)
    texts = {field.name: getattr(opened, field.name) for field in fields(event) if field.name in payload}
    sealed = {name: text for name, text in texts.items() if text != getattr(event, name)}
    return Fact(row, opened, payload | sealed)

"""The view of availability: each space as its rules judge it, and which of its slots are held, by UTC date."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from booking import calendars as held_slots
from booking.calendars import TOLD, Calendar, any_overlaps, crowded
from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingRejected,
    BookingRescheduled,
    Event,
    SpaceEvent,
)
from booking.opening_hours import Stretch
from booking.refusals import Refusal
from booking.slots import Slot, Span
from booking.spaces import Space
from booking.spaces import known as known_space
from journal import folding
from journal.connection import Unavailable
from journal.folding import Named
from journal.giving_way import in_turns
from projections.instants import instant, number
from projections.reading import Views, cursor_after
from projections.spaces import STATE, beyond, by_name
from projections.views import Documents, Form, Lists, View

_ACTIVE = "active"


def touches(event: Event) -> Iterator[Named[Any]]:
    """The documents `event` changes."""
    match event:
        case BookingCreated() | BookingApproved() | BookingRejected() | BookingDeclined() | BookingCancelled():
            yield from folding.calendars(event.space_id, event.held)
        case BookingRescheduled():
            before, after = (folding.calendars(event.space_id, held) for held in (event.hold_before, event.hold))
            yield from {one.tag: one for one in (*before, *after)}.values()
        case _ if isinstance(event, SpaceEvent):
            yield folding.space(event.space_id)


def project(event: Event, one: Named[Any], documents: Documents, to: Lists) -> None:
    """Fold `event` into the space or the calendar, and keep the list of active spaces."""
    before = documents.of(one)
    if isinstance(before, Space) and before.is_active:
        to.strike(_ACTIVE, by_name(before))
    after = documents.fold(event, one)
    if isinstance(after, Space) and after.is_active:
        to.enter(_ACTIVE, by_name(after))


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a booking of a slot would be accepted from an active user whose allowance is not used up, or why not."""

    refusals: Sequence[Refusal]
    conflicting_slots: Sequence[Span]
    position: int

    @property
    def is_available(self) -> bool:
        return not self.refusals


async def of(views: Views, space_id: UUID, slot: Slot, *, now: datetime) -> Availability:
    """How a booking of `slot` made at `now` would be judged. Raises `NotFound` for the space, `Unavailable`."""
    read: Span = slot
    while True:
        space, calendars, position = await _read(views, space_id, slot, read, now)
        known_space(space)
        hold = space.hold(slot)
        if set(hold.dates()) <= set(read.dates()):
            break
        read = hold  # a buffer reaches into another date
    at_most = space.rules.concurrent_bookings
    taken = tuple(held_slots.objections(calendars, hold, at_most=at_most, now=now))
    conflicting = [span for refusal in taken for span in refusal.conflicting_slots]
    return Availability((*space.objections(slot, now=now), *taken), conflicting, position)


async def full(
    views: Views, space_id: UUID, dates: Sequence[date], *, now: datetime
) -> tuple[Space, list[Stretch], int]:
    """The space, when as many as it allows at once are held at `now` on the UTC dates, and the position of both.

    Raises `NotFound`, `Unavailable`.
    """
    space_named = folding.space(space_id)
    calendars_named = [folding.calendar(space_id, day) for day in dates]
    result: list[Stretch] = []
    try:
        (stored, *found), position = await views.documents(
            VIEW, [space_named.tag, *(one.tag for one in calendars_named)]
        )
        space = _space(stored) if stored else space_named.unfolded()
        async for one in in_turns(filter(None, found)):
            result += _full(one, at_most=space.rules.concurrent_bookings, now=now)
    except Unavailable:
        (kept, *calendars), position = await views.from_journal([space_named, *calendars_named])
        space = replace(kept)  # others change what is kept while this one gives way
        async for calendar in in_turns([one.copy() for one in calendars]):
            result += calendar.full(at_most=space.rules.concurrent_bookings, now=now)
    known_space(space)
    return space, result, position


async def active_spaces(views: Views, *, limit: int, cursor: str | None) -> tuple[list[Space], str | None, int]:
    """A page of the spaces that take bookings, by name, where the next begins, and the position.

    Raises `Unavailable`, `BadCursor`.
    """
    stored, last, position = await views.page(VIEW, _ACTIVE, of="space", limit=limit, after=beyond(cursor))
    return [_space(one) async for one in in_turns(stored)], cursor_after(last), position


async def without_conflict(
    views: Views, slot: Slot, spaces: Sequence[Space], *, now: datetime
) -> tuple[list[Space], int]:
    """Those of `spaces` in which `slot` is free at `now`, and the position. Raises `Unavailable`."""
    wanted = [(space, [one.tag for one in folding.calendars(space.id, space.hold(slot))]) for space in spaces]
    stored, position = await views.documents(VIEW, [tag for _, tags in wanted for tag in tags])
    held = dict(zip((tag for _, tags in wanted for tag in tags), stored, strict=True))
    free: list[Space] = []
    async for space, tags in in_turns(wanted):
        hold, at_most = space.hold(slot), space.rules.concurrent_bookings
        calendars = await _crowded((held[tag] for tag in tags), hold, at_most=at_most, now=now)
        if not held_slots.conflicting(calendars, hold, at_most=at_most, now=now):
            free.append(space)
    return free, position


async def _read(
    views: Views, space_id: UUID, slot: Slot, read: Span, now: datetime
) -> tuple[Space, list[Calendar], int]:
    """The space, and of its calendars on the dates of `read` what can matter to `slot`, of one position."""
    space_named, calendars_named = folding.space(space_id), folding.calendars(space_id, read)
    try:
        names = [space_named.tag, *(named.tag for named in calendars_named)]
        (stored, *days), position = await views.documents(VIEW, names)
        space = _space(stored) if stored else space_named.unfolded()
        at_most = space.rules.concurrent_bookings
        return space, await _crowded(days, space.hold(slot), at_most=at_most, now=now), position
    except Unavailable:
        (space, *calendars), position = await views.from_journal([space_named, *calendars_named])
        return space, calendars, position


# Only for queries, which change nothing: the same spaces are asked for again and again.
_space = lru_cache(maxsize=1_024)(STATE.load)


async def _crowded(stored: Iterable[bytes | None], hold: Span, *, at_most: int, now: datetime) -> list[Calendar]:
    """Of the stored calendars what stands in the way of `hold`, as far as it is told: nothing else is made of them."""
    start, end = number(hold.start), number(hold.end)
    result: list[Calendar] = []
    told: set[tuple[int, int]] = set()
    async for one in in_turns(filter(None, stored)):
        day, standing = _standing(one, now)
        held = {id: at for id, at in standing.items() if at[0] < end and start < at[1]}
        if full := crowded([(at[0], at[1]) for at in held.values()], at_most):
            in_the_way = {id: at for id, at in held.items() if any_overlaps(full, at[0], at[1])}
            result.append(_calendar(day, in_the_way))
            told.update((at[0], at[1]) for at in in_the_way.values())
            if len(told) >= TOLD:
                break
    return result


def _full(stored: bytes, *, at_most: int, now: datetime) -> Iterable[Stretch]:
    """What `Calendar.full` says of the stored one, without making any of it."""
    _, standing = _standing(stored, now)
    full = crowded([(at[0], at[1]) for at in standing.values()], at_most)
    return [(instant(start), instant(end)) for start, end in full]


def _standing(stored: bytes, now: datetime) -> tuple[str, dict[str, list[int]]]:
    """The day of a stored calendar, and what is held of it at `now`."""
    document, at = orjson.loads(stored), number(now)
    return document["day"], {id: one for id, one in document["held"].items() if len(one) == 2 or one[2] > at}


def _dump_calendar(calendar: Calendar) -> bytes:
    held = {id: [number(span.start), number(span.end)] for id, span in calendar.held.items()}
    for id, until in calendar.waiting.items():
        held[id].append(number(until))
    return orjson.dumps({"day": calendar.day, "held": held}, option=orjson.OPT_NON_STR_KEYS)


def _load_calendar(stored: bytes) -> Calendar:
    return _calendar(**orjson.loads(stored))


def _calendar(day: str, held: Mapping[str, Sequence[int]]) -> Calendar:
    # Start and end of each, and until when it is held if it waits for an approval.
    spans = {UUID(id): Span(instant(start), instant(end)) for id, (start, end, *_) in held.items()}
    waiting = {UUID(id): instant(until[0]) for id, (_, _, *until) in held.items() if until}
    return Calendar(date.fromisoformat(day), spans, waiting)


VIEW = View(
    "availability",
    3,
    {"space": STATE, "calendar": Form(_dump_calendar, _load_calendar)},
    touches,
    project,
)

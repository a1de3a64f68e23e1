"""The view of availability: each space as its rules judge it, and which of its slots are held, by UTC date."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from booking import calendars as held_slots
from booking.calendars import Calendar
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
from booking.refusals import Refusal
from booking.slots import Slot, Span
from booking.spaces import Space
from booking.spaces import known as known_space
from journal import folding
from journal.connection import Unavailable
from journal.folding import Named
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
        space, calendars, position = await _read(views, space_id, slot, read)
        known_space(space)
        hold = space.hold(slot)
        if set(hold.dates()) <= set(read.dates()):
            break
        read = hold  # a buffer reaches into another date
    at_most = space.rules.concurrent_bookings
    conflicting = held_slots.conflicting(calendars, hold, at_most=at_most, now=now)
    refusals = (*space.objections(slot, now=now), *held_slots.objections(calendars, hold, at_most=at_most, now=now))
    return Availability(refusals, conflicting, position)


async def days(views: Views, space_id: UUID, dates: Sequence[date]) -> tuple[Space, dict[date, Calendar], int]:
    """The space and its calendars of the UTC dates, of one position. Raises `NotFound`, `Unavailable`."""
    space_named = folding.space(space_id)
    calendars_named = [folding.calendar(space_id, day) for day in dates]
    try:
        (stored, *found), position = await views.documents(
            VIEW, [space_named.tag, *(one.tag for one in calendars_named)]
        )
        space = _space(stored) if stored else space_named.unfolded()
        calendars = [_load_calendar(one) if one else Calendar(day) for day, one in zip(dates, found, strict=True)]
    except Unavailable:
        (space, *calendars), position = await views.from_journal([space_named, *calendars_named])
    known_space(space)
    return space, dict(zip(dates, calendars, strict=True)), position


async def active_spaces(views: Views, *, limit: int, cursor: str | None) -> tuple[list[Space], str | None, int]:
    """A page of the spaces that take bookings, by name, where the next begins, and the position.

    Raises `Unavailable`, `BadCursor`.
    """
    stored, last, position = await views.page(VIEW, _ACTIVE, of="space", limit=limit, after=beyond(cursor))
    return [_space(one) for one in stored], cursor_after(last), position


async def without_conflict(
    views: Views, slot: Slot, spaces: Sequence[Space], *, now: datetime
) -> tuple[list[Space], int]:
    """Those of `spaces` in which `slot` is free at `now`, and the position. Raises `Unavailable`."""
    wanted = [(space, [one.tag for one in folding.calendars(space.id, space.hold(slot))]) for space in spaces]
    stored, position = await views.documents(VIEW, [tag for _, tags in wanted for tag in tags])
    held = dict(zip((tag for _, tags in wanted for tag in tags), stored, strict=True))
    free: list[Space] = []
    for space, tags in wanted:
        hold = space.hold(slot)
        calendars = [_overlapping(day, hold) for tag in tags if (day := held[tag])]
        if not held_slots.conflicting(calendars, hold, at_most=space.rules.concurrent_bookings, now=now):
            free.append(space)
    return free, position


async def _read(views: Views, space_id: UUID, slot: Slot, read: Span) -> tuple[Space, list[Calendar], int]:
    """The space, and of its calendars on the dates of `read` what can matter to `slot`, of one position."""
    space_named, calendars_named = folding.space(space_id), folding.calendars(space_id, read)
    try:
        names = [space_named.tag, *(named.tag for named in calendars_named)]
        (stored, *days), position = await views.documents(VIEW, names)
        space = _space(stored) if stored else space_named.unfolded()
        hold = space.hold(slot)
        return space, [_overlapping(day, hold) for day in days if day], position
    except Unavailable:
        (space, *calendars), position = await views.from_journal([space_named, *calendars_named])
        return space, calendars, position


# Only for queries, which change nothing: the same spaces are asked for again and again.
_space = lru_cache(maxsize=1_024)(STATE.load)


def _overlapping(stored: bytes, hold: Span) -> Calendar:
    """The stored calendar, with nothing but what can matter to `hold`: most of a full day does not."""
    document = orjson.loads(stored)
    start, end = number(hold.start), number(hold.end)
    return _calendar(document["day"], {id: at for id, at in document["held"].items() if at[0] < end and start < at[1]})


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

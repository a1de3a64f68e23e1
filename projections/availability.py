"""The view of availability: each space as its rules judge it, and which of its slots are held, by UTC date."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from booking import calendars as held_slots
from booking.calendars import Calendar
from booking.events import (
    BookingCancelled,
    BookingCreated,
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceActivated,
    SpaceCreated,
    SpaceDeactivated,
    SpaceDescribed,
)
from booking.refusals import Refusal
from booking.slots import Slot
from booking.spaces import Space
from booking.spaces import known as known_space
from journal import folding
from journal.connection import Unavailable
from journal.folding import Named
from projections.instants import instant, number
from projections.reading import Views
from projections.views import Documents, Form, Lists, View

_SPACE = TypeAdapter(Space)


def touches(event: Event) -> Iterator[Named[Any]]:
    """The documents `event` changes."""
    match event:
        case BookingCreated() | BookingCancelled():
            yield from folding.calendars(event.space_id, event.slot)
        case (
            SpaceCreated()
            | SpaceDescribed()
            | BookingRulesChanged()
            | OpeningHoursChanged()
            | SpaceDeactivated()
            | SpaceActivated()
        ):
            yield folding.space(event.space_id)


def project(event: Event, one: Named[Any], documents: Documents, to: Lists) -> None:
    """Fold `event` into the space or the calendar."""
    documents.fold(event, one)


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a booking of a slot would be accepted from an active user whose allowance is not used up, or why not."""

    refusals: Sequence[Refusal]
    conflicting_slots: Sequence[Slot]
    position: int

    @property
    def is_available(self) -> bool:
        return not self.refusals


async def of(views: Views, space_id: UUID, slot: Slot, *, now: datetime) -> Availability:
    """How a booking of `slot` made at `now` would be judged. Raises `NotFound` for the space, `Unavailable`."""
    space_named, calendars_named = folding.space(space_id), folding.calendars(space_id, slot)
    space: Space
    calendars: list[Calendar]
    try:
        (stored, *days), position = await views.documents(
            VIEW, [space_named.tag, *(named.tag for named in calendars_named)]
        )
        space = _space(stored) if stored else space_named.unfolded()
        calendars = [_overlapping(day, slot) for day in days if day]
    except Unavailable:
        (space, *calendars), position = await views.from_journal([space_named, *calendars_named])
    known_space(space)
    conflicting = held_slots.conflicting(calendars, slot, at_most=space.rules.concurrent_bookings)
    refusals = (
        *space.objections(slot, now=now),
        *held_slots.objections(calendars, slot, at_most=space.rules.concurrent_bookings),
    )
    return Availability(refusals, conflicting, position)


# Only for queries, which change nothing: the same spaces are asked for again and again.
_space = lru_cache(maxsize=1_024)(_SPACE.validate_json)


def _overlapping(stored: bytes, slot: Slot) -> Calendar:
    """The stored calendar, with none but the slots that can matter to `slot`: most of a full day does not."""
    document = orjson.loads(stored)
    start, end = number(slot.start), number(slot.end)
    return _calendar(document["day"], {id: at for id, at in document["held"].items() if at[0] < end and start < at[1]})


def _dump_calendar(calendar: Calendar) -> bytes:
    held = {id: (number(slot.start), number(slot.end)) for id, slot in calendar.held.items()}
    return orjson.dumps({"day": calendar.day, "held": held}, option=orjson.OPT_NON_STR_KEYS)


def _load_calendar(stored: bytes) -> Calendar:
    return _calendar(**orjson.loads(stored))


def _calendar(day: str, held: Mapping[str, Sequence[int]]) -> Calendar:
    slots = {UUID(id): Slot(instant(start), instant(end)) for id, (start, end) in held.items()}
    return Calendar(date.fromisoformat(day), slots)


VIEW = View(
    "availability",
    1,
    {"space": Form(_SPACE.dump_json, _SPACE.validate_json), "calendar": Form(_dump_calendar, _load_calendar)},
    touches,
    project,
)

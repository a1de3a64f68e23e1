"""The view of availability: each space as its rules judge it, and which of its slots are held, by UTC date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

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
from projections.reading import Views
from projections.views import Documents, Form, Lists, View

_SPACE, _CALENDAR = TypeAdapter(Space), TypeAdapter(Calendar)


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


def project(event: Event, documents: Documents, to: Lists) -> None:
    """Fold `event` into the space or the calendars."""
    for one in touches(event):
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
        calendars = [_calendar(day) for day in days if day]
    except Unavailable:
        (space, *calendars), position = await views.from_journal([space_named, *calendars_named])
    known_space(space)
    conflicting = held_slots.conflicting(calendars, slot, at_most=space.rules.concurrent_bookings)
    refusals = (
        *space.objections(slot, now=now),
        *held_slots.objections(calendars, slot, at_most=space.rules.concurrent_bookings),
    )
    return Availability(refusals, conflicting, position)


# Only for queries, which change nothing: the same spaces and days are asked for again and again.
_space = lru_cache(maxsize=1_024)(_SPACE.validate_json)
_calendar = lru_cache(maxsize=1_024)(_CALENDAR.validate_json)

VIEW = View(
    "availability",
    1,
    {
        "space": Form(_SPACE.dump_json, _SPACE.validate_json),
        "calendar": Form(_CALENDAR.dump_json, _CALENDAR.validate_json),
    },
    touches,
    project,
)

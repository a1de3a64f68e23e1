"""The view of utilisation: how long each space is booked on each of its local dates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from pydantic import TypeAdapter

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
from booking.opening_hours import joined
from booking.slots import Slot, Span
from booking.spaces import Space
from booking.zones import day_start, zone
from journal import folding
from journal.folding import Named
from projections.reading import Views, cursor_after, entry_before
from projections.spaces import by_name
from projections.views import LIMIT, Documents, Form, Lists, View

LONGEST_RANGE = timedelta(days=366)

_SPACE = TypeAdapter(Space)
_CHANGING = BookingCreated | BookingRescheduled | BookingApproved | BookingRejected | BookingDeclined | BookingCancelled
_ALL = "all"
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(slots=True)
class Booked:
    """The seconds booked of one space on the local dates of one month, `YYYY-MM`; dates without any are not there.

    A booking that waits for an approval is not booked yet: it is among those in `waiting`.
    """

    month: str
    seconds: dict[str, int] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def fold(self, event: Event) -> None:
        """What a slot adds is known only with the space's zone: `add` does it."""

    def add(self, slot: Slot, tz: ZoneInfo, *, sign: int) -> None:
        """Add the slot, or with -1 take it away again."""
        for day, seconds in _by_local_date(slot, tz):
            name = day.isoformat()
            if name.startswith(self.month):
                self.seconds[name] = self.seconds.get(name, 0) + sign * seconds
                if not self.seconds[name]:
                    del self.seconds[name]


def touches(event: Event) -> Iterator[Named[Any]]:
    """The documents `event` changes, and the space it has to be seen with."""
    match event:
        case BookingCreated() | BookingApproved() | BookingRejected() | BookingDeclined() | BookingCancelled():
            yield folding.space(event.space_id)
            yield from _months(event.space_id, event.slot)
        case BookingRescheduled():
            yield folding.space(event.space_id)
            months = (*_months(event.space_id, event.slot_before), *_months(event.space_id, event.slot))
            yield from {one.tag: one for one in months}.values()
        case _ if isinstance(event, SpaceEvent):
            yield folding.space(event.space_id)


def project(event: Event, one: Named[Any], documents: Documents, to: Lists) -> None:
    """Fold a space's fact into it; add what a booking's slot books, and take away what is given back."""
    if isinstance(event, SpaceEvent):
        before = documents.of(one)
        if before.revision:
            to.strike(_ALL, by_name(before))
        to.enter(_ALL, by_name(documents.fold(event, one)))
        return
    booked = documents.of(one)
    if not isinstance(booked, Booked) or not isinstance(event, _CHANGING):
        return
    documents.fold(event, one)
    tz = zone(documents.of(folding.space(event.space_id)).timezone)
    id = str(event.booking_id)
    waited = id in booked.waiting
    if waited:
        booked.waiting.remove(id)
    match event:
        case BookingCancelled() if not waited:
            booked.add(event.slot, tz, sign=-1)
        case BookingRescheduled() if not waited:
            booked.add(event.slot_before, tz, sign=-1)
    match event:
        case BookingCreated() | BookingRescheduled() if event.decide_by is not None:
            if one.tag in {month.tag for month in _months(event.space_id, event.slot)}:
                booked.waiting.append(id)
        case BookingCreated() | BookingRescheduled() | BookingApproved():
            booked.add(event.slot, tz, sign=1)


@dataclass(frozen=True, slots=True)
class Use:
    """How many minutes are booked, of how many open ones by the hours in force now; of a space or of a date."""

    of: Space | date
    booked_minutes: int
    open_minutes: int


@dataclass(frozen=True, slots=True)
class Utilisation:
    """One page of spaces, or of the same spaces together date by date."""

    uses: Sequence[Use]
    cursor: str | None
    position: int


async def utilisation(
    views: Views, first: date, last: date, *, by_day: bool, limit: int = LIMIT, cursor: str | None = None
) -> Utilisation:
    """The use of a page of spaces, by name, on the local dates `first` to `last`, both included.

    Raises `Unavailable`, `BadCursor`.
    """
    after = b"(%b" % entry_before(cursor) if cursor else b"-"
    stored, behind, position = await views.page(VIEW, _ALL, of="space", limit=limit, after=after)
    spaces = [_SPACE.validate_json(one) for one in stored]
    months = list(_months_between(first, last))
    names = [_tag(space.id, month) for space in spaces for month in months]
    if names:
        found, held_at = await views.documents(VIEW, names)
        position = min(position, held_at)
    else:
        found = []
    booked = [_load_booked(one) if one else Booked("") for one in found]
    days = [first + n * _DAY for n in range((last - first).days + 1)]
    by_space = {
        space.id: {
            day: (sum(one.seconds.get(day.isoformat(), 0) for one in own), _open_seconds(space, day)) for day in days
        }
        for space, own in zip(spaces, _in_groups(booked, len(months)), strict=True)
    }
    groups: list[tuple[Space | date, list[tuple[int, int]]]] = (
        [(day, [by_space[space.id][day] for space in spaces]) for day in days]
        if by_day
        else [(space, list(by_space[space.id].values())) for space in spaces]
    )
    uses = [Use(of, sum(b for b, _ in each) // 60, sum(o for _, o in each) // 60) for of, each in groups]
    return Utilisation(uses, cursor_after(behind), position)


def _open_seconds(space: Space, day: date) -> int:
    """How long the space is open on a local date, also by a window of the day before that passes midnight."""
    tz = zone(space.timezone)
    start, end = day_start(day, tz), day_start(day + _DAY, tz)
    if start == end:
        return 0
    stretches = joined(
        (max(start, a), min(end, b)) for a, b in space.open_during(Span(start, end)) if a < end and start < b
    )
    return sum(int((b - a).total_seconds()) for a, b in stretches)


def _by_local_date(slot: Slot, tz: ZoneInfo) -> Iterator[tuple[date, int]]:
    """The local dates of the slot, and the elapsed seconds of each."""
    day = slot.start.astimezone(tz).date()
    at = slot.start
    while at < slot.end:
        until = min(slot.end, day_start(day + _DAY, tz))
        if at < until:
            yield day, int((until - at).total_seconds())
            at = until
        day += _DAY


def _months(space_id: UUID, slot: Slot) -> Iterator[Named[Booked]]:
    """The documents of every month some zone may see a date of the slot in."""
    for month in _months_between(slot.start.date() - _DAY, slot.end.date() + _DAY):
        yield Named(_tag(space_id, month), lambda month=month: Booked(month))  # type: ignore[misc]


def _months_between(first: date, last: date) -> Iterator[str]:
    month = first.replace(day=1)
    while month <= last:
        yield f"{month:%Y-%m}"
        month = (month + 31 * _DAY).replace(day=1)


def _tag(space_id: UUID, month: str) -> str:
    return f"booked:{space_id}/{month}"


def _in_groups(booked: Sequence[Booked], size: int) -> Iterator[Sequence[Booked]]:
    return (booked[n : n + size] for n in range(0, len(booked), size))


def _dump_booked(booked: Booked) -> bytes:
    return orjson.dumps({"month": booked.month, "seconds": booked.seconds, "waiting": booked.waiting})


def _load_booked(stored: bytes) -> Booked:
    return Booked(**orjson.loads(stored))


VIEW = View(
    "utilisation",
    2,
    {"space": Form(_SPACE.dump_json, _SPACE.validate_json), "booked": Form(_dump_booked, _load_booked)},
    touches,
    project,
)

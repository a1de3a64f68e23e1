"""The view of utilisation: how long each space is booked on each of its local dates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from operator import add
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

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
from booking.opening_hours import Window, joined, stretches
from booking.slots import Slot
from booking.spaces import Space
from booking.zones import day_start, zone
from journal import folding
from journal.folding import Named
from journal.giving_way import in_turns
from projections.reading import Views, cursor_after
from projections.spaces import STATE, beyond, by_name
from projections.views import LIMIT, Documents, Form, Lists, View

_CHANGING = BookingCreated | BookingRescheduled | BookingApproved | BookingRejected | BookingDeclined | BookingCancelled
_ALL = "all"
_DAY = timedelta(days=1)
_ANY_DAY = date(2026, 1, 1)


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
    stored, behind, position = await views.page(VIEW, _ALL, of="space", limit=limit, after=beyond(cursor))
    spaces = [STATE.load(one) async for one in in_turns(stored)]
    months = list(_months_between(first, last))
    tags = [_tag(space.id, month) for space in spaces for month in months]
    found: Sequence[bytes | None] = []
    if tags:
        found, held_at = await views.documents(VIEW, tags)
        position = min(position, held_at)
    days = [first + n * _DAY for n in range((last - first).days + 1)]
    names = [day.isoformat() for day in days]
    uses: list[Use] = []
    booked_by_day, open_by_day = [0] * len(days), [0] * len(days)
    async for space, own in in_turns(zip(spaces, _in_groups(found, len(months)), strict=True)):
        seconds = {name: number for one in own if one for name, number in _load_booked(one).seconds.items()}
        booked, opened = [seconds.get(name, 0) for name in names], _open_seconds(space, days)
        if by_day:
            booked_by_day = list(map(add, booked_by_day, booked))
            open_by_day = list(map(add, open_by_day, opened))
        else:
            uses.append(Use(space, sum(booked) // 60, sum(opened) // 60))
    if by_day:
        together = zip(days, booked_by_day, open_by_day, strict=True)
        uses = [Use(day, booked // 60, opened // 60) for day, booked, opened in together]
    return Utilisation(uses, cursor_after(behind), position)


def _open_seconds(space: Space, days: Sequence[date]) -> list[int]:
    """How long the space is open on each of successive local dates."""
    tz, hours, special = zone(space.timezone), space.opening_hours, space.special
    windows = pairwise(hours.on(day, special) for day in (days[0] - _DAY, *days))
    # Mostly the space's clock runs as UTC's does: few windows are reckoned with, however many dates are asked for.
    return [
        _open_on(*both, _ANY_DAY, zone("UTC")) if _is_plain(day, tz) else _open_on(*both, day, tz)
        for day, both in zip(days, windows, strict=True)
    ]


@lru_cache(maxsize=16_384)
def _open_on(before: tuple[Window, ...], own: tuple[Window, ...], day: date, tz: ZoneInfo) -> int:
    """For how many seconds of a local date its windows, and those of the day before that pass midnight, are open."""
    start, end = day_start(day, tz), day_start(day + _DAY, tz)
    opened = (*stretches(before, day - _DAY, tz), *stretches(own, day, tz))
    on_it = joined((max(start, a), min(end, b)) for a, b in opened if a < end and start < b)
    return sum(int((b - a).total_seconds()) for a, b in on_it)


@lru_cache(maxsize=16_384)
def _is_plain(day: date, tz: ZoneInfo) -> bool:
    """Whether no clock is put forward or back on a local date or on the day before."""
    before, start, end = (day_start(day + n * _DAY, tz) for n in (-1, 0, 1))
    return start - before == end - start == _DAY


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


def _in_groups(found: Sequence[bytes | None], size: int) -> Iterator[Sequence[bytes | None]]:
    return (found[n : n + size] for n in range(0, len(found), size))


def _dump_booked(booked: Booked) -> bytes:
    return orjson.dumps({"month": booked.month, "seconds": booked.seconds, "waiting": booked.waiting})


def _load_booked(stored: bytes) -> Booked:
    return Booked(**orjson.loads(stored))


VIEW = View(
    "utilisation",
    2,
    {"space": STATE, "booked": Form(_dump_booked, _load_booked)},
    touches,
    project,
)

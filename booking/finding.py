"""Finding a slot: which ones a booking could be made of right now, by the same rules that will judge it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

from booking import calendars as held_slots
from booking.calendars import Calendar
from booking.opening_hours import stretches
from booking.slots import BadSlot, Slot, Span
from booking.spaces import Space
from booking.zones import day_start, zone

_DAY = timedelta(days=1)


def bookable(
    space: Space, calendars: Mapping[date, Calendar], day: date, *, duration: timedelta, step: timedelta, now: datetime
) -> Iterator[Slot]:
    """The slots of a local date that would be accepted at `now` from a user who may hold one more, by their start.

    They begin every `step` of elapsed time from each opening. `calendars` are those of `dates_of(space, day, …)`.
    """
    tz = zone(space.timezone)
    first, beyond = day_start(day, tz), day_start(day + _DAY, tz)
    # A window of the day before may pass midnight.
    windows = (one for d in (day - _DAY, day) for one in stretches(space.opening_hours.on(d, space.special), d, tz))
    starts = {start for window in windows for start in _grid(*window, step) if first <= start < beyond}
    for start in sorted(starts):
        try:
            slot = Slot(start, start + duration)
        except BadSlot:
            return
        if not any(space.objections(slot, now=now)) and _fits(space, calendars, space.hold(slot), now):
            yield slot


def dates_of(space: Space, day: date, duration: timedelta) -> list[date]:
    """The UTC dates that bookings beginning on a local date hold."""
    tz = zone(space.timezone)
    rules = space.rules
    start = day_start(day, tz) - rules.buffer_before
    beyond = day_start(day + _DAY, tz) + duration + rules.buffer_after
    return [start.date() + n * _DAY for n in range((beyond.date() - start.date()).days + 1)]


def nearest(slots: Iterable[Slot], wanted: Slot, *, at_most: int) -> list[Slot]:
    """Those of `slots` that begin nearest to `wanted`, the earlier of two as near, in order of time."""
    by_distance = sorted(slots, key=lambda slot: (abs(slot.start - wanted.start), slot.start))
    return sorted(by_distance[:at_most])


def step_of(space: Space) -> timedelta:
    """How far starts are apart where nobody says: a shortest booking, from 15 minutes to an hour."""
    return min(max(space.rules.min_duration, timedelta(minutes=15)), timedelta(hours=1))


def _grid(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


def _fits(space: Space, calendars: Mapping[date, Calendar], hold: Span, now: datetime) -> bool:
    return not held_slots.conflicting(
        (calendars[day] for day in hold.dates()), hold, at_most=space.rules.concurrent_bookings, now=now
    )

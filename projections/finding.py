"""Finding a slot: queries over the availability view that look at more than one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import orjson

from booking import finding
from booking.calendars import Calendar
from booking.slots import Slot
from booking.spaces import Space
from booking.zones import zone
from projections import availability
from projections.reading import Page, Views

DAYS_AT_ONCE = 14
"""Local days whose calendars are read together while the next free slot is looked for."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Found:
    """Slots that a booking would be accepted of, as of a position."""

    slots: Sequence[Slot]
    position: int


async def bookable(
    views: Views, space_id: UUID, day: date, *, duration: timedelta | None, step: timedelta | None, now: datetime
) -> Found:
    """The bookable slots of a local date, of the shortest allowed length unless a `duration` is given.

    Raises `NotFound`, `Unavailable`.
    """
    space, calendars, position = await _days(views, space_id, [day], duration)
    duration = duration or space.rules.min_duration
    slots = finding.bookable(space, calendars, day, duration=duration, step=step or finding.step_of(space), now=now)
    return Found(list(slots), position)


async def next_available(
    views: Views, space_id: UUID, *, duration: timedelta | None, after: datetime, now: datetime
) -> Found:
    """The first bookable slot that begins at `after` or later; none when the space's horizon holds no more.

    Raises `NotFound`, `Unavailable`.
    """
    space, _, position = await availability.days(views, space_id, [])
    tz = zone(space.timezone)
    first = max(after, now).astimezone(tz).date()
    last = now.astimezone(tz).date() + space.rules.max_advance_days * _DAY
    while first <= last:
        days = [first + n * _DAY for n in range(min(DAYS_AT_ONCE, (last - first).days + 1))]
        space, calendars, position = await _days(views, space_id, days, duration)
        for day in days:
            wanted = duration or space.rules.min_duration
            slots = finding.bookable(space, calendars, day, duration=wanted, step=finding.step_of(space), now=now)
            for slot in slots:
                if slot.start >= after:
                    return Found([slot], position)
        first = days[-1] + _DAY
    return Found([], position)


async def spaces(
    views: Views, slot: Slot, *, fits: Callable[[Space], bool], limit: int, cursor: str | None, now: datetime
) -> Page:
    """The spaces that `fits` finds fit and of which a booking of `slot` would be accepted at `now`, by name.

    A page looks at so many spaces and may be short, or empty, with more behind it. Raises `Unavailable`, `BadCursor`.
    """
    offered, after, position = await availability.active_spaces(views, limit=limit, cursor=cursor)
    fit = [space for space in offered if fits(space) and not any(space.objections(slot, now=now))]
    if fit:
        fit, held_at = await availability.without_conflict(views, slot, fit, now=now)
        position = min(position, held_at)
    return Page([orjson.dumps(space.document(), option=orjson.OPT_UTC_Z) for space in fit], after, position)


async def _days(
    views: Views, space_id: UUID, days: Sequence[date], duration: timedelta | None
) -> tuple[Space, Mapping[date, Calendar], int]:
    """The space, and its calendars of every UTC date that bookings beginning on the local `days` may hold.

    Both of one position: rules that changed since they told which dates to read may ask for more of them.
    """
    read: set[date] = set()
    while True:
        space, calendars, position = await availability.days(views, space_id, sorted(read))
        wanted = duration or space.rules.min_duration
        dates = {held for day in days for held in finding.dates_of(space, day, wanted)}
        if dates <= read:
            return space, calendars, position
        read |= dates

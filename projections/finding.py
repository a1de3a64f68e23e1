"""Finding a slot: queries over the availability view that look at more than one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import orjson

from booking import finding
from booking.finding import Search
from booking.slots import Slot
from booking.spaces import Space
from booking.zones import zone
from journal.giving_way import in_pieces, in_turns
from projections import availability
from projections.reading import Page, Views

DAYS_AT_ONCE = 14
"""Local days whose calendars are read together while the next free slot is looked for."""

CALENDARS_AT_ONCE = 200
"""Calendars looked at for one page of spaces: the longer the slot, the fewer spaces."""

DAYS_LOOKED_AT = 366
"""Local days in which it is looked for: a horizon may be ten years, and each of its days busy."""

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
    search, space, position = await _search(views, space_id, [day], duration, now)
    starts = search.starts(day, step or finding.step_of(space))
    return Found([slot async for some in in_pieces(starts) for slot in search.judged(some)], position)


async def next_available(
    views: Views, space_id: UUID, *, duration: timedelta | None, after: datetime, now: datetime
) -> Found:
    """The first bookable slot that begins at `after` or later, in the `DAYS_LOOKED_AT` from there.

    None when the space's horizon, or these days, hold no more. Raises `NotFound`, `Unavailable`.
    """
    space, _, position = await availability.full(views, space_id, [], now=now)
    if any(space.objections_to_any(duration or space.rules.min_duration)):
        return Found([], position)
    tz = zone(space.timezone)
    first = max(after, space.earliest_start(now)).astimezone(tz).date()
    last = min(space.last_date(now), first + (DAYS_LOOKED_AT - 1) * _DAY)
    while first <= last:
        days = [first + n * _DAY for n in range(min(DAYS_AT_ONCE, (last - first).days + 1))]
        search, space, position = await _search(views, space_id, days, duration, now)
        async for day in in_turns(days):
            starts = (start for start in search.starts(day, finding.step_of(space)) if start >= after)
            for slot in search.judged(starts):
                return Found([slot], position)
        first = search.not_before(days[-1] + _DAY)
    return Found([], position)


async def spaces(
    views: Views, slot: Slot, *, fits: Callable[[Space], bool], limit: int, cursor: str | None, now: datetime
) -> Page:
    """The spaces that `fits` finds fit and of which a booking of `slot` would be accepted at `now`, by name.

    A page looks at so many spaces and may be short, or empty, with more behind it. Raises `Unavailable`, `BadCursor`.
    """
    at_most = min(limit, max(1, CALENDARS_AT_ONCE // len(slot.dates())))
    offered, after, position = await availability.active_spaces(views, limit=at_most, cursor=cursor)
    fit = [space async for space in in_turns(offered) if fits(space) and not any(space.objections(slot, now=now))]
    if fit:
        fit, held_at = await availability.without_conflict(views, slot, fit, now=now)
        position = min(position, held_at)
    items = [orjson.dumps(space.document(), option=orjson.OPT_UTC_Z) async for space in in_turns(fit)]
    return Page(items, after, position)


async def _search(
    views: Views, space_id: UUID, days: Sequence[date], duration: timedelta | None, now: datetime
) -> tuple[Search, Space, int]:
    """A search on the local `days`, the space and the position.

    Both of one position: rules that changed since they told which dates to read may ask for more of them.
    """
    read: set[date] = set()
    while True:
        space, full, position = await availability.full(views, space_id, sorted(read), now=now)
        wanted = duration or space.rules.min_duration
        dates: set[date] = set()
        if not any(space.objections_to_any(wanted)):
            dates = {held for day in days for held in finding.dates_of(space, day, wanted)}
        if dates <= read:
            return Search(space, days, full, duration=wanted, now=now), space, position
        read |= dates

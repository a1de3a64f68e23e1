"""Opening hours: when a space is open on its own wall clock, and which UTC instants that means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from booking.slots import Slot
from booking.zones import day_start, first_instant, last_instant

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAY = timedelta(days=1)

Stretch = tuple[datetime, datetime]
"""`[start, end)` in UTC; unlike a slot it may be of any length."""


class BadOpeningHours(ValueError):
    """The times given are no opening hours."""


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `opens` until `closes`, both `HH:MM` on the wall clock; `closes` may be `24:00`, the end of the day.

    A window that closes no later than it opens passes midnight. Raises `BadOpeningHours`.
    """

    opens: str
    closes: str

    def __post_init__(self) -> None:
        if not _CLOCK.fullmatch(self.opens):
            raise BadOpeningHours(f"opens must be HH:MM from 00:00 to 23:59, not {self.opens!r}")
        if self.closes != "24:00" and not _CLOCK.fullmatch(self.closes):
            raise BadOpeningHours(f"closes must be HH:MM from 00:00 to 24:00, not {self.closes!r}")

    def instants(self, day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
        """Opening and closing on the local date `day`, in UTC; equal when the day leaves the window no time.

        In a gap both are the transition; of a repeated time the first opens and the last closes.
        """
        start = first_instant(_at(day, self.opens), tz)
        if self.closes == "24:00":
            return start, day_start(day + _DAY, tz)
        return start, last_instant(_at(day if self.closes > self.opens else day + _DAY, self.closes), tz)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """The windows of each weekday, on which they begin; a weekday without any is closed."""

    mon: tuple[Window, ...] = ()
    tue: tuple[Window, ...] = ()
    wed: tuple[Window, ...] = ()
    thu: tuple[Window, ...] = ()
    fri: tuple[Window, ...] = ()
    sat: tuple[Window, ...] = ()
    sun: tuple[Window, ...] = ()

    @classmethod
    def daily(cls, opens: str, closes: str) -> "OpeningHours":
        """The same one window every day."""
        return cls(**dict.fromkeys(WEEKDAYS, (Window(opens, closes),)))

    def on(self, day: date) -> tuple[Window, ...]:
        """The windows that begin on a date of this weekday."""
        windows: tuple[Window, ...] = getattr(self, WEEKDAYS[day.weekday()])
        return windows

    def open_during(self, slot: Slot, tz: ZoneInfo) -> list[Stretch]:
        """The open stretches of the slot's local dates and of the day before, in order, joined where they touch."""
        day, last = slot.start.astimezone(tz).date() - _DAY, slot.end.astimezone(tz).date()
        days = (day + n * _DAY for n in range((last - day).days + 1))
        return joined(stretch for day in days for stretch in _stretches(self.on(day), day, tz))

    def cover(self, slot: Slot, tz: ZoneInfo) -> bool:
        """Whether the space is open without a break from the slot's start to its end."""
        day = slot.start.astimezone(tz).date()
        return _one_covers(slot, _stretches(self.on(day), day, tz)) or _one_covers(slot, self.open_during(slot, tz))


def _one_covers(slot: Slot, stretches: Iterable[Stretch]) -> bool:
    return any(start <= slot.start and slot.end <= end for start, end in stretches)


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same open time in order, as the fewest stretches."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((start, end))
    return result


# The same few windows and days are asked for at every booking, and a wall clock costs ten times a look-up.
@lru_cache(maxsize=16_384)
def _stretches(windows: tuple[Window, ...], day: date, tz: ZoneInfo) -> tuple[Stretch, ...]:
    if day_start(day, tz) == day_start(day + _DAY, tz):
        return ()  # a date the zone skipped: no window begins on it
    instants = (window.instants(day, tz) for window in windows)
    return tuple((start, end) for start, end in instants if start < end)


def _at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock))

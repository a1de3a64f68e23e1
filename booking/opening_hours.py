"""Opening hours: when a space is open on its own wall clock, and which UTC instants that means."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import TypeVar
from zoneinfo import ZoneInfo

from booking.slots import Slot, Span
from booking.zones import day_start, first_instant, last_instant

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAY = timedelta(days=1)

At = TypeVar("At", datetime, int)
"""An instant, or the number that stands for one."""

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


Special = Mapping[date, tuple[Window, ...]]
"""Local dates that do not keep their weekday's windows; one without any is closed."""

NOTHING_SPECIAL: Special = {}


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

    def on(self, day: date, special: Special = NOTHING_SPECIAL) -> tuple[Window, ...]:
        """The windows that begin on a local date: its special ones, else its weekday's."""
        windows: tuple[Window, ...] | None = special.get(day)
        return getattr(self, WEEKDAYS[day.weekday()]) if windows is None else windows

    def open_during(self, span: Span, tz: ZoneInfo, special: Special = NOTHING_SPECIAL) -> list[Stretch]:
        """The open stretches of the span's local dates and of the day before, in order, joined where they touch."""
        first, last = span.start.astimezone(tz).date() - _DAY, span.end.astimezone(tz).date()
        return self.open_between(first, last, tz, special)

    def open_between(self, first: date, last: date, tz: ZoneInfo, special: Special = NOTHING_SPECIAL) -> list[Stretch]:
        """The open stretches that begin on the local dates `first` to `last`, in order, joined where they touch."""
        days = (first + n * _DAY for n in range((last - first).days + 1))
        return joined(stretch for day in days for stretch in stretches(self.on(day, special), day, tz))

    def cover(self, slot: Slot, tz: ZoneInfo, special: Special = NOTHING_SPECIAL) -> bool:
        """Whether the space is open without a break from the slot's start to its end."""
        day = slot.start.astimezone(tz).date()
        own = stretches(self.on(day, special), day, tz)
        return any(start <= slot.start and slot.end <= end for start, end in own) or one_covers(
            self.open_during(slot, tz, special), slot.start, slot.end
        )


def one_covers(stretches: Sequence[Stretch], start: datetime, end: datetime) -> bool:
    """Whether one of the stretches, which are in order and apart, lasts from `start` to `end`."""
    at = bisect_right(stretches, start, key=_END)
    return at < len(stretches) and stretches[at][0] <= start and end <= stretches[at][1]


_END = itemgetter(1)


def joined(stretches: Iterable[tuple[At, At]]) -> list[tuple[At, At]]:
    """The same time in order, as the fewest stretches."""
    result: list[tuple[At, At]] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((start, end))
    return result


# The same few windows and days are asked for at every booking, and a wall clock costs ten times a look-up.
@lru_cache(maxsize=16_384)
def stretches(windows: tuple[Window, ...], day: date, tz: ZoneInfo) -> tuple[Stretch, ...]:
    """When the windows that begin on a local date are open, each by itself."""
    if day_start(day, tz) == day_start(day + _DAY, tz):
        return ()  # a date the zone skipped: no window begins on it
    instants = (window.instants(day, tz) for window in windows)
    return tuple((start, end) for start, end in instants if start < end)


def _at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock))

"""Wall clocks watched minute by minute, to work out without any arithmetic of wall times what the rules say."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from hypothesis import strategies as st

from booking.opening_hours import WEEKDAYS, OpeningHours, Special, Window
from booking.zones import zone

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

DAYS_OF_CHANGE = [
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Havana", date(2026, 3, 8)),
    ("America/Havana", date(2025, 11, 2)),
    ("America/Nuuk", date(2026, 3, 28)),
    ("America/Nuuk", date(2026, 10, 24)),
    ("America/Santiago", date(2026, 4, 4)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Africa/Cairo", date(2026, 10, 29)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Antarctica/Troll", date(2026, 3, 29)),
    ("Antarctica/Troll", date(2026, 10, 25)),
    ("Atlantic/Azores", date(2026, 3, 29)),
    ("Atlantic/Azores", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Chatham", date(2026, 4, 5)),
    ("Pacific/Chatham", date(2026, 9, 27)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2026, 6, 10)),
    ("Pacific/Kiritimati", date(2026, 6, 10)),
    ("Pacific/Pago_Pago", date(2026, 6, 10)),
]
"""Zones and the days on which their clocks go forward and back, at midnight and beside it, by 30 minutes to a day."""


edges = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
clocks = edges.map(lambda edge: f"{edge:%H:%M}")
windows = st.builds(Window, clocks, clocks | st.just("24:00"))
some_windows = st.lists(windows, max_size=2).map(tuple)
weeks = st.builds(OpeningHours, **dict.fromkeys(WEEKDAYS, some_windows))
specials = st.dictionaries(st.integers(-2, 2), some_windows, max_size=2)
"""Windows of single dates, by how many days they are from the day of change."""


class WallClock:
    """What a clock on the wall of a zone shows in each minute of the days around a date."""

    def __init__(self, name: str, around: date) -> None:
        tz, self.around, self.start = zone(name), around, datetime.combine(around - 4 * DAY, time(), UTC)
        self.shows = [(self.start + n * MINUTE).astimezone(tz).replace(tzinfo=None) for n in range(9 * 24 * 60)]
        self.first = {wall: n for n, wall in reversed([*enumerate(self.shows)])}
        self.last = {wall: n for n, wall in enumerate(self.shows)}
        self.end_of = {wall.date(): n + 1 for n, wall in enumerate(self.shows)}

    def past(self, wall: datetime) -> int:
        """The first minute in which the clock shows more than `wall`."""
        return next(n for n, shown in enumerate(self.shows) if shown > wall)

    def opening(self, day: date, window: Window) -> int:
        opens = datetime.combine(day, time.fromisoformat(window.opens))
        return self.first[opens] if opens in self.first else self.past(opens)

    def closing(self, day: date, window: Window) -> int:
        """The first minute in which the window is closed again."""
        if window.closes == "24:00":
            return self.end_of[day]
        closes = datetime.combine(day if window.closes > window.opens else day + DAY, time.fromisoformat(window.closes))
        return self.last[closes] if closes in self.last else self.past(closes)

    def open_minutes(self, week: OpeningHours, special: Special) -> set[int]:
        """The minutes in which a space is open, as far as a slot from the day before to the day after can ask."""
        return {n for opens, closes in self._windows(week, special) for n in range(opens, closes)}

    def starts(self, week: OpeningHours, special: Special, day: date, step: int) -> list[int]:
        """The minutes of a local date that are so many minutes, or a multiple of it, after an opening."""
        grid = {n for opens, closes in self._windows(week, special) for n in range(opens, closes, step)}
        return sorted(n for n in grid if self.shows[n].date() == day)

    def _windows(self, week: OpeningHours, special: Special) -> Iterator[tuple[int, int]]:
        for day in (self.around + n * DAY for n in range(-3, 3)):
            if day in self.end_of:
                for window in special[day] if day in special else getattr(week, f"{day:%a}".lower()):
                    yield self.opening(day, window), self.closing(day, window)


watched = cache(WallClock)

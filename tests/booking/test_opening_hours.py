"""Opening hours: what they may say, and which instants they mean."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.opening_hours import WEEKDAYS, BadOpeningHours, OpeningHours, Window, joined
from booking.slots import Slot
from booking.zones import zone
from tests.examples import ALWAYS_OPEN, MONDAY, OFFICE_HOURS, TUESDAY, at, hours

UTC_ZONE = zone("UTC")
DAY, QUARTER, MINUTE = timedelta(days=1), timedelta(minutes=15), timedelta(minutes=1)


@pytest.mark.parametrize("opens", ["24:00", "8:00", "08:60", "08:00:00", "0800", "", "08:00\n", "-1:00", "٠٨:٠٠"])
def test_a_window_opens_at_a_time_of_day(opens: str):
    with pytest.raises(BadOpeningHours, match="opens must be HH:MM"):
        Window(opens, "22:00")


@pytest.mark.parametrize("closes", ["24:01", "25:00", "8:00", "22:60", "", "24:00\n"])
def test_a_window_closes_at_a_time_of_day_or_at_its_end(closes: str):
    with pytest.raises(BadOpeningHours, match="closes must be HH:MM"):
        Window("08:00", closes)


def test_each_weekday_has_its_own_windows():
    day_of_each = [Window(f"0{n}:00", "12:00") for n in range(7)]
    opening_hours = OpeningHours(**{day: (window,) for day, window in zip(WEEKDAYS, day_of_each, strict=True)})

    assert [opening_hours.on(MONDAY + n * DAY) for n in range(7)] == [(window,) for window in day_of_each]


def test_daily_hours_are_the_same_on_every_weekday():
    assert {OFFICE_HOURS.on(MONDAY + n * DAY) for n in range(7)} == {(Window("08:00", "22:00"),)}


def test_several_windows_of_a_day_leave_the_time_between_closed():
    split = OpeningHours(mon=(Window("14:00", "18:00"), Window("08:00", "12:00")))

    assert split.cover(hours(8, 12), UTC_ZONE)
    assert split.cover(hours(14, 18), UTC_ZONE)
    assert not split.cover(hours(11, 15), UTC_ZONE)
    assert not split.cover(hours(12, 14), UTC_ZONE)
    assert split.open_during(hours(11, 15), UTC_ZONE) == [(at(8), at(12)), (at(14), at(18))]


@pytest.mark.parametrize("between", ["12:00", "13:00"])
def test_windows_that_touch_or_overlap_are_one(between: str):
    opening_hours = OpeningHours(mon=(Window("08:00", between), Window("12:00", "18:00")))

    assert opening_hours.cover(hours(8, 18), UTC_ZONE)
    assert opening_hours.open_during(hours(8, 18), UTC_ZONE) == [(at(8), at(18))]


@pytest.mark.parametrize(
    "around_the_clock", [ALWAYS_OPEN, OpeningHours.daily("00:00", "00:00"), OpeningHours.daily("09:30", "09:30")]
)
def test_a_space_open_all_day_every_day_is_open_without_a_break(around_the_clock: OpeningHours):
    assert around_the_clock.cover(hours(3, 31 * 24), UTC_ZONE)


def test_a_window_past_midnight_belongs_to_the_weekday_it_begins_on():
    monday_night = OpeningHours(mon=(Window("22:00", "03:00"),))

    assert monday_night.cover(hours(22, 27), UTC_ZONE)
    assert monday_night.cover(hours(0, 3, TUESDAY), UTC_ZONE)
    assert not monday_night.cover(hours(0, 3, MONDAY), UTC_ZONE)
    assert not monday_night.cover(hours(22, 23, TUESDAY), UTC_ZONE)


def test_a_day_without_windows_is_closed():
    monday_only = OpeningHours(mon=(Window("00:00", "24:00"),))

    assert monday_only.cover(hours(0, 24), UTC_ZONE)
    assert not monday_only.cover(hours(23, 25), UTC_ZONE)
    assert not monday_only.cover(hours(10, 12, TUESDAY), UTC_ZONE)


def test_stretches_are_joined_in_order():
    assert joined([(at(5), at(6)), (at(1), at(4)), (at(2), at(3)), (at(4), at(5))]) == [(at(1), at(6))]
    assert joined([(at(5), at(6)), (at(1), at(4))]) == [(at(1), at(4)), (at(5), at(6))]
    assert joined([]) == []


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
weeks = st.builds(OpeningHours, **dict.fromkeys(WEEKDAYS, st.lists(windows, max_size=2).map(tuple)))


def near_a_quarter(least: int, most: int) -> st.SearchStrategy[timedelta]:
    """So many quarters of an hour, or a minute less or more: where windows begin and end."""
    return st.builds(
        lambda n, off: n * QUARTER + off * MINUTE, st.integers(least, most), st.sampled_from([0, 0, -1, 1])
    )


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.sampled_from(DAYS_OF_CHANGE), weeks, near_a_quarter(-96, 96), near_a_quarter(1, 95))
def test_a_slot_is_covered_if_the_space_is_open_in_each_of_its_minutes(
    change: tuple[str, date], week: OpeningHours, start: timedelta, length: timedelta
):
    name, day = change
    clock, tz = watched(name, day), zone(name)
    begins = datetime.combine(day, time(), UTC) + start
    slot = Slot(begins, begins + length)
    minutes = range((slot.start - clock.start) // MINUTE, (slot.end - clock.start) // MINUTE)

    is_open = clock.open_minutes(week)

    assert week.cover(slot, tz) == is_open.issuperset(minutes)
    during = [
        ((start - clock.start) // MINUTE, (end - clock.start) // MINUTE) for start, end in week.open_during(slot, tz)
    ]
    assert [n for n in minutes if any(start <= n < end for start, end in during)] == [
        n for n in minutes if n in is_open
    ]


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

    def open_minutes(self, week: OpeningHours) -> set[int]:
        """The minutes in which a space is open, as far as a slot from the day before to the day after can ask."""
        days = [day for day in (self.around + n * DAY for n in range(-3, 3)) if day in self.end_of]
        result: set[int] = set()
        for day in days:
            for window in getattr(week, f"{day:%a}".lower()):
                result.update(range(self.opening(day, window), self.closing(day, window)))
        return result


watched = cache(WallClock)

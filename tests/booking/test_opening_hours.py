"""Opening hours: what they may say, and which instants they mean."""

from datetime import UTC, date, datetime, time, timedelta

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.opening_hours import WEEKDAYS, BadOpeningHours, OpeningHours, Window, joined
from booking.slots import Slot
from booking.zones import zone
from tests.booking.wall_clocks import DAY, DAYS_OF_CHANGE, MINUTE, specials, watched, weeks
from tests.examples import ALWAYS_OPEN, MONDAY, OFFICE_HOURS, SUNDAY, TUESDAY, at, hours

UTC_ZONE = zone("UTC")
QUARTER = timedelta(minutes=15)


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


def test_a_date_with_special_hours_keeps_those_and_no_others():
    special = {MONDAY: (Window("06:00", "07:00"), Window("20:00", "23:00"))}

    assert OFFICE_HOURS.on(MONDAY, special) == special[MONDAY]
    assert OFFICE_HOURS.on(TUESDAY, special) == OFFICE_HOURS.on(TUESDAY)
    assert OFFICE_HOURS.cover(hours(20, 23), UTC_ZONE, special)
    assert not OFFICE_HOURS.cover(hours(10, 12), UTC_ZONE, special)
    assert OFFICE_HOURS.cover(hours(10, 12, TUESDAY), UTC_ZONE, special)


def test_a_date_without_windows_is_closed():
    assert not ALWAYS_OPEN.cover(hours(10, 12), UTC_ZONE, {MONDAY: ()})
    assert ALWAYS_OPEN.open_during(hours(0, 24), UTC_ZONE, {MONDAY: ()}) == [
        (at(0, SUNDAY), at(24, SUNDAY)),
        (at(24), at(48)),
    ]


def test_hours_past_midnight_reach_into_a_closed_date_and_none_begin_on_it():
    nightly, closed = OpeningHours.daily("22:00", "03:00"), {MONDAY: ()}

    assert nightly.cover(hours(22, 27, SUNDAY), UTC_ZONE, closed)
    assert nightly.cover(hours(0, 3), UTC_ZONE, closed)
    assert not nightly.cover(hours(22, 23), UTC_ZONE, closed)
    assert not nightly.cover(hours(24, 25), UTC_ZONE, closed)
    assert nightly.cover(hours(22, 27, TUESDAY), UTC_ZONE, closed)


def test_special_hours_past_midnight_reach_into_the_next_date():
    special = {MONDAY: (Window("22:00", "03:00"),)}

    assert OpeningHours().cover(hours(22, 27), UTC_ZONE, special)
    assert not OpeningHours().cover(hours(0, 3), UTC_ZONE, special)


def test_special_windows_join_those_they_touch_on_the_dates_beside_them():
    evening = OpeningHours.daily("18:00", "24:00")
    special = {TUESDAY: (Window("00:00", "12:00"), Window("12:00", "18:00"))}

    assert evening.cover(hours(18, 42), UTC_ZONE, special)
    assert not evening.cover(hours(18, 43), UTC_ZONE, special)
    assert evening.open_during(hours(20, 30), UTC_ZONE, special) == [(at(18, SUNDAY), at(24, SUNDAY)), (at(18), at(42))]


def test_stretches_are_joined_in_order():
    assert joined([(at(5), at(6)), (at(1), at(4)), (at(2), at(3)), (at(4), at(5))]) == [(at(1), at(6))]
    assert joined([(at(5), at(6)), (at(1), at(4))]) == [(at(1), at(4)), (at(5), at(6))]
    assert joined([]) == []


def near_a_quarter(least: int, most: int) -> st.SearchStrategy[timedelta]:
    """So many quarters of an hour, or a minute less or more: where windows begin and end."""
    return st.builds(
        lambda n, off: n * QUARTER + off * MINUTE, st.integers(least, most), st.sampled_from([0, 0, -1, 1])
    )


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.sampled_from(DAYS_OF_CHANGE), weeks, specials, near_a_quarter(-96, 96), near_a_quarter(1, 95))
def test_a_slot_is_covered_if_the_space_is_open_in_each_of_its_minutes(
    change: tuple[str, date],
    week: OpeningHours,
    near: dict[int, tuple[Window, ...]],
    start: timedelta,
    length: timedelta,
):
    name, day = change
    special = {day + n * DAY: windows for n, windows in near.items()}
    clock, tz = watched(name, day), zone(name)
    begins = datetime.combine(day, time(), UTC) + start
    slot = Slot(begins, begins + length)
    minutes = range((slot.start - clock.start) // MINUTE, (slot.end - clock.start) // MINUTE)

    is_open = clock.open_minutes(week, special)

    assert week.cover(slot, tz, special) == is_open.issuperset(minutes)
    during = [
        ((start - clock.start) // MINUTE, (end - clock.start) // MINUTE)
        for start, end in week.open_during(slot, tz, special)
    ]
    assert [n for n in minutes if any(start <= n < end for start, end in during)] == [
        n for n in minutes if n in is_open
    ]

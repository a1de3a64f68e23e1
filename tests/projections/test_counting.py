"""What the views of utilisation and activity count: each booking on the dates it lies on, until it is given back."""

import asyncio
import gc
from datetime import date, timedelta
from itertools import pairwise
from time import thread_time
from typing import Any
from uuid import UUID

import pytest

from booking.opening_hours import OpeningHours, Window
from booking.slots import Span
from booking.spaces import Space
from booking.zones import day_start, zone
from projections import activity
from projections.activity import Day
from projections.reading import Views
from projections.utilisation import utilisation
from tests.examples import (
    ALWAYS_OPEN,
    BEN,
    FRIDAY,
    HALF_HOUR,
    MONDAY,
    MONDAY_8AM,
    NEW_YEAR,
    OFFICE_HOURS,
    ROOM,
    SUNDAY,
    TUESDAY,
    WEDNESDAY,
    approved,
    as_usual,
    at,
    cancelled,
    created,
    declined,
    expired,
    given,
    hours,
    rejected,
    rescheduled,
    space_created,
    special,
)
from tests.projections.seeing import Told

JANUARY_31, FEBRUARY_1 = date(2026, 1, 31), date(2026, 2, 1)
NIGHTS = OpeningHours(
    mon=(Window("00:00", "00:30"), Window("22:00", "02:30")),
    wed=(Window("23:30", "00:15"), Window("12:00", "24:00")),
    sat=(Window("20:00", "03:00"),),
    sun=(Window("00:00", "24:00"), Window("01:00", "02:30")),
)
OPEN = space_created(ROOM, opening_hours=ALWAYS_OPEN)


async def by_day(views: Views, first: date, last: date) -> list[tuple[Any, int, int]]:
    found = await utilisation(views, first, last, by_day=True)
    return [(use.of, use.booked_minutes, use.open_minutes) for use in found.uses]


async def test_a_booking_counts_on_each_local_date_it_lies_on(told: Told, views: Views) -> None:
    berlin = space_created(ROOM, opening_hours=ALWAYS_OPEN, timezone="Europe/Berlin")
    await told(berlin, created(hours(22, 24)), created(hours(22.5, 23.5, JANUARY_31), user_id=BEN))

    assert await by_day(views, MONDAY, TUESDAY) == [(MONDAY, 60, 1440), (TUESDAY, 60, 1440)]
    assert await by_day(views, JANUARY_31, FEBRUARY_1) == [(JANUARY_31, 30, 1440), (FEBRUARY_1, 30, 1440)]


async def test_a_space_has_the_minutes_of_all_dates_asked_for(told: Told, views: Views) -> None:
    position = await told(OPEN, created(hours(22, 26)), created(hours(23, 25, JANUARY_31)))

    found = await utilisation(views, TUESDAY, FEBRUARY_1, by_day=False)

    (use,) = found.uses
    assert isinstance(use.of, Space)
    assert use.of.id == ROOM
    assert (use.booked_minutes, use.open_minutes) == (120 + 120, 27 * 1440)
    assert found.position == position


async def test_buffers_are_not_booked(told: Told, views: Views) -> None:
    await told(OPEN, created(hours(10, 11), before=HALF_HOUR, after=HALF_HOUR))

    assert await by_day(views, MONDAY, MONDAY) == [(MONDAY, 60, 1440)]


async def test_what_was_given_back_or_moved_away_counts_no_more(told: Told, views: Views) -> None:
    given_back, moved = created(hours(9, 10)), created(hours(23, 25, JANUARY_31))
    await told(OPEN, given_back, moved, cancelled(given_back))
    assert await by_day(views, MONDAY, MONDAY) == [(MONDAY, 0, 1440)]
    assert await by_day(views, JANUARY_31, FEBRUARY_1) == [(JANUARY_31, 60, 1440), (FEBRUARY_1, 60, 1440)]

    moved_once = rescheduled(moved, hours(22, 23, FEBRUARY_1))
    await told(moved_once)
    assert await by_day(views, JANUARY_31, FEBRUARY_1) == [(JANUARY_31, 0, 1440), (FEBRUARY_1, 60, 1440)]

    await told(cancelled(moved_once))
    assert await by_day(views, JANUARY_31, FEBRUARY_1) == [(JANUARY_31, 0, 1440), (FEBRUARY_1, 0, 1440)]


async def test_what_has_ended_was_booked(told: Told, views: Views) -> None:
    booking = created(hours(9, 10))
    await told(OPEN, booking, expired(booking, at=at(10)))

    assert await by_day(views, MONDAY, MONDAY) == [(MONDAY, 60, 1440)]


async def test_what_waits_for_an_approval_is_booked_once_it_is_approved(told: Told, views: Views) -> None:
    until = at(8, TUESDAY)
    kept, *gone = (created(hours(n, n + 1, FRIDAY), decide_by=until) for n in range(9, 13))
    await told(OPEN, kept, *gone)
    assert await by_day(views, FRIDAY, FRIDAY) == [(FRIDAY, 0, 1440)]

    await told(approved(kept), rejected(gone[0]), cancelled(gone[1]), declined(gone[2], at=until))
    assert await by_day(views, FRIDAY, FRIDAY) == [(FRIDAY, 60, 1440)]

    asks_again = rescheduled(kept, hours(20, 23, JANUARY_31), decide_by=until)
    await told(asks_again)
    assert await by_day(views, FRIDAY, FRIDAY) == [(FRIDAY, 0, 1440)]
    assert await by_day(views, JANUARY_31, JANUARY_31) == [(JANUARY_31, 0, 1440)]

    await told(rescheduled(asks_again, hours(20, 22, FRIDAY)))
    assert await by_day(views, FRIDAY, FRIDAY) == [(FRIDAY, 120, 1440)]
    assert await by_day(views, JANUARY_31, FEBRUARY_1) == [(JANUARY_31, 0, 1440), (FEBRUARY_1, 0, 1440)]


async def test_activity_counts_decisions(told: Told, views: Views) -> None:
    asked = [created(hours(n, n + 1, FRIDAY), decide_by=at(8, TUESDAY), at=MONDAY_8AM) for n in range(9, 14)]
    await told(
        *asked, approved(asked[0]), approved(asked[1]), rejected(asked[2]), declined(asked[3], at=at(8, TUESDAY))
    )

    days, _ = await activity.between(views, MONDAY, TUESDAY)

    assert [(of.approved, of.rejected, of.declined) for _, of in days] == [(2, 1, 0), (0, 0, 1)]
    assert sum(of.made for _, of in days) == 5


async def test_open_minutes_heed_special_hours_and_windows_past_midnight(told: Told, views: Views) -> None:
    await told(
        space_created(ROOM, opening_hours=OFFICE_HOURS),
        special(MONDAY),
        special(TUESDAY, Window("22:00", "02:00")),
        special(FRIDAY),
        as_usual(FRIDAY),
    )

    found = await by_day(views, SUNDAY, FRIDAY)

    assert [minutes for _, _, minutes in found] == [840, 0, 120, 840 + 120, 840, 840]


async def test_a_day_that_clocks_shorten_is_open_for_less(told: Told, views: Views) -> None:
    await told(space_created(ROOM, opening_hours=ALWAYS_OPEN, timezone="Europe/Berlin"))
    march_29 = date(2026, 3, 29)

    assert await by_day(views, march_29, march_29) == [(march_29, 0, 23 * 60)]


@pytest.mark.parametrize(
    ("timezone", "year"),
    [
        ("Europe/Berlin", 2026),
        ("America/Havana", 2026),  # midnight is skipped, and repeated
        ("Australia/Lord_Howe", 2026),  # by half an hour
        ("Pacific/Apia", 2011),  # a date is skipped
        ("Asia/Kolkata", 2026),  # never
    ],
)
async def test_a_year_is_open_for_as_long_as_its_days_whatever_the_clocks_do(
    told: Told, views: Views, timezone: str, year: int
) -> None:
    first, last, tz = date(year, 1, 1), date(year, 12, 31), zone(timezone)
    holidays = [special(first + n * timedelta(days=30), Window("18:00", "03:00")) for n in range(12)]
    made = space_created(ROOM, opening_hours=NIGHTS, timezone=timezone)
    await told(made, *holidays)
    space = given(Space(ROOM), made, *holidays)

    expected = []
    for n in range(365):
        day = first + timedelta(days=n)
        start, end = day_start(day, tz), day_start(day + timedelta(days=1), tz)
        opened = space.open_during(Span(start, end)) if start < end else []
        seconds = sum((min(end, b) - max(start, a)).total_seconds() for a, b in opened if a < end and start < b)
        expected.append((day, 0, seconds // 60))
    assert await by_day(views, first, last) == expected


@pytest.mark.parametrize("by_day", [False, True])
async def test_while_a_year_of_many_spaces_is_reckoned_others_have_their_turn(
    told: Told, views: Views, by_day: bool
) -> None:
    made = [
        space_created(UUID(int=n), timezone="Europe/Berlin", opening_hours=OpeningHours.daily(f"08:{n:02}", "02:00"))
        for n in range(40)
    ]
    await told(*made)
    turns: list[float] = []

    async def beside() -> None:
        while True:
            turns.append(thread_time())  # of this thread alone: how busy the machine is does not matter
            await asyncio.sleep(0)

    watching = asyncio.create_task(beside())
    gc.disable()  # collecting all that the tests before left takes longer than the year
    try:
        await utilisation(views, date(2026, 1, 1), date(2026, 12, 31), by_day=by_day)
    finally:
        gc.enable()
    turns.append(thread_time())
    watching.cancel()

    longest = max(after - before for before, after in pairwise(turns))
    assert longest < (turns[-1] - turns[0]) / 4


async def test_activity_counts_what_happened_on_each_utc_date(told: Told, views: Views) -> None:
    first, second = created(hours(9, 10), at=MONDAY_8AM), created(hours(8, 9, WEDNESDAY), at=MONDAY_8AM)
    position = await told(
        OPEN,
        first,
        second,
        expired(first, at=at(10)),
        cancelled(second, at=at(24)),
        created(hours(0, 1, date(2026, 3, 1)), at=NEW_YEAR),
    )

    found, seen_at = await activity.between(views, NEW_YEAR.date(), TUESDAY)

    days = dict(found)
    assert len(days) == 6
    assert days[NEW_YEAR.date()] == Day(made=1, lead_seconds=59 * 86_400, lead_times=[0, 0, 0, 0, 0, 1])
    assert days[SUNDAY] == Day()
    assert days[MONDAY] == Day(made=2, expired=1, lead_seconds=49 * 3600, lead_times=[0, 1, 1, 0, 0, 0])
    assert days[TUESDAY] == Day(cancelled=1)
    assert seen_at == position


async def test_a_lead_time_on_a_bound_is_of_the_longer_group(told: Told, views: Views) -> None:
    leads = [timedelta(hours=bound) for bound in activity.LEAD_TIMES]
    await told(
        OPEN,
        *(
            created(hours(lead / timedelta(hours=1) + 8, lead / timedelta(hours=1) + 9), at=MONDAY_8AM)
            for lead in leads
        ),
    )

    ((_, day),), _ = await activity.between(views, MONDAY, MONDAY)

    assert day.lead_times == [0, 1, 1, 1, 1, 1]

"""Finding a slot: what is offered is what would be accepted, all of it and nothing else."""

from datetime import date, datetime, timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.events import Event, SpaceDeactivated
from booking.finding import dates_of, nearest, step_of
from booking.opening_hours import OpeningHours, Window
from booking.refusals import Refused
from booking.slots import LONGEST, Slot
from booking.spaces import Space
from tests.booking import asking
from tests.booking.asking import create, search
from tests.booking.wall_clocks import DAY, DAYS_OF_CHANGE, MINUTE, specials, watched, weeks
from tests.examples import (
    ALWAYS_OPEN,
    BEN,
    HALF_HOUR,
    HOUR,
    INSTANT,
    MONDAY,
    NEW_YEAR,
    NOTHING,
    ROOM,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    at,
    cancelled,
    created,
    given,
    hours,
    registered,
    rescheduled,
    space_created,
    special,
)

QUARTER = timedelta(minutes=15)


def offered(
    *history: Event,
    day: date = MONDAY,
    duration: timedelta = HOUR,
    step: timedelta = HOUR,
    now: datetime = NEW_YEAR,
) -> list[Slot]:
    """The slots of the room offered on a date, looked for alone or with the dates around it."""
    alone, together = (
        asking.offered(history, day, duration=duration, step=step, now=now, beside=beside) for beside in (0, 1)
    )
    assert alone == together
    return alone


def room(*windows: Window, **values: Any) -> Event:
    """A room with these windows every Monday, or else those in `values`."""
    return space_created(**{"opening_hours": OpeningHours(mon=windows), **values})


MORNING = Window("08:00", "12:00")


def test_the_slots_of_a_day_begin_a_step_apart_from_its_opening_and_end_by_its_closing():
    assert offered(room(MORNING)) == [hours(8, 9), hours(9, 10), hours(10, 11), hours(11, 12)]
    assert offered(room(MORNING), duration=2 * HOUR) == [hours(8, 10), hours(9, 11), hours(10, 12)]
    assert offered(room(MORNING), step=90 * MINUTE) == [hours(8, 9), hours(9.5, 10.5), hours(11, 12)]


def test_each_window_has_steps_of_its_own():
    split = room(Window("08:00", "09:40"), Window("10:10", "11:20"))

    assert [f"{slot.start:%H:%M}" for slot in offered(split, duration=HALF_HOUR, step=HALF_HOUR)] == [
        "08:00", "08:30", "09:00", "10:10", "10:40",
    ]  # fmt: skip


def test_slots_go_on_through_windows_that_touch():
    touching = room(Window("08:00", "09:30"), Window("09:30", "11:00"))

    assert offered(touching, duration=2 * HOUR) == [hours(8, 10), hours(9, 11)]


def test_where_windows_overlap_a_start_is_offered_once():
    assert offered(room(Window("08:00", "10:00"), Window("09:00", "11:00"))) == [
        hours(8, 9),
        hours(9, 10),
        hours(10, 11),
    ]


def test_slots_of_a_window_past_midnight_belong_to_the_date_they_begin_on():
    night = room(Window("22:00", "02:00"))

    assert offered(night) == [hours(22, 23), hours(23, 24)]
    assert offered(night, day=TUESDAY) == [hours(24, 25), hours(25, 26)]
    assert offered(night, duration=4 * HOUR) == [hours(22, 26)]
    assert offered(night, duration=4 * HOUR, day=TUESDAY) == []


def test_steps_of_a_window_past_midnight_count_from_its_opening():
    assert offered(room(Window("22:30", "02:30")), day=TUESDAY) == [hours(24.5, 25.5), hours(25.5, 26.5)]


def test_a_closed_date_offers_nothing_but_the_rest_of_the_night_before():
    nightly = room(opening_hours=OpeningHours.daily("22:00", "02:00"))

    assert offered(nightly, special(MONDAY)) == [hours(0, 1), hours(1, 2)]
    assert offered(nightly, special(SUNDAY)) == [hours(22, 23), hours(23, 24)]
    assert offered(room(MORNING), special(MONDAY)) == []


def test_special_windows_are_offered_instead_of_the_weekdays():
    assert offered(room(MORNING), special(MONDAY, Window("13:00", "15:00"))) == [hours(13, 14), hours(14, 15)]


def test_what_is_held_is_not_offered():
    booking = created(hours(9, 10.5))

    assert offered(room(MORNING), booking) == [hours(8, 9), hours(11, 12)]
    assert offered(room(MORNING), booking, cancelled(booking)) == offered(room(MORNING))
    assert offered(room(MORNING), booking, rescheduled(booking, hours(8, 10))) == [hours(10, 11), hours(11, 12)]


def test_a_slot_is_offered_while_one_more_may_be_held_at_once():
    held_once, held_twice = created(hours(9, 11)), created(hours(10, 12), user_id=BEN)
    two_at_once = room(MORNING, concurrent_bookings=2)

    assert offered(two_at_once, held_once, held_twice) == [hours(8, 9), hours(9, 10), hours(11, 12)]


def test_buffers_of_what_is_held_and_of_what_is_offered_are_both_kept():
    buffered = room(MORNING, buffer_before=HALF_HOUR)

    assert offered(buffered, created(hours(9, 10), after=HOUR)) == [hours(8, 9)]
    assert offered(buffered, created(hours(9, 10), after=HALF_HOUR)) == [hours(8, 9), hours(11, 12)]
    assert offered(room(MORNING), created(hours(9, 10), after=HOUR)) == [hours(8, 9), hours(11, 12)]


def test_what_buffers_hold_over_midnight_is_looked_at_too():
    around_the_clock = room(
        opening_hours=ALWAYS_OPEN, max_duration=LONGEST, buffer_before=2 * HOUR, buffer_after=3 * HOUR
    )
    before, after = created(hours(22, 23, SUNDAY), user_id=BEN), created(hours(2, 3, TUESDAY), user_id=BEN)

    assert [slot.start for slot in offered(around_the_clock, before, after)] == [at(hour) for hour in range(1, 23)]
    assert [slot.start for slot in offered(around_the_clock, before, after, duration=20 * HOUR)] == [
        at(1),
        at(2),
        at(3),
    ]


def test_only_slots_with_notice_and_within_the_horizon_are_offered():
    assert offered(room(MORNING), now=at(9)) == [hours(10, 11), hours(11, 12)]
    assert offered(room(MORNING), now=at(9) + INSTANT) == [hours(11, 12)]
    assert offered(room(MORNING, max_advance_days=1), now=at(24, SUNDAY) - INSTANT)
    assert offered(room(MORNING, max_advance_days=1), now=at(0, SUNDAY) - INSTANT) == []


@pytest.mark.parametrize("duration", [29 * MINUTE, 481 * MINUTE, 32 * DAY, NOTHING, -HOUR])
def test_no_slot_of_a_length_the_space_does_not_take_is_offered(duration: timedelta):
    assert offered(room(opening_hours=ALWAYS_OPEN), duration=duration) == []


def test_a_space_out_of_use_offers_nothing():
    assert offered(room(MORNING), SpaceDeactivated(space_id=ROOM, at=NEW_YEAR)) == []


def test_the_last_days_there_are_can_be_asked_for():
    for day in (date(2199, 12, 31), date(2200, 1, 1)):
        assert offered(room(opening_hours=ALWAYS_OPEN), day=day) == []


def test_no_slot_begins_on_the_days_that_are_known_to_be_full():
    month = created(hours(8, 24 * 30), user_id=BEN, after=HOUR)
    history = [room(opening_hours=ALWAYS_OPEN, max_duration=LONGEST, buffer_before=HOUR), month]
    known = search(history, [MONDAY], duration=LONGEST, now=NEW_YEAR)

    assert known.not_before(MONDAY) == known.not_before(TUESDAY) == MONDAY + 30 * DAY
    assert known.not_before(MONDAY + 31 * DAY) == MONDAY + 31 * DAY
    assert known.not_before(MONDAY - 31 * DAY) == MONDAY - 31 * DAY  # nothing is held while that lasts
    assert known.not_before(MONDAY - 30 * DAY) == MONDAY + 30 * DAY


def test_the_dates_of_a_day_are_those_its_bookings_can_hold():
    def dates(duration: timedelta = HOUR, day: date = TUESDAY, **values: Any) -> list[date]:
        return dates_of(given(Space(ROOM), room(**values)), day, duration)

    assert dates() == [TUESDAY, WEDNESDAY]
    assert dates(buffer_before=MINUTE) == [MONDAY, TUESDAY, WEDNESDAY]
    assert dates(buffer_before=DAY, buffer_after=DAY) == [MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    assert dates(timezone="Pacific/Kiritimati") == [MONDAY, TUESDAY]
    assert dates(timezone="Pacific/Pago_Pago") == [TUESDAY, WEDNESDAY]
    assert len(dates(LONGEST, max_duration=LONGEST, buffer_before=DAY, buffer_after=DAY)) == 35


def test_what_is_nearest_comes_first_and_of_two_as_near_the_earlier():
    starts = [at(8), at(9), at(11), at(14)]

    assert nearest(starts, at(13.5)) == [at(14), at(11), at(9), at(8)]
    assert nearest(reversed(starts), at(10)) == [at(9), at(11), at(8), at(14)]
    assert nearest([], at(10)) == []


@pytest.mark.parametrize(("shortest", "step"), [(1, 15), (15, 15), (30, 30), (60, 60), (90, 60)])
def test_starts_are_a_shortest_booking_apart_where_nobody_says(shortest: int, step: int):
    assert step_of(given(Space(ROOM), room(min_duration=shortest * MINUTE))) == step * MINUTE


in_quarters = st.builds(
    lambda start, length, before, after: (start * QUARTER, length * QUARTER, before * QUARTER, after * QUARTER),
    st.integers(-96, 192),
    st.integers(1, 60),
    st.sampled_from([0, 0, 1, 6]),
    st.sampled_from([0, 0, 1, 6]),
)


@hypothesis.settings(max_examples=120, deadline=None)
@hypothesis.given(
    change=st.sampled_from(DAYS_OF_CHANGE),
    week=weeks | st.just(ALWAYS_OPEN),
    near=specials,
    offset=st.integers(-1, 1),
    duration=st.sampled_from([15, 45, 60, 240, 1500]).map(lambda n: n * MINUTE),
    step=st.sampled_from([25, 30, 60, 90]),
    since=st.integers(-4 * 96, 96).map(lambda n: n * QUARTER),
    held=st.lists(in_quarters, max_size=6),
    rules=st.fixed_dictionaries(
        {
            "min_duration": st.just(HALF_HOUR),
            "max_duration": st.just(LONGEST),
            "min_advance": st.sampled_from([NOTHING, HOUR, DAY]),
            "max_advance_days": st.sampled_from([0, 1, 365]),
            "concurrent_bookings": st.integers(1, 2),
            "buffer_before": st.sampled_from([NOTHING, QUARTER, DAY]),
            "buffer_after": st.sampled_from([NOTHING, QUARTER, DAY]),
        }
    ),
)
def test_every_start_of_the_grid_at_which_a_booking_is_accepted_is_offered_and_no_other(
    change: tuple[str, date],
    week: OpeningHours,
    near: dict[int, tuple[Window, ...]],
    offset: int,
    duration: timedelta,
    step: int,
    since: timedelta,
    held: list[tuple[timedelta, timedelta, timedelta, timedelta]],
    rules: dict[str, Any],
):
    name, changes_on = change
    clock, day = watched(name, changes_on), changes_on + offset * DAY
    midnight = clock.start + 4 * DAY
    bookings = [
        created(Slot(midnight + start, midnight + start + length), user_id=BEN, before=before, after=after)
        for start, length, before, after in held
    ]
    history = [
        space_created(timezone=name, opening_hours=week, **rules),
        *(special(changes_on + n * DAY, *windows) for n, windows in near.items()),
        *bookings,
    ]
    now = midnight + since
    on_the_grid = clock.starts(week, {changes_on + n * DAY: windows for n, windows in near.items()}, day, step)

    found = offered(*history, day=day, duration=duration, step=step * MINUTE, now=now)

    asked = [Slot(clock.start + n * MINUTE, clock.start + n * MINUTE + duration) for n in on_the_grid]
    assert found == [slot for slot in asked if is_accepted([*history, registered()], slot, now)]


def is_accepted(history: list[Event], slot: Slot, now: datetime) -> bool:
    try:
        return bool(create(history, slot, now=now))
    except Refused:
        return False

"""Calendars: how many bookings a space holds at one instant, with the buffers they were made with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import hypothesis
from hypothesis import strategies as st

from booking.calendars import TOLD, Calendar, any_overlaps, conflicting, objections
from booking.events import BookingCreated
from booking.slots import Span
from tests.examples import (
    HALF_HOUR,
    HOUR,
    MONDAY,
    MONDAY_8AM,
    SUNDAY,
    TUESDAY,
    at,
    cancelled,
    created,
    expired,
    given,
    held,
    hours,
    notes_changed,
    rescheduled,
    taken,
)


def test_a_copy_takes_in_facts_of_its_own():
    calendar = given(Calendar(MONDAY), created(hours(10, 12), decide_by=at(9)))
    copy = calendar.copy()
    assert copy == calendar

    given(copy, created(hours(13, 14), booking_id=UUID(int=1), decide_by=at(9)))

    assert calendar == given(Calendar(MONDAY), created(hours(10, 12), decide_by=at(9)))


def test_an_overlapping_slot_is_refused():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)))

    assert list(objections([calendar], held(11, 13), now=MONDAY_8AM, at_most=1)) == [taken(hours(10, 12))]


def test_a_slot_that_only_touches_others_is_free():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)), created(hours(13, 14)))

    assert list(objections([calendar], held(12, 13), now=MONDAY_8AM, at_most=1)) == []


def test_a_cancelled_booking_frees_its_slot():
    booking = created(hours(10, 12))
    calendar = given(Calendar(MONDAY), booking, cancelled(booking, at=MONDAY_8AM))

    assert list(objections([calendar], held(10, 12), now=MONDAY_8AM, at_most=1)) == []


def test_every_conflicting_slot_is_reported_in_order():
    calendar = given(Calendar(MONDAY), created(hours(14, 15)), created(hours(10, 12)), created(hours(16, 17)))

    assert conflicting([calendar], held(11, 15), now=MONDAY_8AM, at_most=1) == [held(10, 12), held(14, 15)]


def test_two_may_overlap_where_two_are_allowed_at_once():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)))

    assert conflicting([calendar], held(11, 13), now=MONDAY_8AM, at_most=2) == []


def test_a_third_is_refused_where_two_are_allowed_at_once():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)), created(hours(11, 13)))

    assert conflicting([calendar], held(11.5, 14), now=MONDAY_8AM, at_most=2) == [held(10, 12), held(11, 13)]
    assert conflicting([calendar], held(12, 14), now=MONDAY_8AM, at_most=2) == []


def test_those_that_follow_each_other_are_not_counted_together():
    calendar = given(Calendar(MONDAY), created(hours(10, 11)), created(hours(11, 12)), created(hours(12, 13)))

    assert conflicting([calendar], held(10, 13), now=MONDAY_8AM, at_most=2) == []


def test_only_the_crowded_instants_of_a_partial_overlap_conflict():
    calendar = given(Calendar(MONDAY), created(hours(9, 11)), created(hours(10, 12)), created(hours(13, 14)))

    assert conflicting([calendar], held(8, 15), now=MONDAY_8AM, at_most=2) == [held(9, 11), held(10, 12)]
    assert conflicting([calendar], held(11, 15), now=MONDAY_8AM, at_most=2) == []
    assert conflicting([calendar], held(8, 10), now=MONDAY_8AM, at_most=2) == []


def test_equal_slots_of_two_bookings_count_twice():
    same = [created(hours(10, 12), booking_id=UUID(int=n)) for n in (1, 2)]
    calendar = given(Calendar(MONDAY), *same)

    assert conflicting([calendar], held(11, 13), now=MONDAY_8AM, at_most=3) == []
    assert conflicting([calendar], held(11, 13), now=MONDAY_8AM, at_most=2) == [held(10, 12)]


def test_a_booking_past_midnight_is_held_on_both_dates_and_counted_once():
    booking = created(hours(22, 26))
    monday, tuesday = given(Calendar(MONDAY), booking), given(Calendar(TUESDAY), booking)

    assert conflicting([tuesday], held(25, 27), now=MONDAY_8AM, at_most=1) == [held(22, 26)]
    assert conflicting([monday, tuesday], held(23, 27), now=MONDAY_8AM, at_most=2) == []


def test_a_calendar_does_not_hold_what_ends_as_its_date_begins():
    calendar = given(Calendar(TUESDAY), created(hours(22, 24)))

    assert calendar.held == {}


def test_buffers_are_held_like_the_slot_itself():
    calendar = given(Calendar(MONDAY), created(hours(10, 12), before=HALF_HOUR, after=HOUR))

    assert conflicting([calendar], held(8, 9.75), now=MONDAY_8AM, at_most=1) == [held(9.5, 13)]
    assert conflicting([calendar], held(12.5, 14), now=MONDAY_8AM, at_most=1) == [held(9.5, 13)]
    assert conflicting([calendar], held(8, 9.5), now=MONDAY_8AM, at_most=1) == []
    assert conflicting([calendar], held(13, 14), now=MONDAY_8AM, at_most=1) == []


def test_a_buffer_over_midnight_is_held_on_the_other_date_too():
    early = created(hours(0, 2), before=HALF_HOUR)
    late = created(hours(22, 24), after=HALF_HOUR)
    sunday, monday, tuesday = (given(Calendar(day), early, late) for day in (SUNDAY, MONDAY, TUESDAY))

    assert list(sunday.held.values()) == [held(-0.5, 2)]
    assert list(monday.held.values()) == [held(-0.5, 2), held(22, 24.5)]
    assert list(tuesday.held.values()) == [held(22, 24.5)]


def test_what_is_older_than_buffers_is_held_as_its_slot_beside_what_is_not():
    old = replace(created(hours(10, 12), booking_id=UUID(int=1)), hold=None)
    new = created(hours(11, 13), booking_id=UUID(int=2), after=HALF_HOUR)
    calendar = given(Calendar(MONDAY), old, new)

    assert conflicting([calendar], held(10.5, 13), now=MONDAY_8AM, at_most=2) == [held(10, 12), held(11, 13.5)]
    assert (
        conflicting([given(calendar, replace(cancelled(old), hold=None))], held(10, 11), now=MONDAY_8AM, at_most=1)
        == []
    )


def test_a_moved_booking_is_held_where_it_is_and_no_more_where_it_was():
    booking = created(hours(10, 12))
    calendar = given(Calendar(MONDAY), booking, rescheduled(booking, hours(15, 16), after=HALF_HOUR))

    assert conflicting([calendar], held(9, 18), now=MONDAY_8AM, at_most=1) == [held(15, 16.5)]


def test_a_booking_that_moves_to_another_date_leaves_this_one():
    booking = created(hours(22, 26))
    moved = rescheduled(booking, hours(26, 28))
    monday, tuesday = (given(Calendar(day), booking, moved) for day in (MONDAY, TUESDAY))

    assert monday.held == {}
    assert list(tuesday.held.values()) == [held(26, 28)]


def test_a_booking_is_not_in_its_own_way_when_it_moves():
    booking, other = created(hours(10, 12)), created(hours(13, 14))
    calendar = given(Calendar(MONDAY), booking, other)

    assert conflicting([calendar], held(11, 13), now=MONDAY_8AM, at_most=1, moving=booking.booking_id) == []
    assert conflicting([calendar], held(11, 13.5), now=MONDAY_8AM, at_most=1, moving=booking.booking_id) == [
        held(13, 14)
    ]
    assert conflicting([calendar], held(10, 14), now=MONDAY_8AM, at_most=2, moving=booking.booking_id) == []


def test_an_expired_booking_leaves_what_it_held_so_that_the_buffer_after_it_stays():
    booking = created(hours(10, 12), after=HALF_HOUR)
    calendar = given(Calendar(MONDAY), booking, expired(booking, at=at(12)), notes_changed(booking, "Tea."))

    assert conflicting([calendar], held(12, 13), now=MONDAY_8AM, at_most=1) == [held(10, 12.5)]
    assert conflicting([calendar], held(12.5, 13), now=MONDAY_8AM, at_most=1) == []


short_spans = st.builds(
    lambda start, length: held(start / 4, (start + length) / 4), st.integers(0, 3 * 96), st.integers(1, 120)
)
"""Quarters of an hour over three days, so that the edges meet often."""


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(short_spans, max_size=12), short_spans, st.integers(1, 4), st.integers(0, 12))
def test_conflicts_are_those_a_look_at_every_instant_finds(others: list[Span], asked: Span, at_most: int, moving: int):
    bookings = [
        replace(created(hours(10, 12), booking_id=UUID(int=n)), hold=other) for n, other in enumerate(others, 1)
    ]
    calendars = [given(Calendar(day), *bookings) for day in asked.dates()]
    in_the_way = [one for one in bookings if one.booking_id.int != moving]

    found = conflicting(calendars, asked, now=MONDAY_8AM, at_most=at_most, moving=UUID(int=moving))

    assert found == seen_to_conflict(in_the_way, asked, at_most)


def seen_to_conflict(bookings: list[BookingCreated], asked: Span, at_most: int) -> list[Span]:
    """What is held at any quarter of an hour within `asked` at which there is no room for one more."""
    crowded: set[Span] = set()
    instant = asked.start
    while instant < asked.end:
        there = [one.held for one in bookings if one.held.start <= instant < one.held.end]
        if len(there) + 1 > at_most:
            crowded.update(there)
        instant += timedelta(minutes=15)
    return sorted(crowded)


spans = st.builds(
    lambda start, length: held(start / 7, (start + length) / 7), st.integers(-40, 400), st.integers(1, 90)
)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    others=st.lists(st.tuples(spans, st.sampled_from([None, None, 7, 8, 9])), max_size=40),
    asked=spans,
    at_most=st.integers(1, 9),
    moving=st.integers(0, 40),
)
def test_conflicts_are_those_of_which_too_many_hold_where_one_of_them_or_the_slot_begins(
    others: list[tuple[Span, int | None]], asked: Span, at_most: int, moving: int
):
    bookings = [
        replace(created(hours(10, 12), booking_id=UUID(int=n), decide_by=until and at(until)), hold=span)
        for n, (span, until) in enumerate(others, 1)
    ]
    standing = [
        one.held
        for one in bookings
        if one.booking_id.int != moving
        and (one.decide_by is None or one.decide_by > MONDAY_8AM)
        and one.held.overlaps(asked)
    ]
    crowds = [
        [one for one in standing if one.start <= instant < one.end]
        for instant in {max(asked.start, one.start) for one in standing}
    ]
    calendars = [given(Calendar(day), *bookings) for day in asked.dates()]

    found = conflicting(calendars, asked, now=MONDAY_8AM, at_most=at_most, moving=UUID(int=moving))

    assert found == sorted({one for crowd in crowds if len(crowd) >= at_most for one in crowd})


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(spans, max_size=40), st.lists(spans, min_size=1, max_size=10), st.integers(1, 9))
def test_a_calendar_is_full_exactly_where_one_more_conflicts(held: list[Span], asked: list[Span], at_most: int):
    bookings = [replace(created(hours(10, 12), booking_id=UUID(int=n)), hold=one) for n, one in enumerate(held, 1)]
    calendar = given(Calendar(MONDAY), *bookings)

    full = calendar.full(at_most=at_most, now=MONDAY_8AM)

    assert full == sorted(full)
    for one in asked:
        conflicts = conflicting([calendar], one, now=MONDAY_8AM, at_most=at_most)
        assert any_overlaps(full, one.start, one.end) == bool(conflicts)


class Compared(datetime):
    """An instant that counts how often one is compared with another."""

    times = 0

    def __lt__(self, other: datetime) -> bool:
        Compared.times += 1
        return super().__lt__(other)

    def __le__(self, other: datetime) -> bool:
        Compared.times += 1
        return super().__le__(other)

    def __gt__(self, other: datetime) -> bool:
        Compared.times += 1
        return super().__gt__(other)


def test_what_is_held_is_compared_a_few_times_each_and_not_each_with_each():
    def day_of(number: int) -> Calendar:
        """Bookings of which all hold at noon."""
        begin = [Compared.fromtimestamp(at(11).timestamp() - n, UTC) for n in range(number)]
        ids = (UUID(int=n) for n in range(number))
        return Calendar(MONDAY, {id: Span(one, one + 2 * HOUR) for id, one in zip(ids, begin, strict=True)})

    def compared(calendar: Calendar) -> int:
        Compared.times = 0
        assert conflicting([calendar], held(9, 15), now=MONDAY_8AM, at_most=10_000) == []
        assert conflicting([calendar], held(12.9, 15), now=MONDAY_8AM, at_most=400) == []
        assert conflicting([calendar], held(9, 15), now=MONDAY_8AM, at_most=400)
        return Compared.times

    assert compared(day_of(2_000)) < 8 * compared(day_of(500))


def test_of_very_many_that_conflict_some_of_the_first_date_that_does_are_told():
    days = [Calendar(MONDAY), Calendar(TUESDAY)]
    bookings = [
        replace(created(hours(9, 10), booking_id=UUID(int=n)), hold=held(12 + n / 10, 12 + (n + 1) / 10))
        for n in range(240)
    ]
    calendars = [given(day, *bookings) for day in days]

    assert conflicting(calendars, held(0, 48), now=MONDAY_8AM, at_most=1) == [one.held for one in bookings[:TOLD]]
    assert conflicting(calendars, held(20, 48), now=MONDAY_8AM, at_most=1) == [
        one.held for one in bookings[80 : 80 + TOLD]
    ]

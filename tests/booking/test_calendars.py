"""Calendars: how many bookings a space holds at one instant."""

from datetime import datetime, timedelta
from uuid import UUID

import hypothesis
from hypothesis import strategies as st

from booking.calendars import Calendar, conflicting, objections
from booking.events import BookingCreated
from booking.refusals import SlotTaken
from booking.slots import Slot
from tests.examples import MONDAY, MONDAY_8AM, TUESDAY, cancelled, created, given, hours


def test_an_overlapping_slot_is_refused():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)))

    assert list(objections([calendar], hours(11, 13), at_most=1)) == [SlotTaken((hours(10, 12),))]


def test_a_slot_that_only_touches_others_is_free():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)), created(hours(13, 14)))

    assert list(objections([calendar], hours(12, 13), at_most=1)) == []


def test_a_cancelled_booking_frees_its_slot():
    booking = created(hours(10, 12))
    calendar = given(Calendar(MONDAY), booking, cancelled(booking, at=MONDAY_8AM))

    assert list(objections([calendar], hours(10, 12), at_most=1)) == []


def test_every_conflicting_slot_is_reported_in_order():
    calendar = given(Calendar(MONDAY), created(hours(14, 15)), created(hours(10, 12)), created(hours(16, 17)))

    assert conflicting([calendar], hours(11, 15), at_most=1) == [hours(10, 12), hours(14, 15)]


def test_two_may_overlap_where_two_are_allowed_at_once():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)))

    assert conflicting([calendar], hours(11, 13), at_most=2) == []


def test_a_third_is_refused_where_two_are_allowed_at_once():
    calendar = given(Calendar(MONDAY), created(hours(10, 12)), created(hours(11, 13)))

    assert conflicting([calendar], hours(11.5, 14), at_most=2) == [hours(10, 12), hours(11, 13)]
    assert conflicting([calendar], hours(12, 14), at_most=2) == []


def test_those_that_follow_each_other_are_not_counted_together():
    calendar = given(Calendar(MONDAY), created(hours(10, 11)), created(hours(11, 12)), created(hours(12, 13)))

    assert conflicting([calendar], hours(10, 13), at_most=2) == []


def test_only_the_crowded_instants_of_a_partial_overlap_conflict():
    calendar = given(Calendar(MONDAY), created(hours(9, 11)), created(hours(10, 12)), created(hours(13, 14)))

    assert conflicting([calendar], hours(8, 15), at_most=2) == [hours(9, 11), hours(10, 12)]
    assert conflicting([calendar], hours(11, 15), at_most=2) == []
    assert conflicting([calendar], hours(8, 10), at_most=2) == []


def test_equal_slots_of_two_bookings_count_twice():
    same = [created(hours(10, 12), booking_id=UUID(int=n)) for n in (1, 2)]
    calendar = given(Calendar(MONDAY), *same)

    assert conflicting([calendar], hours(11, 13), at_most=3) == []
    assert conflicting([calendar], hours(11, 13), at_most=2) == [hours(10, 12)]


def test_a_booking_past_midnight_is_held_on_both_dates_and_counted_once():
    booking = created(hours(22, 26))
    monday, tuesday = given(Calendar(MONDAY), booking), given(Calendar(TUESDAY), booking)

    assert conflicting([tuesday], hours(25, 27), at_most=1) == [hours(22, 26)]
    assert conflicting([monday, tuesday], hours(23, 27), at_most=2) == []


def test_a_calendar_does_not_hold_what_ends_as_its_date_begins():
    calendar = given(Calendar(TUESDAY), created(hours(22, 24)))

    assert calendar.held == {}


short_slots = st.builds(
    lambda start, length: hours(start / 4, (start + length) / 4), st.integers(0, 3 * 96), st.integers(1, 120)
)
"""Quarters of an hour over three days, so that the edges meet often."""


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(short_slots, max_size=12), short_slots, st.integers(1, 4))
def test_conflicts_are_those_a_look_at_every_instant_finds(others: list[Slot], slot: Slot, at_most: int):
    bookings = [created(other, booking_id=UUID(int=n)) for n, other in enumerate(others)]
    calendars = [given(Calendar(day), *bookings) for day in slot.dates()]

    assert conflicting(calendars, slot, at_most=at_most) == seen_to_conflict(bookings, slot, at_most)


def seen_to_conflict(bookings: list[BookingCreated], slot: Slot, at_most: int) -> list[Slot]:
    """The slots held at any quarter of an hour within `slot` at which there is no room for one more."""
    crowded: set[tuple[datetime, datetime]] = set()
    instant = slot.start
    while instant < slot.end:
        there = [(one.slot.start, one.slot.end) for one in bookings if one.slot.start <= instant < one.slot.end]
        if len(there) + 1 > at_most:
            crowded.update(there)
        instant += timedelta(minutes=15)
    return [Slot(*one) for one in sorted(crowded)]

"""Allowances: how many bookings a user holds at once."""

from booking.allowances import Allowance
from booking.refusals import AllowanceUsedUp
from tests.examples import (
    HOUR,
    INSTANT,
    MONDAY_8AM,
    at,
    cancelled,
    created,
    expired,
    given,
    hours,
    notes_changed,
    rescheduled,
)


def test_a_copy_takes_in_facts_of_its_own():
    booking = created(hours(10, 11))
    allowance = given(Allowance(), booking)
    copy = allowance.copy()
    assert copy == allowance

    given(copy, cancelled(booking))

    assert allowance == given(Allowance(), booking)


def test_a_user_may_hold_one_more_while_below_the_limit():
    allowance = given(Allowance(), created(hours(10, 11)), created(hours(11, 12)))

    assert list(allowance.objections(now=MONDAY_8AM, at_most=3)) == []
    assert list(allowance.objections(now=MONDAY_8AM, at_most=2)) == [AllowanceUsedUp(2)]


def test_a_user_over_a_lowered_limit_holds_no_more():
    allowance = given(Allowance(), created(hours(10, 11)), created(hours(11, 12)))

    assert list(allowance.objections(now=MONDAY_8AM, at_most=1)) == [AllowanceUsedUp(1)]


def test_a_cancelled_booking_counts_no_more():
    booking = created(hours(10, 11))
    allowance = given(Allowance(), booking, cancelled(booking))

    assert list(allowance.objections(now=MONDAY_8AM, at_most=1)) == []


def test_a_booking_counts_until_its_end_and_not_at_it():
    booking = created(hours(10, 11))
    allowance = given(Allowance(), booking)

    assert allowance.holding(at(11) - INSTANT) == [booking.booking_id]
    assert allowance.holding(at(11)) == []
    assert list(allowance.objections(now=at(11), at_most=1)) == []


def test_an_expired_booking_counts_no_more():
    booking = created(hours(10, 11))
    allowance = given(Allowance(), booking, expired(booking, at=at(11)))

    assert allowance.held == {}


def test_a_booking_counts_until_the_end_of_its_slot_whatever_the_buffer_after_it():
    booking = created(hours(10, 11), after=HOUR)

    assert given(Allowance(), booking).holding(at(11)) == []


def test_a_moved_booking_counts_until_its_new_end():
    booking = created(hours(10, 11))

    later = given(Allowance(), booking, rescheduled(booking, hours(14, 15)), notes_changed(booking, "Tea."))
    sooner = given(Allowance(), booking, rescheduled(booking, hours(8, 9)))

    assert later.holding(at(15) - INSTANT) == [booking.booking_id]
    assert later.holding(at(15)) == []
    assert sooner.holding(at(9)) == []


def test_a_booking_that_moves_is_not_one_more():
    one, two = created(hours(10, 11)), created(hours(11, 12))
    allowance = given(Allowance(), one, two)

    assert list(allowance.objections(now=MONDAY_8AM, at_most=2, moving=one.booking_id)) == []
    assert list(allowance.objections(now=MONDAY_8AM, at_most=1, moving=one.booking_id)) == [AllowanceUsedUp(1)]


def test_what_moves_and_what_is_over_are_both_left_out():
    over, moving, other = created(hours(6, 7)), created(hours(10, 11)), created(hours(11, 12))
    allowance = given(Allowance(), over, moving, other)

    assert list(allowance.objections(now=MONDAY_8AM, at_most=2, moving=moving.booking_id)) == []
    assert list(allowance.objections(now=MONDAY_8AM, at_most=1, moving=moving.booking_id)) == [AllowanceUsedUp(1)]
    assert list(allowance.objections(now=MONDAY_8AM, at_most=2)) == [AllowanceUsedUp(2)]

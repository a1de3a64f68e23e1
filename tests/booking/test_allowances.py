"""Allowances: how many bookings a user holds at once."""

from datetime import timedelta

from booking.allowances import Allowance
from booking.refusals import AllowanceUsedUp
from tests.examples import MONDAY_8AM, at, cancelled, created, given, hours


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

    assert allowance.holding(at(11) - timedelta(microseconds=1)) == [booking.booking_id]
    assert allowance.holding(at(11)) == []
    assert list(allowance.objections(now=at(11), at_most=1)) == []

"""Expiry: time ends a booking, and writing that down changes nothing but what is written."""

from uuid import UUID

import pytest

from booking.bookings import Booking, Status
from booking.events import Event
from booking.refusals import NotFound, Refused, SlotTaken
from tests.booking.asking import create, expire
from tests.examples import (
    FRIDAY,
    HOUR,
    INSTANT,
    MONDAY_8AM,
    NOTHING,
    THURSDAY,
    WEDNESDAY,
    at,
    cancelled,
    created,
    expired,
    given,
    held,
    hours,
    registered,
    rescheduled,
    space_created,
)

BOOKED = created(hours(10, 12, THURSDAY))
ID = BOOKED.booking_id
HISTORY: list[Event] = [space_created(), registered(), BOOKED]


def test_a_booking_that_is_over_expires_once():
    over = at(12, THURSDAY)

    assert expire(HISTORY, ID, now=over - INSTANT) == []
    facts = expire(HISTORY, ID, now=over)
    assert facts == [expired(BOOKED, at=over)]
    assert expire([*HISTORY, *facts], ID, now=over + HOUR) == []


def test_an_expired_booking_keeps_its_slot_and_is_expired_whenever_one_looks():
    fact = expired(BOOKED, at=at(12, THURSDAY))
    booking = given(Booking(ID), BOOKED, fact)

    assert (booking.recorded_status, booking.slot, booking.updated_at) == (Status.EXPIRED, BOOKED.slot, fact.at)
    assert booking.status(MONDAY_8AM) is Status.EXPIRED
    assert booking.document()["status"] == "expired"


def test_what_was_given_back_never_expires():
    for now in (at(12, THURSDAY), at(12, FRIDAY)):
        assert expire([*HISTORY, cancelled(BOOKED)], ID, now=now) == []


def test_a_moved_booking_expires_at_its_new_end_and_not_at_its_old_one():
    moved = rescheduled(BOOKED, hours(14, 15, FRIDAY))

    assert expire([*HISTORY, moved], ID, now=at(12, THURSDAY)) == []
    assert expire([*HISTORY, moved], ID, now=at(15, FRIDAY)) == [expired(moved, at=at(15, FRIDAY))]
    sooner = rescheduled(BOOKED, hours(9, 10, WEDNESDAY))
    assert expire([*HISTORY, sooner], ID, now=at(10, WEDNESDAY)) == [expired(sooner, at=at(10, WEDNESDAY))]


def test_a_booking_expires_with_its_slot_and_not_with_the_buffer_after_it():
    booking = created(hours(10, 12, THURSDAY), after=HOUR)

    assert expire([*HISTORY[:2], booking], booking.booking_id, now=at(12, THURSDAY))


def test_the_buffer_after_an_expired_booking_is_still_held():
    booking = created(hours(10, 12, THURSDAY), after=HOUR)
    now = at(12, THURSDAY)
    history = [space_created(min_advance=NOTHING), registered(), booking, expired(booking, at=now)]

    with pytest.raises(Refused) as refused:
        create(history, hours(12.5, 13.5, THURSDAY), now=now)
    assert refused.value.refusals == (SlotTaken((held(10, 13, THURSDAY),)),)
    assert create(history, hours(13, 14, THURSDAY), now=now)


def test_what_is_over_counts_no_more_against_the_allowance_recorded_or_not():
    history = [space_created(), registered(max_active_bookings=1), BOOKED]

    assert create(history, hours(14, 15, THURSDAY), now=at(12, THURSDAY))
    assert create([*history, expired(BOOKED, at=at(12, THURSDAY))], hours(14, 15, THURSDAY), now=at(12, THURSDAY))


def test_what_is_no_booking_does_not_expire():
    with pytest.raises(NotFound, match=f"no booking {UUID(int=1)}"):
        expire(HISTORY, UUID(int=1), now=at(12, THURSDAY))

"""Notes: a booking's text can be another one at any time until its end."""

from uuid import UUID

import pytest

from booking.bookings import Booking
from booking.events import AllowanceChanged, Event, SpaceDeactivated, UserDeactivated
from booking.refusals import BookingNotActive, NotFound, Refused
from booking.roles import Role
from tests.booking.asking import change_notes
from tests.examples import (
    ANA,
    FRIDAY,
    INSTANT,
    MONDAY_8AM,
    NEW_YEAR,
    ROOM,
    THURSDAY,
    WEDNESDAY,
    at,
    cancelled,
    created,
    expired,
    given,
    hours,
    notes_changed,
    registered,
    space_created,
)

BOOKED = created(hours(10, 12, THURSDAY))
ID = BOOKED.booking_id
HISTORY: list[Event] = [space_created(), registered(), BOOKED]


def test_notes_are_changed():
    facts = change_notes(HISTORY, ID, "Three of us.")

    assert facts == [notes_changed(BOOKED, "Three of us.")]
    booking = given(Booking(ID), BOOKED, *facts)
    assert (booking.notes, booking.slot, booking.updated_at) == ("Three of us.", BOOKED.slot, MONDAY_8AM)
    assert booking.revision == 2


def test_notes_are_taken_away():
    with_notes = [*HISTORY, notes_changed(BOOKED, "Three of us.")]

    (fact,) = change_notes(with_notes, ID, None)

    assert given(Booking(ID), BOOKED, *with_notes[3:], fact).notes is None


def test_the_same_notes_change_nothing():
    assert change_notes(HISTORY, ID, None) == []
    assert change_notes([*HISTORY, notes_changed(BOOKED, "")], ID, "") == []
    assert change_notes(HISTORY, ID, "") == [notes_changed(BOOKED, "")]


def test_notes_need_neither_notice_nor_deadline_nor_an_active_space_or_user():
    history = [
        *HISTORY,
        SpaceDeactivated(space_id=ROOM, at=NEW_YEAR),
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR),
        AllowanceChanged(user_id=ANA, max_active_bookings=1, at=NEW_YEAR),
        created(hours(8, 9, FRIDAY)),
    ]

    for now in (at(10, WEDNESDAY) + INSTANT, at(10, THURSDAY), at(12, THURSDAY) - INSTANT):
        assert change_notes(history, ID, "Three of us.", now=now)


@pytest.mark.parametrize("notes", [None, "Three of us."])
def test_notes_of_what_has_ended_or_was_given_back_stay(notes: str | None):
    for history, status in (
        (HISTORY, "expired"),
        ([*HISTORY, expired(BOOKED, at=at(12, THURSDAY))], "expired"),
        ([*HISTORY, cancelled(BOOKED)], "cancelled"),
    ):
        with pytest.raises(Refused) as refused:
            change_notes(history, ID, notes, now=at(12, THURSDAY))
        assert refused.value.refusals == (BookingNotActive(status),)


def test_what_is_no_booking_has_no_notes():
    with pytest.raises(NotFound, match=f"no booking {UUID(int=1)}"):
        change_notes(HISTORY, UUID(int=1), "Three of us.")

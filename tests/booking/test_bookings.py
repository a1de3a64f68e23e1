"""Bookings: how one begins, ends, and is written down."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.bookings import Booking, Status
from booking.events import BookingCancelled, BookingCreated, SpaceDeactivated, UserDeactivated
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    DeadlinePassed,
    NotFound,
    OutsideOpeningHours,
    Refused,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
)
from booking.roles import Role
from booking.slots import Slot
from tests.booking.asking import cancel, create
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    CLEO,
    DESK,
    INSTANT,
    MONDAY,
    MONDAY_8AM,
    NEW_YEAR,
    ROOM,
    SUNDAY,
    THURSDAY,
    WEDNESDAY,
    at,
    cancelled,
    created,
    events_of,
    expired,
    given,
    held,
    hours,
    notes_changed,
    registered,
    rescheduled,
    slots,
    space_created,
    taken,
)

HISTORY = [space_created(), registered()]


def test_a_free_slot_is_held_for_the_user():
    (fact,) = create(HISTORY, hours(10, 12), notes="Two of us.")

    assert isinstance(fact, BookingCreated)
    assert (fact.space_id, fact.user_id, fact.slot, fact.hold) == (ROOM, ANA, hours(10, 12), held(10, 12))
    assert (fact.notes, fact.at) == ("Two of us.", MONDAY_8AM)


def test_what_is_held_cannot_be_held_again():
    history = [*HISTORY, registered(BEN), created(hours(10, 12))]

    with pytest.raises(Refused) as refused:
        create(history, hours(11, 13), by=BEN)

    assert refused.value.refusals == (taken(hours(10, 12)),)


def test_what_is_held_elsewhere_does_not_matter():
    history = [*HISTORY, space_created(DESK), registered(BEN), created(hours(10, 12), space_id=DESK)]

    assert create(history, hours(10, 12), by=BEN)


def test_a_slot_over_several_dates_meets_what_is_held_on_each():
    always = space_created(opening_hours=ALWAYS_OPEN, max_duration=timedelta(days=3))
    history = [always, registered(), created(hours(50, 51), user_id=BEN)]

    with pytest.raises(Refused) as refused:
        create(history, hours(22, 60))

    assert refused.value.refusals == (taken(hours(50, 51)),)


def test_a_user_holds_no_more_than_allowed_in_all_spaces_together():
    elsewhere = [created(hours(10, 12), space_id=DESK), created(hours(12, 14), space_id=DESK)]
    history = [space_created(), registered(max_active_bookings=2), *elsewhere]

    with pytest.raises(Refused) as refused:
        create(history, hours(15, 16))

    assert refused.value.refusals == (AllowanceUsedUp(2),)


def test_what_others_hold_does_not_count_against_a_user():
    history = [space_created(), registered(max_active_bookings=1), created(hours(10, 12), user_id=BEN)]

    assert create(history, hours(15, 16))


def test_every_rule_that_fails_is_reported_at_once():
    history = [
        space_created(),
        SpaceDeactivated(space_id=ROOM, at=NEW_YEAR),
        registered(max_active_bookings=1),
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR),
        created(hours(7, 9)),
    ]

    with pytest.raises(Refused) as refused:
        create(history, hours(7.75, 8), now=at(7))

    assert refused.value.refusals == (
        UserInactive(),
        SpaceInactive(),
        SlotTooShort(30),
        TooLittleNotice(at(8)),
        OutsideOpeningHours("UTC", tuple((at(8, day), at(22, day)) for day in (SUNDAY, MONDAY))),
        taken(hours(7, 9)),
        AllowanceUsedUp(1),
    )


def test_too_long_and_too_far_ahead_are_reported_together_too():
    with pytest.raises(Refused) as refused:
        create(HISTORY, hours(8, 17, date(2027, 1, 6)))

    assert refused.value.refusals == (SlotTooLong(480), TooFarAhead(date(2027, 1, 5), "UTC"))


def test_neither_an_unknown_space_nor_an_unknown_user_books():
    with pytest.raises(NotFound, match=f"no space {ROOM}"):
        create([registered()], hours(10, 12))
    with pytest.raises(NotFound, match=f"no user {ANA}"):
        create([space_created()], hours(10, 12))


def test_a_booking_is_given_back():
    booking = created(hours(10, 12, THURSDAY))

    facts = cancel([*HISTORY, booking], booking.booking_id, reason="Rain.")

    assert facts == [cancelled(booking, reason="Rain.", at=MONDAY_8AM)]


def test_what_was_given_back_can_be_held_again():
    booking = created(hours(10, 12, THURSDAY))

    assert create([*HISTORY, booking, cancelled(booking)], hours(10, 12, THURSDAY))


def test_a_booking_can_be_cancelled_until_the_deadline_and_not_after_it():
    booking = created(hours(10, 12, THURSDAY))
    deadline = at(10, WEDNESDAY)

    assert cancel([*HISTORY, booking], booking.booking_id, now=deadline)
    with pytest.raises(Refused) as refused:
        cancel([*HISTORY, booking], booking.booking_id, now=deadline + INSTANT)
    assert refused.value.refusals == (DeadlinePassed(deadline),)


def test_without_a_deadline_a_booking_can_be_cancelled_until_it_begins():
    history = [space_created(cancellation_deadline=timedelta(0)), registered(), booking := created(hours(10, 12))]

    assert cancel(history, booking.booking_id, now=at(10))
    with pytest.raises(Refused, match="deadline-passed"):
        cancel(history, booking.booking_id, now=at(10) + INSTANT)


def test_staff_cancel_after_the_deadline_until_the_end():
    booking = created(hours(10, 12, THURSDAY))
    end = at(12, THURSDAY)

    (fact,) = cancel([*HISTORY, booking], booking.booking_id, by=CLEO, at_any_time=True, now=end - INSTANT)
    assert isinstance(fact, BookingCancelled)
    assert (fact.user_id, fact.cancelled_by) == (ANA, CLEO)

    with pytest.raises(Refused) as refused:
        cancel([*HISTORY, booking], booking.booking_id, by=CLEO, at_any_time=True, now=end)
    assert refused.value.refusals == (BookingNotActive("expired"),)


def test_a_booking_is_cancelled_once():
    booking = created(hours(10, 12, THURSDAY))

    with pytest.raises(Refused) as refused:
        cancel([*HISTORY, booking, cancelled(booking)], booking.booking_id)

    assert refused.value.refusals == (BookingNotActive("cancelled"),)


def test_a_booking_that_has_ended_and_whose_deadline_has_passed_is_refused_for_both():
    booking = created(hours(10, 12, THURSDAY))

    with pytest.raises(Refused) as refused:
        cancel([*HISTORY, booking], booking.booking_id, now=at(12, THURSDAY))

    assert refused.value.refusals == (BookingNotActive("expired"), DeadlinePassed(at(10, WEDNESDAY)))


def test_what_is_no_booking_is_not_cancelled():
    with pytest.raises(NotFound, match=f"no booking {UUID(int=1)}"):
        cancel(HISTORY, UUID(int=1))


def test_a_booking_is_confirmed_until_its_end_and_expired_from_then_on():
    booking = given(Booking(UUID(int=1)), created(hours(10, 12)))

    assert booking.status(at(12) - INSTANT) is Status.CONFIRMED
    assert booking.status(at(12)) is Status.EXPIRED


def test_a_cancelled_booking_stays_cancelled_after_its_end():
    fact = created(hours(10, 12))

    assert given(Booking(fact.booking_id), fact, cancelled(fact)).status(at(13)) is Status.CANCELLED


def test_the_document_of_a_booking_tells_its_last_state():
    fact = created(hours(10, 12), notes="Two of us.", at=NEW_YEAR)
    booking = given(Booking(fact.booking_id), fact)

    before = booking.document()
    given(booking, cancelled(fact, reason="Rain.", at=MONDAY_8AM))

    assert before == {
        "id": fact.booking_id,
        "space_id": ROOM,
        "user_id": ANA,
        "start": at(10),
        "end": at(12),
        "status": "confirmed",
        "decide_by": None,
        "notes": "Two of us.",
        "reason": None,
        "created_at": NEW_YEAR,
        "updated_at": NEW_YEAR,
    }
    assert booking.document() == {**before, "status": "cancelled", "reason": "Rain.", "updated_at": MONDAY_8AM}
    assert booking.revision == 2


def test_facts_about_others_are_no_part_of_a_booking():
    fact = created(hours(10, 12))

    booking = given(Booking(fact.booking_id), space_created(), fact, registered())

    assert booking == given(Booking(fact.booking_id), fact)


@hypothesis.settings(deadline=None)
@hypothesis.given(events_of(BookingCreated), st.booleans(), st.datetimes(timezones=st.just(UTC)))
def test_a_booking_is_read_back_from_its_document(fact: BookingCreated, is_cancelled: bool, now: datetime):
    history = [fact, cancelled(fact)] if is_cancelled else [fact]
    booking = given(Booking(fact.booking_id), *history)

    again = read_back(booking)

    assert again == booking
    assert again.status(now) is booking.status(now)
    assert again.slot.start.tzinfo is UTC


@hypothesis.settings(deadline=None)
@hypothesis.given(events_of(BookingCreated), slots)
def test_a_booking_read_back_folds_on(fact: BookingCreated, slot: Slot):
    booking = given(Booking(fact.booking_id), fact)
    moved = rescheduled(fact, slot)
    facts = notes_changed(fact, "Tea."), moved, expired(moved, at=slot.end)

    assert given(read_back(booking), *facts) == given(booking, *facts)


def read_back(booking: Booking) -> Booking:
    """The booking from its document, beside which stands what it holds."""
    again = Booking.from_document(json.loads(json.dumps(booking.document(), default=as_text)), booking.revision)
    again.hold = booking.hold
    return again


def as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

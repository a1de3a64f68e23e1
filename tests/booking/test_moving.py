"""Moving: what it takes to give a booking another slot."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from booking.bookings import Booking, Status
from booking.events import (
    AllowanceChanged,
    BookingRescheduled,
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceDeactivated,
    UserDeactivated,
)
from booking.opening_hours import OpeningHours
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    DeadlinePassed,
    NotFound,
    OutsideOpeningHours,
    Refusal,
    Refused,
    SlotTaken,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
)
from booking.roles import Role
from booking.slots import Slot
from booking.terms import Rules
from tests.booking.asking import cancel, create, reschedule
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    CLEO,
    DESK,
    FRIDAY,
    HALF_HOUR,
    HOUR,
    INSTANT,
    MONDAY_8AM,
    NEW_YEAR,
    NOTHING,
    ROOM,
    THURSDAY,
    TUESDAY,
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
    special,
    taken,
)

BOOKED = created(hours(10, 12, THURSDAY))
ID = BOOKED.booking_id
HISTORY: list[Event] = [space_created(), registered(), BOOKED]


def against(history: list[Event], slot: Slot, **terms: Any) -> tuple[Refusal, ...]:
    """Why the booking cannot be moved to `slot`."""
    with pytest.raises(Refused) as refused:
        reschedule(history, ID, slot, **terms)
    return refused.value.refusals


def test_a_booking_is_moved():
    facts = reschedule(HISTORY, ID, hours(14, 15, FRIDAY))

    assert facts == [
        BookingRescheduled(
            booking_id=ID,
            space_id=ROOM,
            user_id=ANA,
            slot=hours(14, 15, FRIDAY),
            hold=held(14, 15, FRIDAY),
            slot_before=hours(10, 12, THURSDAY),
            hold_before=held(10, 12, THURSDAY),
            rescheduled_by=ANA,
            at=MONDAY_8AM,
        )
    ]
    booking = given(Booking(ID), BOOKED, *facts)
    assert (booking.slot, booking.hold) == (hours(14, 15, FRIDAY), held(14, 15, FRIDAY))
    assert (booking.status(MONDAY_8AM), booking.created_at, booking.updated_at) == (
        Status.CONFIRMED,
        NEW_YEAR,
        MONDAY_8AM,
    )


def test_a_moved_booking_is_moved_on_from_where_it_is():
    moved = rescheduled(BOOKED, hours(14, 15, FRIDAY))

    assert reschedule([*HISTORY, moved], ID, hours(16, 17, FRIDAY)) == [rescheduled(moved, hours(16, 17, FRIDAY))]


def test_what_a_booking_was_moved_away_from_is_free_and_where_it_is_is_not():
    history = [*HISTORY, registered(BEN), rescheduled(BOOKED, hours(11, 13, THURSDAY))]

    assert create(history, hours(10, 11, THURSDAY), by=BEN)
    with pytest.raises(Refused) as refused:
        create(history, hours(12, 14, THURSDAY), by=BEN)
    assert refused.value.refusals == (taken(hours(11, 13, THURSDAY)),)


def test_a_booking_is_not_in_its_own_way():
    assert reschedule(HISTORY, ID, hours(11, 13, THURSDAY))
    assert reschedule(HISTORY, ID, hours(9, 13, THURSDAY))
    assert reschedule(HISTORY, ID, hours(10.5, 11.5, THURSDAY))


def test_other_bookings_are_in_its_way():
    other = created(hours(12, 14, THURSDAY), user_id=BEN)

    assert against([*HISTORY, other], hours(11, 13, THURSDAY)) == (taken(hours(12, 14, THURSDAY)),)
    assert reschedule([*HISTORY, other], ID, hours(11, 12, THURSDAY))


def test_beside_its_old_slot_a_booking_needs_room_for_itself_alone():
    twice = [space_created(concurrent_bookings=2), registered(), BOOKED]
    one, two = (created(hours(12, 14, THURSDAY), user_id=user) for user in (BEN, CLEO))

    assert reschedule([*twice, one], ID, hours(11, 13, THURSDAY))
    assert against([*twice, one, two], hours(11, 13, THURSDAY)) == (taken(hours(12, 14, THURSDAY)),)


def test_a_user_who_holds_all_they_may_can_still_move():
    history = [space_created(), registered(max_active_bookings=2), BOOKED, created(hours(10, 12), space_id=DESK)]

    assert reschedule(history, ID, hours(14, 15, FRIDAY))


def test_a_user_who_holds_more_than_they_may_moves_once_the_others_are_within_the_limit():
    others = [created(hours(n, n + 1, WEDNESDAY)) for n in (8, 9)]
    history = [*HISTORY, *others, AllowanceChanged(user_id=ANA, max_active_bookings=2, at=NEW_YEAR)]

    assert against(history, hours(14, 15, FRIDAY)) == (AllowanceUsedUp(2),)
    assert reschedule([*history, cancelled(others[0])], ID, hours(14, 15, FRIDAY))
    assert reschedule(history, ID, hours(14, 15, FRIDAY), now=at(9, WEDNESDAY))  # one of them is over


def test_what_is_another_users_counts_against_nobody_else():
    history = [space_created(), registered(max_active_bookings=1), BOOKED, created(hours(8, 9), user_id=BEN)]

    assert reschedule(history, ID, hours(14, 15, FRIDAY))


def test_a_booking_can_be_moved_until_the_deadline_of_its_old_start():
    deadline, later = at(10, WEDNESDAY), hours(14, 15, FRIDAY)

    assert reschedule(HISTORY, ID, later, now=deadline)
    assert against(HISTORY, later, now=deadline + INSTANT) == (DeadlinePassed(deadline),)


def test_the_new_start_has_no_deadline_only_its_notice():
    soon = hours(9, 10)

    assert reschedule(HISTORY, ID, soon, now=at(8))
    assert against(HISTORY, soon, now=at(8) + INSTANT) == (TooLittleNotice(at(9) + INSTANT),)


def test_after_a_move_the_deadline_is_that_of_the_new_start():
    moved = [*HISTORY, rescheduled(BOOKED, hours(14, 15, FRIDAY))]

    assert cancel(moved, ID, now=at(14, THURSDAY))
    with pytest.raises(Refused) as refused:
        cancel(moved, ID, now=at(14, THURSDAY) + INSTANT)
    assert refused.value.refusals == (DeadlinePassed(at(14, THURSDAY)),)


def test_a_deadline_changed_since_is_the_one_that_counts():
    sooner = BookingRulesChanged(space_id=ROOM, rules=Rules(cancellation_deadline=HOUR), at=NEW_YEAR)

    assert reschedule([*HISTORY, sooner], ID, hours(14, 15, FRIDAY), now=at(9, THURSDAY))
    assert against([*HISTORY, sooner], hours(14, 15, FRIDAY), now=at(9, THURSDAY) + INSTANT) == (
        DeadlinePassed(at(9, THURSDAY)),
    )


def test_staff_move_after_the_deadline_until_the_end():
    end, later = at(12, THURSDAY), hours(14, 15, FRIDAY)

    (fact,) = reschedule(HISTORY, ID, later, by=CLEO, at_any_time=True, now=end - INSTANT)
    assert isinstance(fact, BookingRescheduled)
    assert (fact.user_id, fact.rescheduled_by) == (ANA, CLEO)
    assert against(HISTORY, later, by=CLEO, at_any_time=True, now=end) == (BookingNotActive("expired"),)


def test_a_booking_under_way_can_be_made_longer_by_staff_only_as_far_as_notice_allows():
    no_notice = BookingRulesChanged(space_id=ROOM, rules=Rules(min_advance=NOTHING), at=NEW_YEAR)

    # Its start lies behind, so no rule of notice is kept by leaving it there.
    assert against([*HISTORY, no_notice], hours(10, 13, THURSDAY), at_any_time=True, now=at(11, THURSDAY)) == (
        TooLittleNotice(at(11, THURSDAY)),
    )
    assert reschedule([*HISTORY, no_notice], ID, hours(11, 13, THURSDAY), at_any_time=True, now=at(11, THURSDAY))


@pytest.mark.parametrize("at_any_time", [False, True])
@pytest.mark.parametrize(
    ("facts", "slot", "refusal"),
    [
        ([], hours(10, 10.25, FRIDAY), SlotTooShort(30)),
        ([], hours(9, 18, FRIDAY), SlotTooLong(480)),
        ([], hours(8.5, 9.5), TooLittleNotice(at(9))),
        ([], hours(10, 12, date(2027, 1, 6)), TooFarAhead(date(2027, 1, 5), "UTC")),
        (
            [],
            hours(23, 24, WEDNESDAY),
            OutsideOpeningHours("UTC", tuple((at(8, day), at(22, day)) for day in (TUESDAY, WEDNESDAY, THURSDAY))),
        ),
        ([special(FRIDAY)], hours(10, 12, FRIDAY), OutsideOpeningHours("UTC", ((at(8, THURSDAY), at(22, THURSDAY)),))),
        ([SpaceDeactivated(space_id=ROOM, at=NEW_YEAR)], hours(10, 12, FRIDAY), SpaceInactive()),
        ([UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR)], hours(10, 12, FRIDAY), UserInactive()),
        ([created(hours(11, 13, FRIDAY), user_id=BEN)], hours(10, 12, FRIDAY), taken(hours(11, 13, FRIDAY))),
        (
            [created(hours(10, 12, WEDNESDAY)), AllowanceChanged(user_id=ANA, max_active_bookings=1, at=NEW_YEAR)],
            hours(10, 12, FRIDAY),
            AllowanceUsedUp(1),
        ),
    ],
    ids=lambda value: value.code if isinstance(value, Refusal) else "",
)
def test_each_rule_of_making_a_booking_is_one_of_moving_it_for_staff_too(
    facts: list[Event], slot: Slot, refusal: Refusal, at_any_time: bool
):
    assert against([*HISTORY, *facts], slot, at_any_time=at_any_time) == (refusal,)


def test_every_rule_that_fails_is_reported_at_once():
    history = [
        *HISTORY,
        created(hours(8, 9, FRIDAY)),
        created(hours(6, 8, FRIDAY), user_id=BEN),
        AllowanceChanged(user_id=ANA, max_active_bookings=1, at=NEW_YEAR),
        SpaceDeactivated(space_id=ROOM, at=NEW_YEAR),
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR),
        special(FRIDAY),
    ]

    assert against(history, hours(7.5, 7.75, FRIDAY), now=at(7, FRIDAY)) == (
        BookingNotActive("expired"),
        DeadlinePassed(at(10, WEDNESDAY)),
        UserInactive(),
        SpaceInactive(),
        SlotTooShort(30),
        TooLittleNotice(at(8, FRIDAY)),
        OutsideOpeningHours("UTC", ((at(8, THURSDAY), at(22, THURSDAY)),)),
        taken(hours(6, 8, FRIDAY)),
        AllowanceUsedUp(1),
    )


def test_the_same_slot_changes_nothing_whatever_the_rules_say_by_now():
    history = [
        *HISTORY,
        SpaceDeactivated(space_id=ROOM, at=NEW_YEAR),
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=NEW_YEAR),
        OpeningHoursChanged(space_id=ROOM, opening_hours=OpeningHours(), at=NEW_YEAR),
        BookingRulesChanged(space_id=ROOM, rules=Rules(buffer_after=HOUR), at=NEW_YEAR),
    ]

    assert reschedule(history, ID, BOOKED.slot, now=at(11, THURSDAY)) == []


@pytest.mark.parametrize("slot", [BOOKED.slot, hours(14, 15, FRIDAY)])
def test_what_has_ended_or_was_given_back_is_not_moved_not_even_to_where_it_is(slot: Slot):
    over = at(12, THURSDAY)

    for at_any_time in (False, True):
        unrecorded = against(HISTORY, slot, now=over, at_any_time=at_any_time)
        recorded = against([*HISTORY, expired(BOOKED, at=over)], slot, now=over, at_any_time=at_any_time)
        given_back = against([*HISTORY, cancelled(BOOKED)], slot, at_any_time=at_any_time)

        assert unrecorded == recorded
        assert (unrecorded[0], given_back) == (BookingNotActive("expired"), (BookingNotActive("cancelled"),))


def test_what_was_moved_has_not_ended_when_its_old_slot_is_over():
    moved = [*HISTORY, rescheduled(BOOKED, hours(14, 15, FRIDAY))]

    assert given(Booking(ID), *moved).status(at(12, THURSDAY)) is Status.CONFIRMED
    assert given(Booking(ID), *moved).status(at(15, FRIDAY)) is Status.EXPIRED


def test_what_is_no_booking_is_not_moved():
    with pytest.raises(NotFound, match=f"no booking {UUID(int=1)}"):
        reschedule(HISTORY, UUID(int=1), hours(14, 15, FRIDAY))


def test_a_move_holds_the_buffers_in_force_now_and_not_those_of_then():
    booking = created(hours(10, 12, THURSDAY), after=HOUR)
    narrower = BookingRulesChanged(space_id=ROOM, rules=Rules(buffer_before=HALF_HOUR), at=NEW_YEAR)

    (fact,) = reschedule([*HISTORY[:2], booking, narrower], booking.booking_id, hours(14, 15, THURSDAY))

    assert isinstance(fact, BookingRescheduled)
    assert (fact.hold_before, fact.hold) == (held(10, 13, THURSDAY), held(13.5, 15, THURSDAY))


def test_a_move_to_the_next_slot_fails_if_buffers_have_grown_into_a_neighbour():
    neighbour = created(hours(13, 14, THURSDAY), user_id=BEN)
    wider = BookingRulesChanged(space_id=ROOM, rules=Rules(buffer_after=HOUR), at=NEW_YEAR)

    assert reschedule([*HISTORY, neighbour], ID, hours(11, 13, THURSDAY))
    assert against([*HISTORY, neighbour, wider], hours(11, 13, THURSDAY)) == (SlotTaken((held(13, 14, THURSDAY),)),)
    assert reschedule([*HISTORY, neighbour, wider], ID, hours(9, 12, THURSDAY))


def test_a_move_over_midnight_meets_what_is_held_on_each_date_its_buffers_reach():
    history = [
        space_created(opening_hours=ALWAYS_OPEN, buffer_before=HALF_HOUR, buffer_after=HALF_HOUR),
        registered(),
        BOOKED,
        created(hours(23, 23.75, WEDNESDAY), user_id=BEN),
        created(hours(24.25, 26, FRIDAY), user_id=BEN),
    ]

    assert against(history, hours(0, 4, THURSDAY)) == (taken(hours(23, 23.75, WEDNESDAY)),)
    assert against(history, hours(20, 24, FRIDAY)) == (taken(hours(24.25, 26, FRIDAY)),)
    assert reschedule(history, ID, hours(0.25, 4, THURSDAY))
    assert reschedule(history, ID, hours(20, 23.75, FRIDAY))


quarters = st.integers(0, 120).map(lambda quarter: timedelta(minutes=15 * quarter))


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    others=st.lists(st.tuples(quarters, quarters), max_size=5),
    start=quarters,
    length=quarters.filter(bool),
    now=quarters,
    limit=st.integers(1, 3),
    at_once=st.integers(1, 2),
    buffer=st.sampled_from([NOTHING, HALF_HOUR]),
)
def test_moving_is_allowed_where_making_the_booking_anew_would_be(
    others: list[tuple[timedelta, timedelta]],
    start: timedelta,
    length: timedelta,
    now: timedelta,
    limit: int,
    at_once: int,
    buffer: timedelta,
):
    there = [
        created(Slot(MONDAY_8AM + one, MONDAY_8AM + one + (two or HOUR)), booking_id=UUID(int=n), after=buffer)
        for n, (one, two) in enumerate(others)
    ]
    around: list[Event] = [
        space_created(
            opening_hours=ALWAYS_OPEN,
            max_duration=timedelta(hours=20),
            concurrent_bookings=at_once,
            cancellation_deadline=NOTHING,
            buffer_before=buffer,
        ),
        registered(max_active_bookings=limit),
        *there,
    ]
    slot, at = Slot(MONDAY_8AM + start, MONDAY_8AM + start + length), MONDAY_8AM + now
    booking = created(hours(10, 12, FRIDAY))

    assert outcome(lambda: reschedule([*around, booking], booking.booking_id, slot, now=at)) == outcome(
        lambda: create(around, slot, now=at)
    )


def outcome(decision: Any) -> Any:
    """What is held then, or why nothing is."""
    try:
        (fact,) = decision()
    except Refused as refused:
        return refused.refusals
    return fact.slot, fact.hold, fact.user_id, fact.at

"""Approval: what waits for it holds its slot and its part of the allowance until somebody decides, or time does."""

from datetime import datetime, timedelta

import pytest

from booking.allowances import Allowance
from booking.bookings import Booking, Status
from booking.calendars import Calendar, conflicting
from booking.events import BookingRulesChanged, Event, SpaceDeactivated
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    BookingNotPending,
    NotAllowed,
    NotFound,
    Refusal,
    Refused,
    TooLittleNotice,
)
from booking.roles import Role
from booking.slots import Slot
from booking.spaces import Space
from booking.terms import BadRules, Rules
from booking.users import User
from tests.booking.asking import approve, cancel, create, expire, reject, reschedule
from tests.examples import (
    ANA,
    BEN,
    CLEO,
    FRIDAY,
    HOUR,
    INSTANT,
    MONDAY,
    MONDAY_8AM,
    NOTHING,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    approved,
    at,
    cancelled,
    created,
    declined,
    given,
    held,
    hours,
    managed,
    registered,
    rejected,
    rescheduled,
    space_created,
    taken,
)

ASKING = space_created(requires_approval=True)
PEOPLE: list[Event] = [registered(ANA), registered(BEN)]
UNTIL = at(8, WEDNESDAY)
REQUEST = created(hours(10, 12, THURSDAY), decide_by=UNTIL, at=MONDAY_8AM)
ID = REQUEST.booking_id
HISTORY: list[Event] = [ASKING, *PEOPLE, REQUEST]


def against(
    facts: list[Event], slot: Slot, *, now: datetime = MONDAY_8AM, at_once: bool = False
) -> tuple[Refusal, ...]:
    """Why ANA cannot book `slot`."""
    with pytest.raises(Refused) as refused:
        create(facts, slot, now=now, at_once=at_once)
    return refused.value.refusals


def test_where_the_space_requires_it_a_booking_waits_for_an_approval():
    (fact,) = create([ASKING, *PEOPLE], hours(10, 12, THURSDAY))
    booking = given(Booking(fact.booking_id), fact)

    assert fact.decide_by == UNTIL
    assert booking.status(MONDAY_8AM) is Status.PENDING
    assert booking.document()["decide_by"] == UNTIL


def test_what_needs_no_approval_is_confirmed_at_once():
    for history, at_once in (([ASKING, *PEOPLE], True), ([space_created(), *PEOPLE], False)):
        (fact,) = create(history, hours(10, 12, THURSDAY), at_once=at_once)
        assert (fact.decide_by, given(Booking(fact.booking_id), fact).status(MONDAY_8AM)) == (None, Status.CONFIRMED)


def test_what_comes_first_of_the_time_to_decide_and_the_deadline_before_the_start_counts():
    history = [space_created(requires_approval=True, approval_ttl=4 * HOUR, approval_deadline=3 * HOUR), *PEOPLE]

    (soon,) = create(history, hours(14, 15))
    (later,) = create(history, hours(16, 17))

    assert (soon.decide_by, later.decide_by) == (at(11), at(12))


def test_when_no_time_is_left_to_decide_there_is_too_little_notice():
    history = [space_created(requires_approval=True, min_advance=NOTHING, approval_deadline=3 * HOUR), *PEOPLE]

    (fact,) = create(history, hours(11, 12), now=at(8) - INSTANT)
    assert fact.decide_by == at(8)
    assert against(history, hours(11, 12)) == (TooLittleNotice(at(11) + INSTANT),)
    assert create(history, hours(11, 12), at_once=True)


def test_the_longer_of_the_notice_and_the_approval_deadline_counts():
    history = [space_created(requires_approval=True, min_advance=5 * HOUR), *PEOPLE]

    assert against(history, hours(12, 13)) == (TooLittleNotice(at(13)),)


def test_other_rules_later_do_not_move_a_deadline_that_is_fixed():
    relaxed = BookingRulesChanged(space_id=ASKING.space_id, rules=Rules(), at=MONDAY_8AM)

    assert approve([*HISTORY, relaxed], ID, now=UNTIL - INSTANT)
    with pytest.raises(Refused):
        approve([*HISTORY, relaxed], ID, now=UNTIL)


def test_a_request_holds_its_slot_until_the_instant_it_lapses():
    wanted = hours(11, 13, THURSDAY)

    assert against(HISTORY, wanted, now=UNTIL - INSTANT) == (taken(REQUEST.slot),)
    assert create(HISTORY, wanted, now=UNTIL)


def test_a_request_counts_against_the_allowance_until_the_instant_it_lapses():
    history = [ASKING, registered(max_active_bookings=1), REQUEST]

    assert against(history, hours(10, 11, FRIDAY), now=UNTIL - INSTANT) == (AllowanceUsedUp(1),)
    assert create(history, hours(10, 11, FRIDAY), now=UNTIL)


def test_a_request_is_declined_from_the_instant_it_lapses_recorded_or_not():
    unrecorded = given(Booking(ID), REQUEST)
    recorded = given(Booking(ID), REQUEST, declined(REQUEST, at=UNTIL + HOUR))

    assert unrecorded.status(UNTIL - INSTANT) is Status.PENDING
    assert unrecorded.status(UNTIL) is Status.DECLINED
    assert unrecorded.status(at(13, THURSDAY)) is Status.DECLINED
    assert recorded.recorded_status is recorded.status(at(13, THURSDAY)) is Status.DECLINED


def test_a_lapse_is_recorded_once():
    fact = declined(REQUEST, at=UNTIL)

    assert expire(HISTORY, ID, now=UNTIL - INSTANT) == []
    assert expire(HISTORY, ID, now=UNTIL) == [fact]
    assert expire([*HISTORY, fact], ID, now=at(13, THURSDAY)) == []


def test_an_approved_booking_is_held_past_the_time_to_decide_and_expires_with_its_slot():
    history = [*HISTORY, approved(REQUEST)]

    assert against(history, hours(11, 13, THURSDAY), now=UNTIL) == (taken(REQUEST.slot),)
    assert expire(history, ID, now=UNTIL) == []
    booking = given(Booking(ID), REQUEST, approved(REQUEST))
    assert (booking.status(at(12, THURSDAY) - INSTANT), booking.status(at(12, THURSDAY))) == ("confirmed", "expired")
    assert booking.document()["decide_by"] is None


def test_an_approved_booking_counts_against_the_allowance_until_its_end():
    allowance = given(Allowance(), REQUEST, approved(REQUEST))

    assert allowance.holding(at(12, THURSDAY) - INSTANT) == [ID]
    assert allowance.holding(at(12, THURSDAY)) == []


@pytest.mark.parametrize("end", [rejected(REQUEST), declined(REQUEST, at=UNTIL), cancelled(REQUEST)])
def test_what_was_rejected_declined_or_cancelled_holds_nothing(end: Event):
    assert given(Calendar(THURSDAY), REQUEST, end) == Calendar(THURSDAY)
    assert given(Allowance(), REQUEST, end) == Allowance()


def test_a_request_beside_others_leaves_them_where_they_are_when_it_lapses():
    other = created(hours(11, 13, THURSDAY), user_id=BEN)
    calendar = given(Calendar(THURSDAY), REQUEST, other)
    both, one = [held(10, 12, THURSDAY), held(11, 13, THURSDAY)], [held(11, 13, THURSDAY)]

    assert conflicting([calendar], held(10, 13, THURSDAY), at_most=1, now=UNTIL - INSTANT) == both
    assert conflicting([calendar], held(10, 13, THURSDAY), at_most=1, now=UNTIL) == one


def test_a_request_is_approved_and_rejected_until_it_lapses_and_not_afterwards():
    assert approve(HISTORY, ID, now=UNTIL - INSTANT) == [approved(REQUEST, at=UNTIL - INSTANT)]
    assert reject(HISTORY, ID, reason="Full.", now=UNTIL - INSTANT) == [
        rejected(REQUEST, reason="Full.", at=UNTIL - INSTANT)
    ]
    for decide in (approve, reject):
        with pytest.raises(Refused) as refused:
            decide(HISTORY, ID, now=UNTIL)
        assert refused.value.refusals == (BookingNotPending("declined"),)


@pytest.mark.parametrize(
    ("end", "status"),
    [(approved(REQUEST), "confirmed"), (rejected(REQUEST), "rejected"), (cancelled(REQUEST), "cancelled")],
)
def test_what_was_decided_on_is_decided_on_once(end: Event, status: str):
    for decide in (approve, reject):
        with pytest.raises(Refused) as refused:
            decide([*HISTORY, end], ID)
        assert refused.value.refusals == (BookingNotPending(status),)


def test_nobody_decides_on_a_booking_that_is_for_themselves():
    for decide in (approve, reject):
        with pytest.raises(NotAllowed):
            decide(HISTORY, ID, by=ANA)


def test_what_is_no_booking_is_not_decided_on():
    for decide in (approve, reject):
        with pytest.raises(NotFound):
            decide([ASKING], ID)


def test_a_request_is_approved_though_its_space_takes_no_more_bookings():
    assert approve([*HISTORY, SpaceDeactivated(space_id=ASKING.space_id, at=MONDAY_8AM)], ID)


@pytest.mark.parametrize("before", [[REQUEST], [REQUEST, approved(REQUEST)]])
def test_a_move_asks_again(before: list[Event]):
    (fact,) = reschedule([ASKING, *PEOPLE, *before], ID, hours(14, 15, FRIDAY), now=at(9))

    assert fact.decide_by == at(9, WEDNESDAY)
    assert given(Booking(ID), *before, fact).status(at(9)) is Status.PENDING


@pytest.mark.parametrize("before", [[REQUEST], [REQUEST, approved(REQUEST)]])
def test_a_move_by_staff_is_confirmed(before: list[Event]):
    (fact,) = reschedule([ASKING, *PEOPLE, *before], ID, hours(14, 15, FRIDAY), by=CLEO, at_once=True)

    assert given(Booking(ID), *before, fact).status(at(9)) is Status.CONFIRMED
    assert given(Calendar(FRIDAY), fact).waiting == {}


def test_the_same_slot_asks_for_nothing():
    assert reschedule([*HISTORY, approved(REQUEST)], ID, REQUEST.slot) == []


def test_a_move_that_leaves_no_time_to_decide_is_refused():
    with pytest.raises(Refused) as refused:
        reschedule([*HISTORY, approved(REQUEST)], ID, hours(9, 10), now=MONDAY_8AM)
    assert refused.value.refusals == (TooLittleNotice(at(9) + INSTANT),)


def test_what_has_lapsed_is_neither_moved_nor_given_back():
    for change in (
        lambda: reschedule(HISTORY, ID, hours(14, 15, FRIDAY), now=UNTIL),
        lambda: cancel(HISTORY, ID, now=UNTIL),
    ):
        with pytest.raises(Refused) as refused:
            change()
        assert BookingNotActive("declined") in refused.value.refusals


def test_what_lapses_where_it_was_moved_to_holds_neither_slot():
    moved = rescheduled(REQUEST, hours(14, 15, TUESDAY), decide_by=at(10))
    history = [*HISTORY, moved]

    for slot in (hours(14, 15, TUESDAY), REQUEST.slot):
        assert create(history, slot, now=at(10))
    assert against(history, hours(14, 15, TUESDAY), now=at(10) - INSTANT) == (taken(hours(14, 15, TUESDAY)),)


@pytest.mark.parametrize(
    "terms",
    [
        {"approval_ttl": NOTHING},
        {"approval_ttl": timedelta(days=366)},
        {"approval_deadline": -HOUR},
        {"approval_deadline": timedelta(days=366)},
    ],
)
def test_times_to_decide_that_nobody_could_keep_are_no_rules(terms: dict[str, timedelta]):
    with pytest.raises(BadRules):
        Rules(**terms)  # type: ignore[arg-type]


def test_a_space_is_run_by_staff_and_by_its_active_managers():
    space = given(Space(ASKING.space_id), ASKING, managed(BEN))
    roles = {ANA: Role.STUDENT, BEN: Role.STUDENT, CLEO: Role.STAFF}
    users = {id: given(User(id), registered(id, role=role)) for id, role in roles.items()}

    assert {id for id, user in users.items() if space.is_run_by(user)} == {BEN, CLEO}
    users[BEN].role = Role.AUDITOR  # who reads history and does nothing else
    assert not space.is_run_by(users[BEN])
    users[BEN].role, users[BEN].is_active = Role.STUDENT, False
    assert not space.is_run_by(users[BEN])
    assert not given(Space(ASKING.space_id), ASKING, managed(BEN), managed(at=MONDAY_8AM)).managers


def test_a_calendar_of_another_date_does_not_wait_for_what_it_does_not_hold():
    assert given(Calendar(MONDAY), REQUEST) == Calendar(MONDAY)

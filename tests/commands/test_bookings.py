"""Commands about bookings that exist, on the real journal: each is decided on what is true when it is recorded."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.bookings import Booking, Status
from booking.events import (
    BookingExpired,
    BookingRescheduled,
    BookingRulesChanged,
    Event,
    OpeningHoursChanged,
    SpaceDeactivated,
    UserDeactivated,
)
from booking.opening_hours import WEEKDAYS, OpeningHours, Window
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    DeadlinePassed,
    NotAllowed,
    NotFound,
    OutsideOpeningHours,
    Refusal,
    Refused,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    UserInactive,
)
from booking.roles import Role
from booking.slots import LONGEST, BadSlot, Slot
from booking.terms import Rules
from commands.bookings import CancelBooking, ChangeBooking, ExpireBookings, alternatives
from commands.command import Author, PreconditionFailed
from commands.deciding import Deciding, Done, command_id
from commands.spaces import held_bookings
from journal import folding
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, Interrupted, book, enter, give_back, interrupted, offer, register, request
from tests.examples import (
    ANA,
    BEN,
    DESK,
    FRIDAY,
    HOUR,
    MONDAY,
    MONDAY_8AM,
    OFFICE_HOURS,
    ROOM,
    SUNDAY,
    THURSDAY,
    WEDNESDAY,
    at,
    cancelled,
    created,
    expired,
    hours,
    notes_changed,
    rescheduled,
    special,
    taken,
)
from tests.journals import Place, a_journal
from tests.pieces import counted

SLOT, TO = hours(10, 12, THURSDAY), hours(14, 15, FRIDAY)
BOOKING = UUID(int=0xC1)
BOOKED = created(SLOT, booking_id=BOOKING, at=MONDAY_8AM)
ANA_HERSELF, STAFF = Author.person(ANA), Author.person(BEN)


@pytest.fixture(autouse=True)
def _monday_morning(place: Place) -> None:
    place.set_clock(MONDAY_8AM)


@pytest.fixture
async def furnished(deciding: Deciding) -> Deciding:
    """A room in which ANA holds a booking that this process keeps, and BEN of the STAFF."""
    await offer(deciding, hours=OFFICE_HOURS)
    await register(deciding, ANA)
    await register(deciding, BEN, role=Role.STAFF)
    await book(deciding, SLOT, asked=request(BOOKING))
    await change(deciding, notes="Two of us.")
    return deciding


async def change(deciding: Deciding, by: Author = ANA_HERSELF, **what: Any) -> Done[Booking]:
    return await deciding.do(ChangeBooking(booking_id=BOOKING, **what), by=by, request=request())


async def recorded(journal: Journal, after: int) -> list[Event]:
    return [fact.event for fact in await journal.page(after, 100)]


def moving(slot: Slot, **conditions: Any) -> ChangeBooking:
    return ChangeBooking(booking_id=BOOKING, start=slot.start, end=slot.end, **conditions)


async def test_a_booking_is_moved_and_its_answer_is_as_the_move_left_it(furnished: Deciding, journal: Journal):
    done = await furnished.do(moving(TO), by=ANA_HERSELF, request=request())

    assert (done.subject.slot, done.subject.revision, done.changed) == (TO, 3, True)
    assert await recorded(journal, done.position - 1) == [rescheduled(BOOKED, TO)]


async def test_a_move_asked_for_twice_is_one_move_and_one_answer(furnished: Deciding, journal: Journal):
    asked = request(command_id(ANA_HERSELF, "key"), retryable=True, digested=b"move")
    first = await furnished.do(moving(TO), by=ANA_HERSELF, request=asked)
    await furnished.do(moving(hours(16, 17, FRIDAY)), by=ANA_HERSELF, request=request())

    again = await furnished.do(moving(TO), by=ANA_HERSELF, request=asked)

    assert (again.subject, again.position) == (first.subject, first.position)
    assert len([event for event in await recorded(journal, 0) if isinstance(event, BookingRescheduled)]) == 2


async def test_a_new_start_goes_with_the_end_the_booking_has_by_now(place: Place, furnished: Deciding):
    async with a_journal(place, name="another process") as elsewhere:
        await change(Deciding(elsewhere, Aggregates(elsewhere)), start=at(15, THURSDAY), end=at(17, THURSDAY))

    done = await change(furnished, start=at(16, THURSDAY))

    assert done.subject.slot == hours(16, 17, THURSDAY)


async def test_a_new_start_after_the_end_is_none(place: Place, furnished: Deciding):
    before = len(place.rows())

    with pytest.raises(BadSlot, match="not after the start"):
        await change(furnished, start=at(12, THURSDAY))
    with pytest.raises(NotFound):  # whose booking it is not learns nothing of when it is
        await change(furnished, start=at(12, THURSDAY), by=Author.person(DESK))
    assert len(place.rows()) == before


MEANWHILE: list[tuple[str, Author, Event, Exception]] = [
    ("it is given back", STAFF, cancelled(BOOKED), Refused([BookingNotActive("cancelled")])),
    ("it expires", STAFF, expired(BOOKED, at=MONDAY_8AM), Refused([BookingNotActive("expired")])),
    ("it is moved", ANA_HERSELF, rescheduled(BOOKED, hours(8, 9)), Refused([DeadlinePassed(at(8, SUNDAY))])),
    ("the slot is taken", ANA_HERSELF, created(TO, user_id=BEN), Refused([taken(TO)])),
    ("the space closes", ANA_HERSELF, SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM), Refused([SpaceInactive()])),
    (
        "the day is closed",
        ANA_HERSELF,
        special(FRIDAY),
        Refused([OutsideOpeningHours("UTC", ((at(8, THURSDAY), at(22, THURSDAY)),))]),
    ),
    (
        "the rules change",
        ANA_HERSELF,
        BookingRulesChanged(space_id=ROOM, rules=Rules(min_duration=2 * HOUR), at=MONDAY_8AM),
        Refused([SlotTooShort(120)]),
    ),
    (
        "the user is stopped",
        STAFF,
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM),
        Refused([UserInactive()]),
    ),
    (
        "the author is stopped",
        ANA_HERSELF,
        UserDeactivated(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM),
        NotAllowed(),
    ),
]


@pytest.mark.parametrize(("by", "event", "why"), [row[1:] for row in MEANWHILE], ids=[row[0] for row in MEANWHILE])
async def test_a_move_is_decided_anew_when_meanwhile(
    place: Place, furnished: Deciding, by: Author, event: Event, why: Exception
):
    before = len(place.rows())
    command = interrupted(moving(TO), lambda: enter(place, event))

    with pytest.raises(type(why)) as told:
        await furnished.do(command, by=by, request=request())

    assert vars(told.value) == vars(why)
    assert len(place.rows()) == before + 1


async def test_a_move_is_judged_with_what_was_booked_elsewhere_meanwhile(place: Place, furnished: Deciding):
    others = [created(hours(n, n + 1), space_id=DESK) for n in range(100, 105)]
    command = interrupted(moving(TO), lambda: enter(place, *others))

    with pytest.raises(Refused) as refused:
        await furnished.do(command, by=ANA_HERSELF, request=request())

    assert refused.value.refusals == (AllowanceUsedUp(5),)


async def test_a_move_meets_what_buffers_that_grow_meanwhile_reach(place: Place, furnished: Deciding):
    wider = BookingRulesChanged(space_id=ROOM, rules=Rules(buffer_after=12 * HOUR), at=MONDAY_8AM)
    next_day = created(hours(26, 27, FRIDAY), user_id=BEN)
    # What is held the day after was no part of the boundary when the move was decided for the first time.
    command = interrupted(moving(hours(20, 22, FRIDAY)), lambda: enter(place, wider, next_day))

    with pytest.raises(Refused) as refused:
        await furnished.do(command, by=ANA_HERSELF, request=request())

    assert refused.value.refusals == (taken(hours(26, 27, FRIDAY)),)


async def test_a_move_to_where_the_booking_has_been_moved_meanwhile_changes_nothing(place: Place, furnished: Deciding):
    command = interrupted(moving(TO), lambda: enter(place, rescheduled(BOOKED, TO)))

    done = await furnished.do(command, by=ANA_HERSELF, request=request())

    assert (done.changed, done.subject.slot) == (False, TO)


async def test_what_happens_to_other_bookings_meanwhile_is_no_reason_to_decide_anew(place: Place, furnished: Deciding):
    elsewhere = created(hours(18, 20, THURSDAY), user_id=BEN)  # the date it is moved away from
    command = interrupted(moving(TO), lambda: enter(place, elsewhere), lambda: pytest.fail("decided twice"))

    assert (await furnished.do(command, by=ANA_HERSELF, request=request())).changed


@pytest.mark.parametrize("of", [ChangeBooking, CancelBooking])
async def test_a_booking_that_changes_meanwhile_is_not_as_it_was_seen(
    place: Place, furnished: Deciding, of: type[ChangeBooking] | type[CancelBooking]
):
    what = {"start": TO.start, "end": TO.end} if of is ChangeBooking else {}
    command = interrupted(
        of(booking_id=BOOKING, if_revisions={2}, **what), lambda: enter(place, notes_changed(BOOKED, None))
    )

    with pytest.raises(PreconditionFailed):
        await furnished.do(command, by=ANA_HERSELF, request=request())


async def test_a_cancellation_is_decided_anew_when_the_booking_is_moved_meanwhile(place: Place, furnished: Deciding):
    moved = rescheduled(BOOKED, TO)
    command = interrupted(CancelBooking(booking_id=BOOKING), lambda: enter(place, moved))

    done = await furnished.do(command, by=ANA_HERSELF, request=request())

    assert (done.subject.slot, done.subject.recorded_status) == (TO, Status.CANCELLED)
    assert (await furnished.aggregates.fresh(folding.calendar(ROOM, FRIDAY)))[0].held == {}


async def test_what_is_over_expires_once_under_whatever_id(place: Place, furnished: Deciding, journal: Journal):
    place.set_clock(SLOT.end)
    asked = request(retryable=True)

    done = [
        await furnished.do(ExpireBookings(booking_ids=[BOOKING]), by=SYSTEM, request=one)
        for one in (asked, asked, request())
    ]

    assert [(one.changed, one.subject.recorded_status) for one in done] == [
        (True, Status.EXPIRED),
        (True, Status.EXPIRED),
        (False, Status.EXPIRED),
    ]
    assert await recorded(journal, done[0].position - 1) == [expired(BOOKED, at=SLOT.end)]


@pytest.mark.parametrize(
    ("event", "recorded_status"),
    [(cancelled(BOOKED), Status.CANCELLED), (rescheduled(BOOKED, TO), Status.CONFIRMED)],
    ids=["given back", "moved"],
)
async def test_what_is_given_back_or_moved_meanwhile_does_not_expire(
    place: Place, furnished: Deciding, journal: Journal, event: Event, recorded_status: Status
):
    place.set_clock(SLOT.end)
    command = interrupted(ExpireBookings(booking_ids=[BOOKING]), lambda: enter(place, event))

    done = await furnished.do(command, by=SYSTEM, request=request())

    assert (done.changed, done.subject.recorded_status) == (False, recorded_status)
    assert not [event for event in await recorded(journal, 0) if isinstance(event, BookingExpired)]


async def test_what_expires_meanwhile_is_not_given_back(place: Place, furnished: Deciding):
    place.set_clock(SLOT.end - HOUR)

    def expires() -> None:
        place.set_clock(SLOT.end)
        enter(place, expired(BOOKED, at=SLOT.end))

    with pytest.raises(Refused) as refused:
        await furnished.do(interrupted(CancelBooking(booking_id=BOOKING), expires), by=STAFF, request=request())

    assert refused.value.refusals == (BookingNotActive("expired"),)


async def test_bookings_held_in_a_space_are_told_as_they_are_wherever_they_were_moved_from(
    journal: Journal, furnished: Deciding
):
    next_week = hours(10, 12, THURSDAY + timedelta(days=7))
    await furnished.do(moving(next_week), by=ANA_HERSELF, request=request())
    await change(furnished, notes="Three of us.")
    other = (await book(furnished, TO)).subject.id
    await give_back(furnished, other)

    for day in (MONDAY, FRIDAY):
        (booking,) = await held_bookings(journal, furnished.aggregates, ROOM, now=at(12, day))

        assert (booking.slot, booking.notes, booking.revision) == (next_week, "Three of us.", 4)
        assert (booking.user_id, booking.created_at) == (ANA, MONDAY_8AM)


async def accepted(deciding: Deciding, slots: list[Slot]) -> list[Slot]:
    """Those of `slots` of which a booking is accepted, each by itself."""
    found: list[Slot] = []
    for slot in slots:
        booking = (await book(deciding, slot, of=BEN)).subject
        await give_back(deciding, booking.id, by=BEN)
        found.append(booking.slot)
    return found


async def test_others_than_a_refused_slot_are_the_nearest_that_would_be_accepted(furnished: Deciding):
    found = await alternatives(furnished.aggregates, ROOM, SLOT, [taken(SLOT)])

    assert found == [hours(8, 10, THURSDAY), hours(12, 14, THURSDAY), hours(12.5, 14.5, THURSDAY)]
    assert await accepted(furnished, found) == found


async def test_others_than_a_refused_slot_lie_on_the_days_around_where_its_own_is_closed(
    place: Place, furnished: Deciding
):
    enter(place, special(THURSDAY), special(FRIDAY))

    found = await alternatives(furnished.aggregates, ROOM, SLOT, [taken(SLOT)])

    assert found == [hours(n, n + 2, WEDNESDAY) for n in (19, 19.5, 20)]
    assert await accepted(furnished, found) == found


async def test_others_than_a_refused_slot_keep_buffers_that_grow_while_they_are_looked_for(
    place: Place, journal: Journal, furnished: Deciding
):
    aggregates = Interrupted(journal)
    wider = BookingRulesChanged(
        space_id=ROOM, rules=Rules(buffer_before=24 * HOUR, buffer_after=24 * HOUR), at=MONDAY_8AM
    )
    aggregates.happens = lambda: enter(place, wider)

    found = await alternatives(aggregates, ROOM, SLOT, [taken(SLOT)])

    assert found == [hours(8, 10, WEDNESDAY), hours(12, 14, FRIDAY), hours(12.5, 14.5, FRIDAY)]
    assert await accepted(furnished, found) == found


async def test_others_are_looked_for_in_small_pieces_however_many_windows_a_day_has_and_however_long_the_slot_is(
    place: Place, furnished: Deciding
):
    all_day = tuple(Window(f"{hour:02}:{2 * hour:02}", f"{hour:02}:{2 * hour:02}") for hour in range(24))
    week = OpeningHours(**dict.fromkeys(WEEKDAYS, all_day))
    at_once = Rules(concurrent_bookings=20, max_duration=LONGEST)
    month = created(hours(0, 24 * 31, SUNDAY), user_id=BEN)
    held = [replace(month, booking_id=UUID(int=n)) for n in range(20)]
    enter(place, OpeningHoursChanged(space_id=ROOM, opening_hours=week, at=MONDAY_8AM))
    enter(place, BookingRulesChanged(space_id=ROOM, rules=at_once, at=MONDAY_8AM), *held)
    slot = hours(10, 34, THURSDAY)
    await alternatives(furnished.aggregates, ROOM, slot, [taken(slot)])  # what is not kept yet is folded

    done = await counted(alternatives(furnished.aggregates, ROOM, slot, [taken(slot)]))

    assert done.result == []
    assert done.calls < 50_000
    assert done.longest < 20_000


@pytest.mark.parametrize("turns", range(1, 9))
async def test_others_are_of_one_state_of_the_calendars_however_bookings_move_while_they_are_looked_for(
    place: Place, furnished: Deciding, turns: int
):
    late, early = hours(24 * 21, 24 * 22), hours(24 * 17, 24 * 18)
    enter(
        place,
        OpeningHoursChanged(space_id=ROOM, opening_hours=OpeningHours.daily("00:00", "24:00"), at=MONDAY_8AM),
        BookingRulesChanged(space_id=ROOM, rules=Rules(max_duration=LONGEST), at=MONDAY_8AM),
        held := created(late, user_id=BEN, booking_id=UUID(int=99)),
    )
    aggregates, wanted = furnished.aggregates, hours(24 * 16, 24 * 23)

    def lies(slot: Slot) -> None:
        for one in folding.calendars(ROOM, hours(24 * 10, 24 * 30)):
            aggregates.kept(one).aggregate.fold(replace(held, slot=slot, hold=slot))

    async def found() -> list[Slot]:
        return await alternatives(aggregates, ROOM, wanted, [taken(wanted)])

    states = [await found()]
    lies(early)
    states.append(await found())

    async def moves() -> None:
        while True:
            for slot in (late, early):
                lies(slot)
                for _ in range(turns):
                    await asyncio.sleep(0)

    moving = asyncio.create_task(moves())
    meanwhile = [await found() for _ in range(10)]
    moving.cancel()

    assert states[0] != states[1]
    assert all(one in states for one in meanwhile)


@pytest.mark.parametrize(
    "refusal",
    [SpaceInactive(), UserInactive(), AllowanceUsedUp(5), SlotTooLong(60), SlotTooShort(180)],
    ids=lambda refusal: refusal.code,
)
async def test_there_are_no_others_where_no_slot_would_do(furnished: Deciding, refusal: Refusal):
    done = await counted(alternatives(furnished.aggregates, ROOM, SLOT, [taken(SLOT), refusal]))

    assert done.result == []
    assert done.calls < 50  # nothing is read

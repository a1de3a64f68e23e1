"""Carrying out a command: from newer facts when somebody was first, once per id, and in time or not at all."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.bookings import Status
from booking.events import (
    BookingCancelled,
    BookingRulesChanged,
    Event,
    RoleChanged,
    SpaceDeactivated,
    UserDeactivated,
)
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    LastAdmin,
    NotAllowed,
    NotFound,
    Refusal,
    Refused,
    SlotTooLong,
    SpaceInactive,
    UserInactive,
)
from booking.roles import Role
from booking.terms import Rules
from commands.bookings import CancelBooking, CreateBooking
from commands.command import Author, Command
from commands.deciding import ATTEMPTS, AnotherJournal, Deciding, KeyReused, Turns, command_id
from commands.spaces import ChangeSpace, CreateSpace
from commands.users import ChangeUser
from journal.connection import Unavailable
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, book, enter, give_back, interrupted, offer, register, request
from tests.examples import (
    ALWAYS_OPEN,
    ANA,
    BEN,
    CLEO,
    DESK,
    MEETING_ROOM,
    MONDAY_8AM,
    ROOM,
    cancelled,
    created,
    hours,
    taken,
)
from tests.journal.go_between import GoBetween
from tests.journals import Place, a_journal, activated

SLOT = hours(34, 36)


@pytest.fixture(autouse=True)
def _monday_morning(place: Place) -> None:
    place.set_clock(MONDAY_8AM)


@pytest.fixture
async def furnished(deciding: Deciding) -> Deciding:
    """A room, ANA who books, BEN of the STAFF and CLEO who runs things."""
    await offer(deciding)
    await register(deciding, ANA)
    await register(deciding, BEN, role=Role.STAFF)
    await register(deciding, CLEO, role=Role.ADMIN)
    return deciding


def creating(booking: UUID, of: UUID = ANA) -> CreateBooking:
    return CreateBooking(booking_id=booking, space_id=ROOM, user_id=of, slot=SLOT)


MEANWHILE: list[tuple[str, Event, Refusal]] = [
    ("the slot is taken", created(hours(35, 37), user_id=CLEO), taken(hours(35, 37))),
    ("the space closes", SpaceDeactivated(space_id=ROOM, at=MONDAY_8AM), SpaceInactive()),
    (
        "the rules change",
        BookingRulesChanged(space_id=ROOM, rules=Rules(max_duration=timedelta(hours=1)), at=MONDAY_8AM),
        SlotTooLong(60),
    ),
    ("the user is stopped", UserDeactivated(user_id=ANA, role=Role.STUDENT, at=MONDAY_8AM), UserInactive()),
]


@pytest.mark.parametrize(("event", "refusal"), [row[1:] for row in MEANWHILE], ids=[row[0] for row in MEANWHILE])
async def test_a_decision_is_made_anew_when_meanwhile(
    place: Place, journal: Journal, furnished: Deciding, event: Event, refusal: Refusal
):
    command = interrupted(creating(UUID(int=1)), lambda: enter(place, event))

    with pytest.raises(Refused) as refused:
        await furnished.do(command, by=Author.person(ANA), request=request())

    assert refused.value.refusals == (refusal,)
    assert [fact.event for fact in await journal.page(4, 10)] == [event]


async def test_the_allowance_is_judged_with_what_was_booked_elsewhere_meanwhile(place: Place, furnished: Deciding):
    held = [created(hours(n, n + 1), space_id=DESK) for n in range(100, 105)]
    command = interrupted(creating(UUID(int=1)), lambda: enter(place, *held))

    with pytest.raises(Refused) as refused:
        await furnished.do(command, by=Author.person(ANA), request=request())

    assert refused.value.refusals == (AllowanceUsedUp(5),)


async def test_what_happens_elsewhere_meanwhile_changes_no_decision(place: Place, furnished: Deciding):
    elsewhere = created(hours(58, 60), user_id=CLEO)  # the same room on another date
    command = interrupted(creating(UUID(int=1)), lambda: enter(place, elsewhere, activated(DESK)))

    done = await furnished.do(command, by=Author.person(ANA), request=request())

    assert (done.position, done.changed) == (7, True)


@pytest.mark.parametrize(
    "command",
    [
        CreateSpace(space_id=DESK, description=MEETING_ROOM, opening_hours=ALWAYS_OPEN),
        ChangeSpace(space_id=ROOM, is_active=False),
        CreateBooking(booking_id=UUID(int=1), space_id=ROOM, user_id=ANA, slot=SLOT),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_who_loses_their_role_meanwhile_may_not(place: Place, furnished: Deciding, command: Command[Any]):
    demoted = RoleChanged(user_id=BEN, role=Role.STUDENT, role_before=Role.STAFF, is_active=True, at=MONDAY_8AM)

    with pytest.raises(NotAllowed):
        await furnished.do(
            interrupted(command, lambda: enter(place, demoted)), by=Author.person(BEN), request=request()
        )

    assert len(place.rows()) == 5


async def test_the_last_admin_stays_when_the_other_one_goes_meanwhile(place: Place, furnished: Deciding):
    await register(furnished, BEN_TOO, role=Role.ADMIN)
    gone = UserDeactivated(user_id=BEN_TOO, role=Role.ADMIN, at=MONDAY_8AM)

    for command in (ChangeUser(user_id=CLEO, is_active=False), ChangeUser(user_id=CLEO, role=Role.STUDENT)):
        with pytest.raises(Refused) as refused:
            await furnished.do(
                interrupted(command, lambda: enter(place, gone)), by=Author.person(CLEO), request=request()
            )
        assert refused.value.refusals == (LastAdmin(),)


BEN_TOO = UUID(int=0xB9)


async def test_a_booking_given_back_meanwhile_is_given_back_once(place: Place, furnished: Deciding):
    booking = (await book(furnished, SLOT)).subject
    fact = cancelled(created(SLOT, booking_id=booking.id), by=CLEO)

    with pytest.raises(Refused) as refused:
        await furnished.do(
            interrupted(CancelBooking(booking_id=booking.id), lambda: enter(place, fact)),
            by=Author.person(ANA),
            request=request(),
        )

    assert refused.value.refusals == (BookingNotActive("cancelled"),)


async def test_a_booking_can_be_given_back_as_soon_as_it_is_there(place: Place, journal: Journal, furnished: Deciding):
    """Its space is read once the booking is, which is made between two readings of the same command."""
    other = Deciding(journal, Aggregates(journal))
    booking = (await book(other, SLOT)).subject

    done = await give_back(furnished, booking.id)

    assert done.subject.recorded_status is Status.CANCELLED
    assert [type(fact.event) for fact in await journal.of_tag(f"booking:{booking.id}", after=5)] == [BookingCancelled]


async def test_what_was_decided_before_a_reset_is_decided_anew_after_it(place: Place, furnished: Deciding):
    await book(furnished, hours(58, 60))

    command = interrupted(creating(UUID(int=1)), place.begin_anew)
    with pytest.raises(NotFound, match=f"no space {ROOM}"):
        await furnished.do(command, by=Author.person(ANA), request=request())
    with pytest.raises(NotFound, match=f"no space {ROOM}"):
        await book(furnished, SLOT)

    assert place.rows() == []
    await offer(furnished)
    await register(furnished, ANA)
    assert (await book(furnished, SLOT)).position == 3


async def test_a_command_others_are_always_before_is_given_up_in_time(place: Place, furnished: Deciding):
    asked = request()
    always = [lambda: enter(place, activated(ROOM))] * ATTEMPTS
    command = interrupted(ChangeSpace(space_id=ROOM, is_active=False), *always)

    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable) as unavailable:
        await furnished.do(command, by=Author.person(BEN), request=asked)

    assert not unavailable.value.unknown
    assert asyncio.get_running_loop().time() - began < 5
    assert asked.command_id not in {row.command_id for row in place.rows()}


async def test_one_command_asked_twenty_times_is_one_fact_and_one_answer(
    place: Place, journal: Journal, furnished: Deciding
):
    asked = request(uuid4(), retryable=True, digested=b"POST /bookings")
    async with a_journal(place, name="another process") as elsewhere:
        houses = [furnished, Deciding(elsewhere, Aggregates(elsewhere))]
        answers = await asyncio.gather(*(book(houses[n % 2], SLOT, notes="Für zwei", asked=asked) for n in range(20)))

    assert {(answer.position, answer.changed) for answer in answers} == {(5, True)}
    assert all(answer.subject.document() == answers[0].subject.document() for answer in answers)
    assert answers[0].subject.notes == "Für zwei"
    assert len(place.rows()) == 5


async def test_asked_again_later_the_answer_is_that_of_the_first_time(furnished: Deciding):
    asked = request(uuid4(), retryable=True, digested=b"POST")
    first = await book(furnished, SLOT, asked=asked)
    await give_back(furnished, first.subject.id)

    again = await book(furnished, SLOT, asked=asked)

    assert (again.position, again.subject.document()) == (first.position, first.subject.document())
    assert again.subject.recorded_status is Status.CONFIRMED


async def test_another_request_under_a_known_id_is_told_apart(place: Place, furnished: Deciding):
    known = uuid4()
    await book(furnished, SLOT, asked=request(known, retryable=True, digested=b"POST one"))

    for digested in (b"POST two", None):
        with pytest.raises(KeyReused):
            await book(furnished, SLOT, asked=request(known, retryable=True, digested=digested))
    assert len(place.rows()) == 5


async def test_what_was_refused_or_changed_nothing_keeps_no_key(place: Place, furnished: Deciding):
    asked = request(uuid4(), retryable=True, digested=b"POST")
    taken = (await book(furnished, SLOT)).subject
    with pytest.raises(Refused):
        await book(furnished, SLOT, asked=asked)
    await give_back(furnished, taken.id)
    assert (await book(furnished, SLOT, asked=asked)).changed

    again = request(uuid4(), retryable=True, digested=b"PATCH")
    same, other = ChangeSpace(space_id=ROOM, is_active=True), ChangeSpace(space_id=ROOM, is_active=False)
    unchanged = await furnished.do(same, by=Author.person(BEN), request=again)
    assert (unchanged.changed, unchanged.position) == (False, 7)
    assert (await furnished.do(other, by=Author.person(BEN), request=again)).position == 8
    assert [row.position for row in place.rows()] == list(range(1, 9))


async def test_a_known_id_is_found_even_where_nobody_expected_it(place: Place, furnished: Deciding):
    known = request()
    first = await book(furnished, SLOT, asked=known)

    again = await book(furnished, hours(58, 60), asked=known)

    assert (again.position, again.subject.slot) == (first.position, SLOT)
    assert len(place.rows()) == 5


async def test_an_answer_that_was_lost_is_found_by_the_id(place: Place, furnished: Deciding):
    async with GoBetween(place.url) as between, a_journal(place, url=between.url) as far:
        asked = request(uuid4(), digested=b"POST")
        between.lose_answer(str(asked.command_id))

        done = await book(Deciding(far, Aggregates(far)), SLOT, asked=asked)

    assert (done.position, done.changed, done.subject.slot) == (5, True, SLOT)
    assert len(place.rows()) == 5


async def test_a_store_that_lets_wait_is_unavailable_in_time_and_asking_again_is_harmless(
    place: Place, furnished: Deciding
):
    asked = request(uuid4(), retryable=True, digested=b"POST")
    began = asyncio.get_running_loop().time()
    with place.owner() as owner, owner.transaction():
        owner.execute("select position from journal_head for update")
        # The second waits for its turn first, and has less time left then.
        waiting = (book(furnished, SLOT, asked=one) for one in (asked, request()))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert asyncio.get_running_loop().time() - began < 5
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    with suppress(Refused):  # it may have been the other one's, recorded after all
        assert (await book(furnished, SLOT, asked=asked)).position == 5
    assert len(place.rows()) == 5


async def test_a_caller_who_goes_away_lets_the_next_one_go_on(place: Place, furnished: Deciding):
    with place.owner() as owner, owner.transaction():
        owner.execute("select position from journal_head for update")
        first = asyncio.create_task(book(furnished, SLOT))
        await asyncio.to_thread(place.wait_for_a_lock)
        waiting = [asyncio.create_task(book(furnished, hours(n, n + 1))) for n in (36, 37, 38)]
        await asyncio.sleep(0)
        first.cancel()
        waiting[1].cancel()
    done = await asyncio.gather(first, *waiting, return_exceptions=True)

    assert [type(one).__name__ for one in done] == ["CancelledError", "Done", "CancelledError", "Done"]
    assert {row.position for row in place.rows()} == set(range(1, len(place.rows()) + 1))
    assert not furnished._turns._taken


def test_an_id_is_made_from_author_and_key():
    ids = [
        command_id(Author.person(ANA), "a"),
        command_id(Author.person(ANA), "b"),
        command_id(Author.person(BEN), "a"),
        command_id(SYSTEM, "a"),
    ]

    assert len(set(ids)) == 4
    assert ids[0] == UUID("f09710bc-f364-5ae6-9e67-761ce12cf7f4")


async def test_turns_are_taken_in_order_and_passed_on_by_whoever_goes_away():
    turns, seen = Turns(), []

    async def take(n: int, *tags: str) -> None:
        async with turns.taken(tags):
            seen.append(n)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(take(n, *tags)) for n, tags in enumerate(("ab", "b", "a", "ba", "c"))]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert seen == [0, 4, 2, 3]
    assert not turns._taken


async def test_a_turn_given_to_somebody_who_is_going_away_is_passed_on():
    turns = Turns()
    inside, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with turns.taken(["a"]):
            inside.set()
            await leave.wait()
        going.cancel()  # it was just given the turn

    async def next_one() -> str:
        async with turns.taken(["a"]):
            return "had its turn"

    holding = asyncio.create_task(first())
    await inside.wait()
    going, staying = asyncio.create_task(next_one()), asyncio.create_task(next_one())
    await asyncio.sleep(0)
    leave.set()

    assert await staying == "had its turn"
    with pytest.raises(asyncio.CancelledError):
        await going
    await holding
    assert not turns._taken


async def test_a_command_for_one_journal_is_carried_out_in_no_other(
    furnished: Deciding, journal: Journal, place: Place
) -> None:
    journal_id, _, _ = await journal.head()
    place.begin_anew()

    with pytest.raises(AnotherJournal):
        await furnished.do(creating(uuid4()), by=SYSTEM, request=request(journal_id=journal_id))
    assert place.rows() == []

    await offer(furnished)  # one that is for whichever there is
    assert len(place.rows()) > 0

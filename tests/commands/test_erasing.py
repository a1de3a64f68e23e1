"""Erasing a user: account, key and held bookings go in one step, whoever else is at work."""

import asyncio
from uuid import UUID, uuid4

import pytest

from booking.bookings import Status
from booking.events import BookingCancelled, UserErased
from booking.refusals import BookingNotActive, NotAllowed, NotFound, Refused
from booking.roles import Role
from commands import accounts
from commands.bookings import CancelBooking, CreateBooking
from commands.command import Author
from commands.deciding import Deciding, Done
from commands.users import ChangeUser, EraseUser
from journal import folding
from journal.folding import Aggregates, admins
from journal.journal import Journal
from tests.commands.people import SYSTEM, book, offer, register, request
from tests.examples import ANA, BEN, CLEO, ROOM, hours
from tests.journals import Place, a_journal

DAYS = [hours(hour, hour + 1) for hour in range(9, 21)]


async def erase(deciding: Deciding, user: UUID = ANA, *, by: Author = SYSTEM) -> Done[object]:
    return await deciding.do(EraseUser(user_id=user), by=by, request=request())  # type: ignore[return-value]


@pytest.fixture
async def furnished(place: Place, deciding: Deciding) -> Deciding:
    """ANA may book, BEN is STAFF, CLEO an ADMIN, and there is a room."""
    place.set_clock(hours(8, 9).start)
    await register(deciding, ANA, limit=50)
    await register(deciding, BEN, role=Role.STAFF)
    await register(deciding, CLEO, role=Role.ADMIN)
    await offer(deciding, min_advance=hours(8, 9).duration * 0)
    return deciding


async def test_what_is_held_is_cancelled_by_the_same_command(place: Place, journal: Journal, furnished: Deciding):
    made = [(await book(furnished, slot, notes="for two")).subject.id for slot in DAYS]
    await furnished.do(CancelBooking(booking_id=made[0]), by=Author.person(BEN), request=request())
    place.set_clock(DAYS[1].end)
    before = len(place.rows())

    await erase(furnished, by=Author.person(ANA))

    facts = await journal.page(before, 100)
    assert {fact.event.booking_id for fact in facts[:-1] if isinstance(fact.event, BookingCancelled)} == set(made[2:])
    assert isinstance(facts[-1].event, UserErased)
    assert len({row.command_id for row in place.rows()[before:]}) == 1
    assert await journal.keys.of([ANA]) == {}
    assert await accounts.of_users(journal, [ANA]) == {}
    allowance, now = await furnished.aggregates.fresh(folding.allowance(ANA))
    assert allowance.holding(now) == []


async def test_only_the_person_an_admin_or_the_system_erases(furnished: Deciding):
    for by in (BEN, uuid4()):
        with pytest.raises(NotAllowed):
            await erase(furnished, by=Author.person(by))

    await erase(furnished, by=Author.person(CLEO))

    with pytest.raises(NotFound):
        await erase(furnished)
    with pytest.raises(NotAllowed):
        await erase(furnished, by=Author.person(ANA))


async def test_a_refused_erasure_leaves_account_and_key(journal: Journal, furnished: Deciding):
    with pytest.raises(Refused, match="last-admin"):
        await erase(furnished, CLEO)

    assert len(await journal.keys.of([CLEO])) == len(await accounts.of_users(journal, [CLEO])) == 1


async def test_who_books_while_being_erased_holds_nothing_in_the_end(
    place: Place, journal: Journal, furnished: Deciding
):
    async with a_journal(place, name="another process") as elsewhere:
        other = Deciding(elsewhere, Aggregates(elsewhere))

        async def one(house: Deciding, n: int) -> object:
            command = CreateBooking(booking_id=uuid4(), space_id=ROOM, user_id=ANA, slot=DAYS[n], notes="for two")
            return await house.do(command, by=Author.person(ANA), request=request())

        before, erasure, after = await asyncio.gather(
            asyncio.gather(*(one((furnished, other)[n % 2], n) for n in range(5)), return_exceptions=True),
            erase(other),
            asyncio.gather(*(one((furnished, other)[n % 2], n) for n in range(5, 12)), return_exceptions=True),
        )

        assert erasure.changed
        assert {type(outcome) for outcome in (*before, *after)} <= {Done, Refused, NotFound}
        for house in (furnished, other):
            allowance, now = await house.aggregates.fresh(folding.allowance(ANA))
            assert allowance.holding(now) == []
    await journal.user_facts(after=0)  # as a process of the API asks again and again
    for outcome in (*before, *after):
        if isinstance(outcome, Done):
            booking, _ = await furnished.aggregates.fresh(folding.booking(outcome.subject.id))
            assert (booking.recorded_status, booking.notes) == (Status.CANCELLED, None)


async def test_a_text_about_somebody_who_was_erased_is_refused_and_no_fault(place: Place, furnished: Deciding):
    booking = (await book(furnished, DAYS[5])).subject
    async with a_journal(place, name="another process") as elsewhere:
        await erase(Deciding(elsewhere, Aggregates(elsewhere)))

    command = CancelBooking(booking_id=booking.id, reason="Flooded.")
    with pytest.raises(Refused) as refused:
        await furnished.do(command, by=Author.person(BEN), request=request())

    assert refused.value.refusals == (BookingNotActive("cancelled"),)


async def test_one_admin_always_stays_while_others_erase_each_other(place: Place, furnished: Deciding):
    async with a_journal(place, name="another process") as elsewhere:
        houses = [furnished, Deciding(elsewhere, Aggregates(elsewhere))]
        people = [CLEO, *(uuid4() for _ in range(5))]
        await register(furnished, *people[1:], role=Role.ADMIN)

        outcomes = await asyncio.gather(
            *(
                houses[n % 2].do(
                    EraseUser(user_id=user) if n % 2 else ChangeUser(user_id=user, role=Role.STAFF),
                    by=SYSTEM,
                    request=request(),
                )
                for n, user in enumerate(people)
            ),
            return_exceptions=True,
        )

    assert {type(outcome) for outcome in outcomes} == {Done, Refused}
    left, _ = await furnished.aggregates.fresh(admins())
    assert len(left.active) == 1


async def test_texts_that_were_read_before_are_forgotten_by_the_process_that_erases(
    journal: Journal, furnished: Deciding
):
    booking = (await book(furnished, DAYS[5], notes="for two")).subject
    assert booking.notes == "for two"

    await erase(furnished)

    again, _ = await furnished.aggregates.fresh(folding.booking(booking.id))
    assert again.notes is None
    assert await journal.keys.of([ANA]) == {}

"""Races about approval, between two processes: one outcome, and never two who hold a slot or more than allowed."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.bookings import Booking
from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingRejected,
    BookingRescheduled,
)
from booking.refusals import Refused
from booking.roles import Role
from booking.slots import Slot
from commands.bookings import ApproveBooking, CancelBooking, ChangeBooking, CreateBooking, ExpireBookings, RejectBooking
from commands.command import Author, Command
from commands.deciding import Deciding, Done
from journal import folding, tags
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, book, enter, interrupted, offer, register, request
from tests.examples import (
    ANA,
    BEN,
    CLEO,
    DESK,
    FRIDAY,
    HOUR,
    INSTANT,
    MONDAY_8AM,
    NOTHING,
    ROOM,
    THURSDAY,
    approved,
    created,
    hours,
)
from tests.journals import Place, a_journal

ROUNDS = 12
TTL = 2 * HOUR
Outcome = Done[Booking] | Refused


@pytest.fixture
async def houses(place: Place, deciding: Deciding) -> AsyncIterator[list[Deciding]]:
    """Two processes over one journal, with two rooms that ANA and BEN ask for and CLEO decides on, each holding one."""
    place.set_clock(MONDAY_8AM)
    for space in (ROOM, DESK):
        await offer(
            deciding,
            space,
            min_advance=NOTHING,
            cancellation_deadline=NOTHING,
            requires_approval=True,
            approval_ttl=TTL,
            approval_deadline=NOTHING,
        )
    await register(deciding, ANA, limit=1)
    await register(deciding, BEN, limit=1000)
    await register(deciding, CLEO, role=Role.STAFF)
    async with a_journal(place, name="another process") as elsewhere:
        yield [deciding, Deciding(elsewhere, Aggregates(elsewhere))]


async def at_once(*asked: Coroutine[Any, Any, Done[Booking]]) -> list[Outcome]:
    """What came of commands asked for at the same time: done or refused, and nothing else."""
    outcomes: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in outcomes} <= {Done, Refused}, outcomes
    return outcomes


def ask(house: Deciding, command: Command[Booking], *, by: UUID | None = CLEO) -> Coroutine[Any, Any, Done[Booking]]:
    return house.do(command, by=Author.person(by) if by else SYSTEM, request=request())


def changed(*outcomes: Outcome) -> list[bool]:
    return [isinstance(one, Done) and one.changed for one in outcomes]


def codes(*outcomes: Outcome) -> list[str]:
    return [no.code for one in outcomes if isinstance(one, Refused) for no in one.refusals]


async def life_of(journal: Journal, booking: UUID) -> list[type[BookingEvent]]:
    return [type(fact.event) for fact in await journal.of_tag(tags.booking(booking))]  # type: ignore[misc]


async def test_an_approval_decided_in_time_is_not_recorded_after_somebody_who_took_the_lapsed_slot(
    place: Place, journal: Journal, houses: list[Deciding]
):
    for n in range(ROUNDS):
        now, wanted = MONDAY_8AM + 3 * n * HOUR, hours(n, n + 1, THURSDAY)
        place.set_clock(now)
        asked = (await book(houses[n % 2], wanted)).subject.id
        newcomer = created(wanted, user_id=BEN, booking_id=uuid4(), at=now + TTL)

        def is_first(newcomer: BookingCreated = newcomer, now: datetime = now) -> None:
            place.set_clock(now + TTL)
            enter(place, newcomer)

        place.set_clock(now + TTL - INSTANT)
        (late,) = await at_once(ask(houses[(n + 1) % 2], interrupted(ApproveBooking(booking_id=asked), is_first)))

        assert codes(late) == ["booking-not-pending"]
        assert await life_of(journal, asked) == [BookingCreated]


async def test_an_approval_decided_in_time_is_not_recorded_after_the_lapsed_allowance_is_used_up_elsewhere(
    place: Place, journal: Journal, houses: list[Deciding]
):
    asked = (await book(houses[0], hours(10, 11, THURSDAY))).subject.id
    elsewhere = created(hours(10, 11, FRIDAY), space_id=DESK, booking_id=uuid4(), at=MONDAY_8AM + TTL)

    def is_first() -> None:
        place.set_clock(MONDAY_8AM + TTL)
        enter(place, elsewhere)

    place.set_clock(MONDAY_8AM + TTL - INSTANT)
    (late,) = await at_once(ask(houses[0], interrupted(ApproveBooking(booking_id=asked), is_first)))

    assert codes(late) == ["booking-not-pending"]
    assert await life_of(journal, asked) == [BookingCreated]


async def test_a_newcomer_decided_after_the_lapse_is_not_recorded_after_an_approval(
    place: Place, journal: Journal, houses: list[Deciding]
):
    asked = (await book(houses[0], hours(10, 11, THURSDAY))).subject
    approval = approved(created(asked.slot, booking_id=asked.id), at=MONDAY_8AM + TTL - INSTANT)
    newcomer = CreateBooking(booking_id=uuid4(), space_id=ROOM, user_id=BEN, slot=asked.slot)
    place.set_clock(MONDAY_8AM + TTL)

    (late,) = await at_once(ask(houses[1], interrupted(newcomer, lambda: enter(place, approval)), by=BEN))

    assert codes(late) == ["slot-taken"]


async def test_of_approvals_and_rejections_at_once_one_happens(journal: Journal, houses: list[Deciding]):
    ends = {ApproveBooking: BookingApproved, RejectBooking: BookingRejected}
    for n in range(ROUNDS):
        asked = (await book(houses[0], hours(n, n + 1, THURSDAY), of=BEN)).subject.id
        deciding = [ApproveBooking(booking_id=asked), RejectBooking(booking_id=asked)]

        outcomes = await at_once(*(ask(houses[(n + k) % 2], one) for k, one in enumerate(deciding * 2)))

        assert sorted(changed(*outcomes)) == [False, False, False, True]
        assert set(codes(*outcomes)) == {"booking-not-pending"}
        (winner,) = (one for one, won in zip(deciding * 2, changed(*outcomes), strict=True) if won)
        assert await life_of(journal, asked) == [BookingCreated, ends[type(winner)]]


async def test_what_is_approved_and_given_back_at_once_ends_given_back(journal: Journal, houses: list[Deciding]):
    for n in range(ROUNDS):
        wanted = hours(n, n + 1, THURSDAY)
        asked = (await book(houses[0], wanted, of=BEN)).subject.id

        approval, gone = await at_once(
            ask(houses[n % 2], ApproveBooking(booking_id=asked)),
            ask(houses[(n + 1) % 2], CancelBooking(booking_id=asked), by=BEN),
        )

        assert changed(gone) == [True]
        assert codes(approval) in ([], ["booking-not-pending"])
        between = [BookingApproved] * changed(approval).count(True)
        assert await life_of(journal, asked) == [BookingCreated, *between, BookingCancelled]
        assert (await book(houses[n % 2], wanted, of=BEN)).changed


async def test_what_is_approved_and_moved_at_once_is_approved_where_it_is_or_asks_again(
    journal: Journal, houses: list[Deciding]
):
    for n in range(ROUNDS):
        wanted, other = hours(n, n + 1, THURSDAY), hours(n, n + 1, FRIDAY)
        asked = (await book(houses[0], wanted, of=BEN)).subject.id

        approval, move = await at_once(
            ask(houses[n % 2], ApproveBooking(booking_id=asked)),
            ask(houses[(n + 1) % 2], ChangeBooking(booking_id=asked, start=other.start, end=other.end), by=BEN),
        )

        assert changed(approval, move) == [True, True]
        _, *happened = await life_of(journal, asked)
        assert sorted(happened, key=str) == [BookingApproved, BookingRescheduled]
        booking, _ = await houses[0].aggregates.fresh(folding.booking(asked))
        assert booking.slot == other
        assert booking.recorded_status == ("confirmed" if happened[-1] is BookingApproved else "pending")


async def test_what_lapses_as_it_is_approved_is_one_of_them_and_the_slot_is_never_held_twice(
    place: Place, journal: Journal, houses: list[Deciding]
):
    chance = random.Random(20260105)
    seen: set[bool] = set()
    for n in range(3 * ROUNDS):
        house, other = houses if n % 2 else reversed(houses)
        now, wanted = MONDAY_8AM + 3 * n * HOUR, Slot(MONDAY_8AM + (n + 200) * HOUR, MONDAY_8AM + (n + 201) * HOUR)
        place.set_clock(now)
        asked, newcomer = (await book(house, wanted)).subject.id, uuid4()
        striking = asyncio.create_task(asyncio.to_thread(place.set_clock, now + TTL))
        await asyncio.sleep(chance.uniform(0, 0.01))  # so that it strikes before, between and after the others

        approval, recorded, taken = await at_once(
            ask(house, ApproveBooking(booking_id=asked)),
            ask(other, ExpireBookings(booking_ids=[asked]), by=None),
            ask(other, CreateBooking(booking_id=newcomer, space_id=ROOM, user_id=BEN, slot=wanted), by=BEN),
        )

        await striking
        (was_approved,), (has_it,) = changed(approval), changed(taken)
        seen.add(was_approved)
        assert not (was_approved and has_it)
        assert codes(approval) == [] if was_approved else codes(approval) == ["booking-not-pending"]
        assert codes(taken) == [] if has_it else codes(taken) == ["slot-taken"]
        life = await life_of(journal, asked)
        if was_approved:
            assert (life, changed(recorded)) == ([BookingCreated, BookingApproved], [False])
            await ask(house, CancelBooking(booking_id=asked))
        else:
            assert life == [BookingCreated] + [BookingDeclined] * changed(recorded).count(True)
    assert seen == {True, False}
    await never_held_twice(journal)


async def never_held_twice(journal: Journal) -> None:
    """Replay everything: of each room nobody takes or is granted what another holds at that moment."""
    held: dict[UUID, tuple[Slot, datetime]] = {}
    for fact in await journal.page(0, 10_000):
        event = fact.event
        if isinstance(event, BookingCancelled | BookingRejected | BookingDeclined | BookingExpired):
            held.pop(event.booking_id, None)
        if not isinstance(event, BookingCreated | BookingRescheduled | BookingApproved):
            continue
        if isinstance(event, BookingApproved):
            assert event.at < held[event.booking_id][1]
        others = [slot for id, (slot, until) in held.items() if id != event.booking_id and event.at < until]
        assert not any(event.slot.overlaps(slot) for slot in others)
        until = getattr(event, "decide_by", None) or event.slot.end
        held[event.booking_id] = event.slot, until

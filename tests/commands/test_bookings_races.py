"""Races about bookings that move and end, between two processes: one outcome, and nobody is told one that is undone."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.bookings import Booking, Status
from booking.events import (
    BookingCancelled,
    BookingCreated,
    BookingEvent,
    BookingExpired,
    BookingRescheduled,
)
from booking.refusals import Refused
from booking.slots import Slot
from commands.bookings import CancelBooking, ChangeBooking, CreateBooking, ExpireBookings
from commands.command import Author, Command, PreconditionFailed
from commands.deciding import Deciding, Done
from journal import chain, tags
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, book, give_back, interrupted, offer, register, request
from tests.examples import (
    ANA,
    BEN,
    HALF_HOUR,
    HOUR,
    MONDAY_8AM,
    NOTHING,
    ROOM,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    given,
    hours,
)
from tests.journals import Place, a_journal

QUARTER = timedelta(minutes=15)
ROUNDS = 12
Outcome = Done[Booking] | Refused | PreconditionFailed


@pytest.fixture
async def houses(place: Place, deciding: Deciding) -> AsyncIterator[list[Deciding]]:
    """Two processes over one journal, with a room that ANA and BEN book, on Monday at eight."""
    place.set_clock(MONDAY_8AM)
    await offer(deciding, min_advance=NOTHING, cancellation_deadline=NOTHING)
    await register(deciding, ANA, BEN, limit=1000)
    async with a_journal(place, name="another process") as elsewhere:
        yield [deciding, Deciding(elsewhere, Aggregates(elsewhere))]


async def at_once(*asked: Coroutine[Any, Any, Done[Booking]]) -> list[Outcome]:
    """What came of commands asked for at the same time: done or refused, and nothing else."""
    outcomes: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in outcomes} <= {Done, Refused, PreconditionFailed}
    return outcomes


def ask(house: Deciding, command: Command[Booking], *, by: UUID | None = ANA) -> Coroutine[Any, Any, Done[Booking]]:
    return house.do(command, by=Author.person(by) if by else SYSTEM, request=request())


def moving(booking: UUID, slot: Slot, **conditions: Any) -> ChangeBooking:
    return ChangeBooking(booking_id=booking, start=slot.start, end=slot.end, **conditions)


async def life_of(journal: Journal, booking: UUID) -> list[BookingEvent]:
    return [fact.event for fact in await journal.of_tag(tags.booking(booking))]  # type: ignore[misc]


async def test_of_one_who_moves_into_a_slot_and_one_who_books_it_one_has_it(journal: Journal, houses: list[Deciding]):
    for n in range(ROUNDS):
        before, wanted = hours(n, n + 1, WEDNESDAY), hours(n, n + 1, TUESDAY)
        booking = (await book(houses[0], before)).subject.id

        moved, booked = await at_once(
            ask(houses[n % 2], moving(booking, wanted)), book(houses[(n + 1) % 2], wanted, of=BEN)
        )

        assert isinstance(moved, Done) is not isinstance(booked, Done)
        assert codes(moved, booked) == ["slot-taken"]
        now_at = wanted if isinstance(moved, Done) else before
        assert given(Booking(booking), *await life_of(journal, booking)).slot == now_at
    await replayed(journal)


async def test_of_two_bookings_that_move_into_one_slot_one_does(journal: Journal, houses: list[Deciding]):
    for n in range(ROUNDS):
        pair = [(await book(houses[0], hours(n + part, n + part + 0.5, WEDNESDAY))).subject.id for part in (0, 0.5)]
        wanted = [hours(n, n + 0.75, TUESDAY), hours(n + 0.5, n + 1, TUESDAY)]

        outcomes = await at_once(*(ask(*asked) for asked in zip(houses, map(moving, pair, wanted), strict=True)))

        assert len([one for one in outcomes if isinstance(one, Done)]) == 1
        assert codes(*outcomes) == ["slot-taken"]
    await replayed(journal)


async def test_two_who_move_one_booking_move_it_one_after_the_other(journal: Journal, houses: list[Deciding]):
    for n in range(ROUNDS):
        booking = (await book(houses[0], hours(n, n + 1, WEDNESDAY))).subject.id
        wanted = [hours(n, n + 1, TUESDAY), hours(n + 0.5, n + 1, TUESDAY)]

        outcomes = await at_once(*(ask(house, moving(booking, to)) for house, to in zip(houses, wanted, strict=True)))

        first, last = sorted((one for one in outcomes if isinstance(one, Done)), key=lambda one: one.position)
        assert (first.subject.revision, last.subject.revision) == (2, 3)
        _, one, other = await life_of(journal, booking)
        assert isinstance(one, BookingRescheduled)
        assert isinstance(other, BookingRescheduled)
        assert (one.slot, other.slot_before, other.slot) == (first.subject.slot, first.subject.slot, last.subject.slot)
        await give_back(houses[0], booking)
    await replayed(journal)


async def test_of_two_who_move_one_booking_as_they_have_seen_it_one_does(houses: list[Deciding]):
    for n in range(ROUNDS):
        booking = (await book(houses[0], hours(n, n + 1, WEDNESDAY))).subject.id
        wanted = [hours(n, n + 1, TUESDAY), hours(n, n + 1, THURSDAY)]

        outcomes = await at_once(
            *(ask(house, moving(booking, to, if_revisions={1})) for house, to in zip(houses, wanted, strict=True))
        )

        assert Counter(type(one) for one in outcomes) == {Done: 1, PreconditionFailed: 1}
        await give_back(houses[0], booking)


async def test_what_is_moved_and_given_back_at_once_ends_given_back(journal: Journal, houses: list[Deciding]):
    for n in range(ROUNDS):
        before, wanted = hours(n, n + 1, WEDNESDAY), hours(n, n + 1, TUESDAY)
        booking = (await book(houses[0], before)).subject.id

        moved, gone = await at_once(
            ask(houses[n % 2], moving(booking, wanted)),
            ask(houses[(n + 1) % 2], CancelBooking(booking_id=booking)),
        )

        assert isinstance(gone, Done)
        assert gone.subject.recorded_status is Status.CANCELLED
        assert codes(moved) in ([], ["booking-not-active"])
        assert gone.subject.slot == (wanted if isinstance(moved, Done) else before)
        for slot in (before, wanted):  # both are free again, and nobody's
            assert (await book(houses[n % 2], slot, of=BEN)).changed
    await replayed(journal)


async def test_what_several_find_to_be_over_expires_once(place: Place, journal: Journal, houses: list[Deciding]):
    bookings = [(await book(houses[0], hours(9 + n, 10 + n))).subject.id for n in range(ROUNDS)]
    place.set_clock(hours(9, 10 + ROUNDS).end)

    outcomes = await at_once(
        *(ask(house, ExpireBookings(booking_ids=[booking]), by=None) for booking in bookings for house in houses * 2)
    )

    assert [isinstance(one, Done) for one in outcomes] == [True] * len(outcomes)
    assert sum(one.changed for one in outcomes if isinstance(one, Done)) == len(bookings)
    for booking in bookings:
        assert [type(fact) for fact in await life_of(journal, booking)] == [BookingCreated, BookingExpired]


KINDS: dict[type[Command[Booking]], type[BookingEvent]] = {
    CreateBooking: BookingCreated,
    ChangeBooking: BookingRescheduled,
    CancelBooking: BookingCancelled,
    ExpireBookings: BookingExpired,
}
changed_or_given_back = pytest.mark.parametrize("kind", [ChangeBooking, CancelBooking])


@changed_or_given_back
async def test_what_ends_as_it_is_moved_or_given_back_is_that_or_over_and_never_both(
    place: Place, journal: Journal, houses: list[Deciding], kind: type[Command[Booking]]
):
    chance = random.Random(20260105)
    for n in range(2 * ROUNDS):
        house, clerk = houses if n % 2 else reversed(houses)
        command, slot = await of_a_short_booking(place, house, kind, n)
        striking = asyncio.create_task(asyncio.to_thread(place.set_clock, slot.end))
        await asyncio.sleep(chance.uniform(0, 0.01))  # so that it strikes before, between and after the two

        changed, expired = await at_once(
            ask(house, command, by=None), ask(clerk, ExpireBookings(booking_ids=[command.booking_id]), by=None)
        )

        await striking
        await seen_to_be_one_outcome(journal, command, changed, expired)
    await replayed(journal)


@changed_or_given_back
async def test_what_ends_between_a_decision_and_its_record_is_over_or_not_and_never_both(
    place: Place, journal: Journal, houses: list[Deciding], kind: type[Command[Booking]]
):
    async def a_round(house: Deciding, clerk: Deciding, n: int) -> None:
        command, slot = await of_a_short_booking(place, house, kind, n)
        expiring: list[asyncio.Task[Done[Booking]]] = []

        def ends() -> None:
            place.set_clock(slot.end)
            expiring.append(asyncio.create_task(ask(clerk, ExpireBookings(booking_ids=[command.booking_id]), by=None)))

        (changed,) = await at_once(ask(house, interrupted(command, ends), by=None))

        await seen_to_be_one_outcome(journal, command, changed, await expiring[0])

    for n in range(ROUNDS):
        await a_round(*(houses if n % 2 else houses[::-1]), n)
    await replayed(journal)


async def of_a_short_booking(
    place: Place, house: Deciding, kind: type[Command[Booking]], n: int
) -> tuple[ChangeBooking | CancelBooking, Slot]:
    """A command of this kind about a booking that has just begun, and its slot."""
    start = MONDAY_8AM + n * HOUR
    place.set_clock(start)
    booking = (await book(house, Slot(start, start + HALF_HOUR))).subject
    if kind is CancelBooking:
        return CancelBooking(booking_id=booking.id), booking.slot
    return moving(booking.id, Slot(start + 24 * HOUR, start + 25 * HOUR)), booking.slot


async def seen_to_be_one_outcome(
    journal: Journal, command: ChangeBooking | CancelBooking, changed: Outcome, expired: Outcome
) -> None:
    assert isinstance(expired, Done)
    _, *happened = [type(fact) for fact in await life_of(journal, command.booking_id)]
    if isinstance(changed, Done):
        assert (happened, expired.changed) == ([kind for of, kind in KINDS.items() if isinstance(command, of)], False)
    else:  # over, whether that is recorded by now or not
        assert codes(changed) == ["booking-not-active"]
        assert happened == [BookingExpired] * expired.changed


def codes(*outcomes: Outcome) -> list[str]:
    """What spoke against those that were refused."""
    return [no.code for one in outcomes if isinstance(one, Refused) for no in one.refusals]


AT_ONCE, LIMIT = 3, 4
CALLERS, EACH = 12, 25
PEOPLE = [UUID(int=0xD0 + n) for n in range(3)]


class Office:
    """People who book, move and give back over two processes, while time passes and what is over is recorded."""

    def __init__(self, place: Place, houses: list[Deciding]) -> None:
        self.chance = random.Random(20260105)
        self.now = MONDAY_8AM
        self.bookings: dict[UUID, UUID] = {}
        self.told: dict[int, tuple[type[BookingEvent], UUID, Slot]] = {}
        self.refusals: Counter[str] = Counter()
        self._place, self._houses = place, houses
        self._asked = 0
        self._ticking = asyncio.Lock()

    async def day(self) -> None:
        await asyncio.gather(*(self._call(PEOPLE[n % len(PEOPLE)]) for n in range(CALLERS)))

    async def _call(self, user: UUID) -> None:
        for _ in range(EACH):
            mine = [id for id, of in self.bookings.items() if of == user][-6:]
            dice = self.chance.random()
            if mine and dice < 0.4:
                await self._ask(moving(self.chance.choice(mine), self._slot()), user)
            elif mine and dice < 0.6:
                await self._ask(CancelBooking(booking_id=self.chance.choice(mine)), user)
            else:
                id = uuid4()
                await self._ask(CreateBooking(booking_id=id, space_id=ROOM, user_id=user, slot=self._slot()), user)
            self._asked += 1
            if self._asked % CALLERS == 0:
                await self._tick()

    async def _tick(self) -> None:
        """Half an hour passes, and both processes look what is over."""
        async with self._ticking:
            later = self.now + HALF_HOUR
            await asyncio.to_thread(self._place.set_clock, later)
            self.now = later
        ended = {id for kind, id, _ in self.told.values() if kind in (BookingCancelled, BookingExpired)}
        await asyncio.gather(
            *(self._ask(ExpireBookings(booking_ids=[id]), None) for id in [*self.bookings.keys() - ended] * 2)
        )

    async def _ask(self, command: Command[Booking], user: UUID | None) -> None:
        try:
            outcome = await ask(self.chance.choice(self._houses), command, by=user)
        except Refused as refused:
            self.refusals.update(no.code for no in refused.refusals)
            return
        if user and isinstance(command, CreateBooking):
            self.bookings[command.booking_id] = user
        if outcome.changed:
            assert outcome.position not in self.told
            self.told[outcome.position] = KINDS[type(command)], outcome.subject.id, outcome.subject.slot

    def _slot(self) -> Slot:
        """Half an hour or more, begun on any quarter of an hour of the next nine hours."""
        start = self.now + self.chance.randrange(36) * QUARTER
        return Slot(start, start + self.chance.randint(2, 5) * QUARTER)


async def test_nothing_gives_way_while_people_come_bookings_move_and_time_passes(
    place: Place, journal: Journal, deciding: Deciding
):
    place.set_clock(MONDAY_8AM)
    await offer(
        deciding,
        concurrent_bookings=AT_ONCE,
        min_advance=NOTHING,
        cancellation_deadline=NOTHING,
        buffer_before=QUARTER,
        buffer_after=HALF_HOUR,
    )
    await register(deciding, *PEOPLE, limit=LIMIT)
    async with a_journal(place, name="another process") as elsewhere:
        office = Office(place, [deciding, Deciding(elsewhere, Aggregates(elsewhere))])
        await office.day()

    assert await replayed(journal, at_once=AT_ONCE, limit=LIMIT) == office.told
    journal_id, _, hash = await journal.head()
    assert chain.check(chain.origin(journal_id), 0, place.rows()) == hash
    assert set(KINDS.values()) == {kind for kind, _, _ in office.told.values()}
    assert {"slot-taken", "allowance-used-up", "booking-not-active"} <= office.refusals.keys()


async def replayed(
    journal: Journal, *, at_once: int = 1, limit: int = 1000
) -> dict[int, tuple[type[BookingEvent], UUID, Slot]]:
    """What happened to bookings, by position, after seeing that no rule was ever broken."""
    facts = await journal.page(0, 10_000)
    assert [fact.position for fact in facts] == list(range(1, len(facts) + 1))
    happened: dict[int, tuple[type[BookingEvent], UUID, Slot]] = {}
    held: dict[UUID, BookingCreated | BookingRescheduled] = {}
    expired: set[UUID] = set()
    for fact in facts:
        event = fact.event
        if not isinstance(event, BookingCreated | BookingRescheduled | BookingCancelled | BookingExpired):
            continue
        happened[fact.position] = type(event), event.booking_id, event.slot
        before = held.get(event.booking_id)
        assert (before is None) is isinstance(event, BookingCreated)
        assert event.booking_id not in expired
        match event:
            case BookingExpired():
                assert before
                assert (before.slot, before.slot.end <= event.at) == (event.slot, True)
                expired.add(event.booking_id)
            case BookingCancelled():
                assert before
                assert (before.slot, before.held, event.at < before.slot.end) == (event.slot, event.held, True)
                del held[event.booking_id]
            case BookingCreated() | BookingRescheduled():
                if before:
                    assert isinstance(event, BookingRescheduled)
                    assert (event.slot_before, event.hold_before) == (before.slot, before.held)
                    assert event.at < before.slot.end
                held[event.booking_id] = event
                crowd = Counter(
                    quarter for one in held.values() for quarter in quarters_of(one) if quarter in quarters_of(event)
                )
                assert max(crowd.values()) <= at_once
                theirs = [one for one in held.values() if one.user_id == event.user_id and event.at < one.slot.end]
                assert len(theirs) <= limit
    return happened


def quarters_of(one: BookingCreated | BookingRescheduled) -> set[datetime]:
    """Every quarter of an hour in which a booking holds its space."""
    start, end = one.held.start, one.held.end
    return {start + n * QUARTER for n in range((end - start) // QUARTER)}

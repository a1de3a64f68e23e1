"""Races on the real journal, between callers of one process and between two: what the rules promise holds."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from booking.bookings import Status
from booking.events import BookingCancelled, BookingCreated, RoleChanged, SpaceCreated, UserDeactivated
from booking.refusals import NotAllowed, Refused
from booking.roles import Role
from booking.slots import Slot
from commands.bookings import CancelBooking
from commands.command import Author
from commands.deciding import Deciding, Done
from commands.spaces import CreateSpace
from commands.users import ChangeUser, RegisterUser
from journal import chain
from journal.connection import Unavailable
from journal.folding import Aggregates, admins
from journal.journal import Journal
from tests.commands.people import SYSTEM, account, book, offer, register, request
from tests.examples import ALWAYS_OPEN, ANA, BEN, CLEO, MEETING_ROOM
from tests.journals import Place, a_journal

QUARTER = timedelta(minutes=15)
CALLERS, EACH = 16, 25
AT_ONCE, LIMIT = 2, 3
PEOPLE = [UUID(int=0xD0 + n) for n in range(4)]


@dataclass
class Seen:
    """What callers were told, by booking."""

    made: dict[UUID, int] = field(default_factory=dict)
    given_back: dict[UUID, int] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)


async def insisting(ask: Callable[[], Awaitable[Done[Any]]]) -> Done[Any]:
    """What comes of it, asked again under the same id where a slow machine had no answer in time."""
    while True:
        with suppress(Unavailable):
            return await ask()


async def test_callers_of_two_processes_book_and_give_back_overlapping_slots(
    place: Place, journal: Journal, deciding: Deciding
):
    await offer(deciding, concurrent_bookings=AT_ONCE)
    await register(deciding, *PEOPLE, limit=LIMIT)
    chance, seen = random.Random(20260105), Seen()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=3)

    def a_slot() -> Slot:
        """Half an hour to two, begun on any quarter of an hour in the evening and night."""
        start = midnight - timedelta(hours=3) + chance.randrange(24) * QUARTER
        return Slot(start, start + chance.randint(2, 8) * QUARTER)

    async with a_journal(place, name="another process") as elsewhere:
        houses = [deciding, Deciding(elsewhere, Aggregates(elsewhere))]

        async def call(caller: int) -> None:
            for _ in range(EACH):
                house, user = chance.choice(houses), PEOPLE[caller % len(PEOPLE)]
                mine, asked = [id for id in seen.made if id not in seen.given_back], request(retryable=True)
                try:
                    if mine and chance.random() < 0.4:
                        booking_id = chance.choice(mine)
                        gone = await insisting(
                            lambda: house.do(CancelBooking(booking_id=booking_id), by=SYSTEM, request=asked)  # noqa: B023
                        )
                        assert seen.given_back.setdefault(booking_id, gone.position) == gone.position
                    else:
                        slot = a_slot()
                        done = await insisting(lambda: book(house, slot, of=user, asked=asked))  # noqa: B023
                        seen.made[done.subject.id] = done.position
                except Refused as refused:
                    seen.refusals.update(refusal.code for refusal in refused.refusals)

        await asyncio.gather(*(call(caller) for caller in range(CALLERS)))
        assert not any(house._turns._taken for house in houses)

    facts = await journal.page(0, 10_000)
    assert [fact.position for fact in facts] == list(range(1, len(facts) + 1))
    journal_id, _, hash = await journal.head()
    assert chain.check(chain.origin(journal_id), 0, place.rows()) == hash
    created = {fact.event.booking_id: fact.position for fact in facts if isinstance(fact.event, BookingCreated)}
    cancelled = {fact.event.booking_id: fact.position for fact in facts if isinstance(fact.event, BookingCancelled)}
    assert (created, cancelled) == (seen.made, seen.given_back)
    assert len(facts) == 1 + len(PEOPLE) + len(created) + len(cancelled)
    assert {"slot-taken", "allowance-used-up"} <= seen.refusals.keys()

    held: dict[UUID, tuple[Slot, UUID]] = {}
    for fact in facts:
        if isinstance(fact.event, BookingCreated):
            held[fact.event.booking_id] = fact.event.slot, fact.event.user_id
            crowd = Counter(
                start + n * QUARTER
                for start, end in ((slot.start, slot.end) for slot, _ in held.values())
                for n in range((end - start) // QUARTER)
            )
            assert max(crowd.values()) <= AT_ONCE
            assert max(Counter(user for _, user in held.values()).values()) <= LIMIT
        elif isinstance(fact.event, BookingCancelled):
            del held[fact.event.booking_id]


async def test_of_two_who_give_a_booking_back_one_does(place: Place, journal: Journal, deciding: Deciding):
    await offer(deciding)
    await register(deciding, ANA, limit=50)
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    async with a_journal(place, name="another process") as elsewhere:
        houses = [deciding, Deciding(elsewhere, Aggregates(elsewhere))]
        for n in range(10):
            start = tomorrow + n * timedelta(hours=1)
            booking = (await book(deciding, Slot(start, start + timedelta(hours=1)))).subject

            outcomes = await asyncio.gather(
                *(
                    house.do(CancelBooking(booking_id=booking.id), by=Author.person(ANA), request=request())
                    for house in houses * 2
                ),
                return_exceptions=True,
            )

            assert Counter(type(outcome) for outcome in outcomes) == {Done: 1, Refused: 3}
            (history,) = [done.subject for done in outcomes if isinstance(done, Done)]
            assert history.recorded_status is Status.CANCELLED


async def test_nobody_acts_in_a_role_they_lost(place: Place, journal: Journal, deciding: Deciding):
    await register(deciding, BEN, CLEO, role=Role.ADMIN)
    async with a_journal(place, name="another process") as elsewhere:
        other = Deciding(elsewhere, Aggregates(elsewhere))

        def offered(house: Deciding) -> Any:
            command = CreateSpace(space_id=uuid4(), description=MEETING_ROOM, opening_hours=ALWAYS_OPEN)
            return house.do(command, by=Author.person(BEN), request=request())

        for _ in range(5):
            outcomes = await asyncio.gather(
                *(offered(deciding) for _ in range(4)),
                other.do(ChangeUser(user_id=BEN, role=Role.STUDENT), by=Author.person(CLEO), request=request()),
                *(offered(house) for house in (deciding, other) * 2),
                return_exceptions=True,
            )
            assert {type(outcome) for outcome in outcomes} <= {Done, NotAllowed}
            await deciding.do(ChangeUser(user_id=BEN, role=Role.STAFF), by=SYSTEM, request=request())

    may = True
    for row, fact in zip(place.rows(), await journal.page(0, 1000), strict=True):
        if isinstance(fact.event, RoleChanged):
            may = fact.event.role is not Role.STUDENT
        if isinstance(fact.event, SpaceCreated):
            assert (may, row.actor) == (True, f"user:{BEN}")


async def test_one_admin_always_stays(place: Place, journal: Journal, deciding: Deciding):
    async with a_journal(place, name="another process") as elsewhere:
        houses = [deciding, Deciding(elsewhere, Aggregates(elsewhere))]
        for _ in range(5):
            people = [uuid4() for _ in range(6)]
            await register(deciding, *people, role=Role.ADMIN)

            outcomes = await asyncio.gather(
                *(
                    houses[n % 2].do(
                        ChangeUser(user_id=user, is_active=False)
                        if n % 3
                        else ChangeUser(user_id=user, role=Role.STAFF),
                        by=Author.person(people[n - 1]),
                        request=request(),
                    )
                    for n, user in enumerate(people)
                ),
                return_exceptions=True,
            )

            left, _ = await deciding.aggregates.fresh(admins())
            assert len(left.active) >= 1
            assert {type(outcome) for outcome in outcomes} <= {Done, Refused, NotAllowed}
            for user in sorted(left.active):  # and nobody can be the last to go
                try:
                    await deciding.do(ChangeUser(user_id=user, is_active=False), by=SYSTEM, request=request())
                except Refused:
                    assert left.active == {user}
            assert len(left.active) == 1

    active: set[UUID] = set()
    for fact in await journal.page(0, 1000):
        match fact.event:
            case UserDeactivated(user_id=user) | RoleChanged(user_id=user):
                active.discard(user)
                assert active
            case event:
                active.add(event.user_id)  # type: ignore[union-attr]


async def test_of_those_who_register_one_address_at_once_one_does(place: Place, journal: Journal, deciding: Deciding):
    async with a_journal(place, name="another process") as elsewhere:
        houses = [deciding, Deciding(elsewhere, Aggregates(elsewhere))]
        people = [uuid4() for _ in range(12)]

        outcomes = await asyncio.gather(
            *(
                houses[n % 2].do(
                    RegisterUser(user_id=user, account=account("ana@example.com")), by=SYSTEM, request=request()
                )
                for n, user in enumerate(people)
            ),
            return_exceptions=True,
        )

    assert Counter(type(outcome) for outcome in outcomes) == {Done: 1, Refused: 11}
    (fact,) = await journal.page(0, 10)
    with place.role() as role:
        assert role.execute("select user_id from accounts").fetchall() == [(fact.event.user_id,)]  # type: ignore[union-attr]
        assert role.execute("select user_id from sealing_keys").fetchall() == [(fact.event.user_id,)]  # type: ignore[union-attr]
    assert fact.position == 1

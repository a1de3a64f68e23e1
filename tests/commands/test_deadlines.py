"""Expiry on the real journal: recorded once however often it is asked for, and asked for until it is recorded."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from booking.events import BookingCancelled, BookingDeclined, BookingExpired, BookingRescheduled
from booking.refusals import Refused
from booking.slots import Slot
from commands import deadlines, due
from commands.bookings import ApproveBooking, CancelBooking, ChangeBooking
from commands.command import Author
from commands.deadlines import carry_out, keep_handing_out
from commands.deciding import Deciding, Done
from commands.due import DECLINE, EXPIRE, LENT, Work
from commands.posting import keep_posting
from journal.folding import Aggregates
from journal.journal import Journal
from journal.troubles import Trouble
from tests.commands.people import SYSTEM, book, enter, give_back, interrupted, offer, register, request
from tests.examples import ALWAYS_OPEN, ANA, DESK, HOUR, INSTANT, MONDAY_8AM, at, cancelled, created, hours
from tests.journals import Place, a_journal
from tests.processes import eventually

ENDS = (BookingCancelled, BookingDeclined, BookingExpired)
SLOTS = 30
PATIENCE = 10.0  # seconds

log = logging.getLogger(__name__)


def expiry(done: Done[Any]) -> Work:
    return Work(EXPIRE, done.subject.id)


async def ends(journal: Journal) -> list[tuple[type, UUID]]:
    """Every fact that ended a booking, in order."""
    facts = await journal.page(0, 10_000)
    return [(type(fact.event), fact.event.booking_id) for fact in facts if isinstance(fact.event, ENDS)]


@pytest.fixture
async def house(place: Place, deciding: Deciding) -> Deciding:
    """A room for Ana on a Monday, booked and given back at any time."""
    place.set_clock(MONDAY_8AM)
    await offer(deciding, hours=ALWAYS_OPEN, min_advance=timedelta(0), cancellation_deadline=timedelta(0))
    await register(deciding, ANA, limit=1000)
    return deciding


async def test_the_end_of_a_slot_is_recorded_by_the_clock(place: Place, journal: Journal, house: Deciding) -> None:
    made = await book(house, hours(9, 10))
    work = expiry(made)
    place.set_clock(at(10))

    await carry_out(house, [work])

    (*_, fact) = await journal.page(0, 100)
    assert fact.event == BookingExpired(
        booking_id=made.subject.id, space_id=made.subject.space_id, user_id=ANA, slot=hours(9, 10), at=at(10)
    )
    row = place.rows()[-1]
    assert (row.actor, row.correlation_id) == ("system:clock", "due:expire")


async def test_nothing_is_recorded_before_the_end(place: Place, journal: Journal, house: Deciding) -> None:
    made = await book(house, hours(9, 10))
    work = expiry(made)
    place.set_clock(at(10) - INSTANT)
    await carry_out(house, [work])
    assert await ends(journal) == []

    place.set_clock(at(10))
    await carry_out(house, [work])
    assert await ends(journal) == [(BookingExpired, made.subject.id)]


async def test_however_often_and_wherever_it_is_carried_out_it_is_recorded_once(
    place: Place, journal: Journal, house: Deciding
) -> None:
    made = [await book(house, hours(n / 2 + 9, n / 2 + 9.5)) for n in range(20)]
    works = [expiry(one) for one in made]
    place.set_clock(at(48))

    async with a_journal(place, name="another process") as elsewhere:
        other = Deciding(elsewhere, Aggregates(elsewhere))
        await asyncio.gather(*(carry_out(one, works * 2) for one in (house, other) * 3))
        await carry_out(other, works * 2)

    assert Counter(await ends(journal)) == {(BookingExpired, work.booking_id): 1 for work in works}


async def test_a_booking_that_was_given_back_does_not_expire(place: Place, journal: Journal, house: Deciding) -> None:
    made = await book(house, hours(9, 10))
    await give_back(house, made.subject.id)
    place.set_clock(at(12))
    await carry_out(house, [expiry(made)] * 3)
    assert await ends(journal) == [(BookingCancelled, made.subject.id)]


async def test_a_booking_that_was_moved_expires_at_its_new_end(place: Place, journal: Journal, house: Deciding) -> None:
    made = await book(house, hours(9, 10))
    work = expiry(made)
    move = ChangeBooking(booking_id=made.subject.id, start=at(15), end=at(16))
    await house.do(move, by=Author.person(ANA), request=request())
    place.set_clock(at(10))
    await carry_out(house, [work])
    assert await ends(journal) == []

    place.set_clock(at(16))
    await carry_out(house, [work, work])  # taken before and after it was moved
    assert await ends(journal) == [(BookingExpired, made.subject.id)]


async def test_what_nobody_decides_on_is_declined_by_the_clock_beside_what_expires(
    place: Place, journal: Journal, house: Deciding
) -> None:
    over = await book(house, hours(9, 10))
    await offer(house, DESK, requires_approval=True, approval_ttl=2 * HOUR, min_advance=timedelta(0))
    asked, kept = [await book(house, hours(n, n + 1), space=DESK) for n in (14, 15)]
    await house.do(ApproveBooking(booking_id=kept.subject.id), by=SYSTEM, request=request())
    lapses = Work(DECLINE, asked.subject.id)
    place.set_clock(at(10) - INSTANT)
    await carry_out(house, [lapses, expiry(over), Work(DECLINE, kept.subject.id)])
    assert await ends(journal) == []

    place.set_clock(at(10))
    works = [lapses, expiry(over), Work(DECLINE, kept.subject.id)]
    await carry_out(house, works)
    await carry_out(house, works)

    assert await ends(journal) == [(BookingDeclined, asked.subject.id), (BookingExpired, over.subject.id)]
    row = place.rows()[-1]
    assert (row.actor, row.correlation_id) == ("system:clock", "due:decline+expire")


async def test_who_gives_back_moves_and_expires_at_once_gets_one_outcome(
    place: Place, journal: Journal, deciding: Deciding
) -> None:
    """Slots end one after the other while bookings are given back, moved and expired from two processes."""
    minute, tick = timedelta(minutes=1), timedelta(milliseconds=20)
    await offer(deciding, min_duration=minute, cancellation_deadline=timedelta(0), concurrent_bookings=SLOTS)
    await register(deciding, ANA, limit=1000)
    start = datetime.now(UTC) + timedelta(days=3)
    slots = [Slot(start + n * tick, start + n * tick + minute) for n in range(SLOTS)]
    made = [await book(deciding, slot) for slot in slots]
    told: Counter[tuple[str, UUID]] = Counter()
    place.put_clock_forward(start + minute - datetime.now(UTC))

    async with a_journal(place, name="another process") as elsewhere:
        houses = [deciding, Deciding(elsewhere, Aggregates(elsewhere))]

        async def person(house: Deciding, what: str) -> None:
            for n, one in enumerate(made):
                id = one.subject.id
                command: CancelBooking | ChangeBooking
                if what == "cancel":
                    command = CancelBooking(booking_id=id)
                else:
                    moved = start + timedelta(days=1) + n * HOUR
                    command = ChangeBooking(booking_id=id, start=moved, end=moved + HOUR)
                try:
                    await house.do(command, by=SYSTEM, request=request())
                    told[what, id] += 1
                except Refused:
                    told["refused", id] += 1

        async def clock(house: Deciding) -> None:
            ended: list[tuple[type, UUID]] = []
            while len({id for _, id in ended} | {id for what, id in told if what == "move"}) < SLOTS:
                await carry_out(house, [expiry(one) for one in made])
                ended = await ends(journal)

        async with asyncio.timeout(30):
            await asyncio.gather(
                *(person(houses[n % 2], what) for n, what in enumerate(("cancel", "move", "move", "cancel"))),
                *(clock(house) for house in houses),
            )

    recorded = Counter(await ends(journal))
    assert set(recorded.values()) <= {1}
    for one in made:
        id = one.subject.id
        assert recorded[BookingCancelled, id] == told["cancel", id]
        assert recorded[BookingCancelled, id] + recorded[BookingExpired, id] <= 1
    for fact in await journal.page(0, 10_000):  # nothing is moved once it has ended, and nothing expires early
        if isinstance(fact.event, BookingRescheduled):
            assert fact.event.at < fact.event.slot_before.end
        if isinstance(fact.event, BookingExpired):
            assert fact.event.at >= fact.event.slot.end


async def test_who_expires_while_another_gives_back_records_nothing(
    place: Place, journal: Journal, house: Deciding
) -> None:
    made = await book(house, hours(9, 10))
    place.set_clock(at(10))
    gone = created(hours(9, 10), booking_id=made.subject.id)
    late = interrupted(
        deadlines.ExpireBookings(booking_ids=[made.subject.id]), lambda: enter(place, cancelled(gone, at=at(9)))
    )
    await house.do(late, by=deadlines.CLOCK, request=request())
    assert await ends(journal) == [(BookingCancelled, made.subject.id)]


async def test_a_booking_the_journal_does_not_have_keeps_no_other_from_ending(
    journal: Journal, place: Place, house: Deciding
) -> None:
    """A message may name what was lost: entered right before a standby took over that did not have it."""
    made = await book(house, hours(9, 10))
    await due.post(journal)
    place.set_clock(at(10))
    (work,) = await due.take(journal, limit=9)

    await carry_out(house, [replace(work, booking_id=UUID(int=1)), work, replace(work, booking_id=UUID(int=2))])
    assert await ends(journal) == [(BookingExpired, made.subject.id)]

    await carry_out(house, [replace(work, booking_id=UUID(int=1))])
    assert await ends(journal) == [(BookingExpired, made.subject.id)]


@dataclass
class Actors:
    """Stands for the broker: hands messages to the loop as actors would, from another thread."""

    deciding: Deciding
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    sent: list[list[Work]] = field(default_factory=list)
    lost: int = 0

    def send(self, works: Sequence[Work]) -> None:
        self.sent.append(list(works))
        if self.lost:
            self.lost -= 1
            raise OSError("the broker is away")
        asyncio.run_coroutine_threadsafe(carry_out(self.deciding, works), self.loop).result(PATIENCE)


@asynccontextmanager
async def worked(journal: Journal, send: Callable[[Sequence[Work]], None]) -> AsyncIterator[None]:
    """Due work is posted and handed out meanwhile; what goes wrong at it is logged."""
    running = [
        asyncio.create_task(keep_posting(journal, [due.post], trouble=Trouble(log, "not posted"))),
        asyncio.create_task(
            keep_handing_out(
                partial(due.take, journal, limit=deadlines.PER_MESSAGE),
                partial(due.wait_until_next, journal, at_most=0.5),
                send,
                taking=Trouble(log, "not taken"),
                sending=Trouble(log, "not sent"),
            )
        ),
    ]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes


async def until_recorded(journal: Journal, *bookings: UUID, left_over: int = 0) -> None:
    """Return when the end of each is recorded and no more than that is left to do."""
    bell = journal.bell()
    try:
        async with asyncio.timeout(PATIENCE):
            while {id for _, id in await ends(journal)} != set(bookings) or await left(journal) != left_over:
                await bell.wait(0.1)
    finally:
        await bell.close()


async def left(journal: Journal) -> int:
    ((count,),) = await journal.query("select count(*) from due", {})
    return int(count)


async def test_what_is_due_is_posted_handed_out_and_recorded(
    place: Place, journal: Journal, house: Deciding, caplog: pytest.LogCaptureFixture
) -> None:
    actors = Actors(house)
    async with worked(journal, actors.send):
        made = [await book(house, hours(n / 2 + 9, n / 2 + 9.5)) for n in range(deadlines.PER_MESSAGE + 10)]
        await give_back(house, made[0].subject.id)
        place.set_clock(at(72))
        await until_recorded(journal, *(one.subject.id for one in made))
    assert Counter(await ends(journal)) == {
        (BookingCancelled, made[0].subject.id): 1,
        **{(BookingExpired, one.subject.id): 1 for one in made[1:]},
    }
    assert max(len(works) for works in actors.sent) <= deadlines.PER_MESSAGE
    assert caplog.messages == []


async def test_what_lapses_is_posted_handed_out_and_recorded(
    place: Place, journal: Journal, house: Deciding, caplog: pytest.LogCaptureFixture
) -> None:
    await offer(house, DESK, hours=ALWAYS_OPEN, requires_approval=True)
    actors = Actors(house)
    async with worked(journal, actors.send):
        asked, kept = [(await book(house, hours(n, n + 1), space=DESK)).subject.id for n in (14, 15)]
        await house.do(ApproveBooking(booking_id=kept), by=SYSTEM, request=request())
        place.set_clock(at(13))
        await until_recorded(journal, asked, left_over=1)
        assert await ends(journal) == [(BookingDeclined, asked)]
        place.set_clock(at(16))
        await until_recorded(journal, asked, kept)
    assert await ends(journal) == [(BookingDeclined, asked), (BookingExpired, kept)]
    assert caplog.messages == []


async def test_what_could_not_be_sent_is_sent_again_when_the_loan_ends(
    place: Place, journal: Journal, house: Deciding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, log.name)
    made = await book(house, hours(9, 10))
    actors = Actors(house, lost=1)
    place.put_clock_forward(at(10) - datetime.now(UTC))
    async with worked(journal, actors.send):
        began = asyncio.get_running_loop().time()
        await until_recorded(journal, made.subject.id)
        took = asyncio.get_running_loop().time() - began
    assert caplog.messages == ["not sent: the broker is away", "not sent: this is over"]
    assert actors.sent == [[expiry(made)]] * 2
    assert took > LENT.total_seconds() - 1


async def test_while_the_journal_is_away_its_workers_wait_for_it_and_tell_when_it_begins_and_is_over(
    place: Place, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, log.name)
    reading = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'daybook journal read'"
    with place.role() as role:
        async with worked(journal, lambda _: None):

            async def is_over() -> bool:
                return {"not posted: this is over", "not taken: this is over"} <= set(caplog.messages)

            async with asyncio.timeout(PATIENCE):
                while not {"not posted", "not taken"} <= {said.partition(":")[0] for said in caplog.messages}:
                    role.execute(reading)
                    await asyncio.sleep(0)
            await eventually(is_over, within=PATIENCE)
        assert await due.take(journal, limit=1) == []
    assert all(re.fullmatch("not (posted|taken): (PostgreSQL .*|this is over)", said) for said in caplog.messages)

"""Workers killed and Redis emptied or away while bookings end: each end is recorded once, within ten seconds."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from booking.events import BookingCancelled, BookingDeclined, BookingExpired
from booking.slots import Slot
from commands.deciding import Deciding
from daybook.embedded import Stores
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import book, give_back, offer, register
from tests.examples import ANA, DESK
from tests.journals import Place, a_journal, a_place
from tests.processes import Running, started

SOON = 10.0  # seconds within which a slot's end is recorded
READY = 30.0  # seconds for a worker to be there
MINUTE = timedelta(minutes=1)


@pytest.fixture
def place(own_stores: Stores) -> Iterator[Place]:
    with a_place(own_stores) as place:
        yield place


@dataclass
class House:
    """A room for many at once, and Ana's bookings of it."""

    place: Place
    journal: Journal
    deciding: Deciding
    first_end: datetime = field(init=False)
    bookings: tuple[UUID, ...] = ()

    async def fill(self, count: int, *, apart: timedelta) -> None:
        """As many bookings, whose slots end one after the other three days from now."""
        self.first_end = datetime.now(UTC) + timedelta(days=3)
        ends = [self.first_end + n * apart for n in range(count)]
        for first in range(0, count, 50):  # they take turns, for one user's count against one allowance
            some = ends[first : first + 50]
            made = await asyncio.gather(*(book(self.deciding, Slot(end - MINUTE, end)) for end in some))
            self.bookings += tuple(done.subject.id for done in made)

    def let_them_end(self) -> None:
        self.place.put_clock_forward(self.first_end - datetime.now(UTC))

    async def posted(self) -> bool:
        return bool(await self.journal.query("select 1 from due_posted p join journal_head h using (position)", {}))

    async def left(self) -> int:
        ((count,),) = await self.journal.query("select count(*) from due", {})
        return int(count)

    async def lent(self) -> bool:
        return bool(await self.journal.query("select 1 from due where lent_until is not null limit 1", {}))

    async def expired(self) -> Counter[UUID]:
        facts = await self.journal.page(0, 10_000)
        return Counter(fact.event.booking_id for fact in facts if isinstance(fact.event, BookingExpired))

    async def slowest(self) -> float:
        """Seconds from the end of a slot to the record of it, at the most."""
        facts = await self.journal.page(0, 10_000)
        return max(
            (fact.recorded_at - fact.event.slot.end).total_seconds()
            for fact in facts
            if isinstance(fact.event, BookingExpired)
        )


@pytest.fixture
async def house(place: Place) -> AsyncIterator[House]:
    async with a_journal(place) as journal:
        deciding = Deciding(journal, Aggregates(journal))
        await offer(deciding, min_duration=MINUTE, cancellation_deadline=timedelta(0), concurrent_bookings=1000)
        await register(deciding, ANA, limit=1000)
        yield House(place, journal, deciding)


async def until(journal: Journal, condition: Callable[[], Awaitable[bool]], *, within: float) -> None:
    """Return when `condition` is true, asked whenever the journal grows and now and then."""
    bell = journal.bell()
    try:
        async with asyncio.timeout(within):
            while not await condition():
                await bell.wait(0.05)
    finally:
        await bell.close()


async def tells(worker: Running, line: str) -> bool:
    return line in worker.log.read_text()


@asynccontextmanager
async def all_recorded(house: House, *, within: float) -> AsyncIterator[None]:
    """Afterwards the end of every booking is recorded once, and nothing is left to do."""
    yield

    async def done() -> bool:
        return set(await house.expired()) == set(house.bookings) and not await house.left()

    await until(house.journal, done, within=within)
    assert await house.expired() == dict.fromkeys(house.bookings, 1)


async def test_two_workers_record_every_end_once_and_soon(
    own_stores: Stores, place: Place, house: House, tmp_path: Path
) -> None:
    await house.fill(120, apart=timedelta(0))
    given_back, house.bookings = house.bookings[:10], house.bookings[10:]
    for booking_id in given_back:
        await give_back(house.deciding, booking_id)
    with started("work", own_stores, place, tmp_path, number=2) as workers:
        await until(house.journal, house.posted, within=READY)
        async with all_recorded(house, within=SOON):
            house.let_them_end()
        for worker in workers:
            worker.stop()
            assert worker.process.returncode == 0, worker.log.read_text()[-3000:]
    slowest = await house.slowest()
    print(f"recorded within {slowest:.2f} s")
    assert slowest < SOON
    facts = await house.journal.page(0, 10_000)
    assert {fact.event.booking_id for fact in facts if isinstance(fact.event, BookingCancelled)} == set(given_back)


async def test_nothing_is_lost_with_a_worker_or_with_what_redis_held(
    own_stores: Stores, place: Place, house: House, tmp_path: Path
) -> None:
    chance = random.Random(20260105)
    await house.fill(300, apart=timedelta(milliseconds=40))
    with started("work", own_stores, place, tmp_path, number=2) as workers:
        await until(house.journal, house.posted, within=READY)
        async with all_recorded(house, within=2 * SOON), Redis.from_url(own_stores.redis_url) as redis:
            house.let_them_end()
            for _ in range(5):
                await asyncio.sleep(chance.uniform(0, 2.5))  # at any moment
                workers[0].kill()
                if chance.random() < 0.5:
                    await redis.flushall()
                workers[0].start()
        assert workers[1].process.poll() is None
    print(f"recorded within {await house.slowest():.2f} s")


async def test_every_request_that_nobody_decides_on_is_declined_once_though_the_worker_was_killed(
    own_stores: Stores, place: Place, house: House, tmp_path: Path
) -> None:
    await offer(house.deciding, DESK, requires_approval=True, concurrent_bookings=1000)
    slots = [Slot(start, start + timedelta(hours=1)) for start in (datetime.now(UTC) + timedelta(days=3),) * 40]
    asked = await asyncio.gather(*(book(house.deciding, slot, space=DESK) for slot in slots))

    async def declined() -> Counter[UUID]:
        facts = await house.journal.page(0, 10_000)
        return Counter(fact.event.booking_id for fact in facts if isinstance(fact.event, BookingDeclined))

    async def all_are() -> bool:
        return len(await declined()) == len(asked) and not await house.left()

    with started("work", own_stores, place, tmp_path, number=1) as (worker,):
        await until(house.journal, house.posted, within=READY)
        place.put_clock_forward(timedelta(hours=49))  # an approval is waited for 48 hours
        await until(house.journal, house.lent, within=SOON)
        worker.kill()
        worker.start()
        await until(house.journal, all_are, within=2 * SOON)

    assert await declined() == dict.fromkeys((done.subject.id for done in asked), 1)


async def test_a_worker_outlives_redis(own_stores: Stores, place: Place, house: House, tmp_path: Path) -> None:
    assert own_stores.redis
    await house.fill(20, apart=timedelta(milliseconds=100))
    with started("work", own_stores, place, tmp_path, number=1) as (worker,):
        await until(house.journal, house.posted, within=READY)
        async with all_recorded(house, within=2 * SOON):
            own_stores.redis.kill()
            house.let_them_end()
            await until(house.journal, partial(tells, worker, "due work is not handed out"), within=SOON)
            own_stores.redis.start()
        assert worker.process.poll() is None
        await until(house.journal, partial(tells, worker, "due work is not handed out: this is over"), within=SOON)
        said = worker.log.read_text()
        assert "critical" not in said
        assert "Traceback" not in said


async def test_a_worker_stops_when_told_though_redis_hangs(
    own_stores: Stores, place: Place, house: House, tmp_path: Path
) -> None:
    assert own_stores.redis
    await house.fill(5, apart=timedelta(0))
    with started("work", own_stores, place, tmp_path, number=1) as (worker,):
        await until(house.journal, house.posted, within=READY)
        hung = own_stores.redis.processes()
        for process in hung:
            process.suspend()
        try:
            house.let_them_end()
            await until(house.journal, house.lent, within=SOON)  # and what is lent is on its way to Redis
            for queue in ("due", "notices"):
                await until(
                    house.journal, partial(tells, worker, f"nothing is received from the queue {queue}"), within=SOON
                )
            assert "critical" not in worker.log.read_text()
            worker.process.terminate()

            assert await asyncio.to_thread(worker.process.wait, SOON) == 0
        finally:
            for process in hung:
                process.resume()

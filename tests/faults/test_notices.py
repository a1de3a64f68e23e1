"""Workers killed at every step of a notice, and mail servers that hang: what is to be told is told once, and the rest
goes on meanwhile.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from booking.events import BookingExpired
from booking.slots import Slot
from commands import notices
from commands.deciding import Deciding
from commands.notices import LENT, State
from daybook import embedded
from daybook.embedded import Stores
from daybook.working import MAILS_AT_ONCE, STOPPED_WITHIN
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import book, offer, register
from tests.examples import ANA
from tests.journals import Place, a_journal, a_place
from tests.mail_servers import Mail, Server, a_mail_server
from tests.processes import Running, environment, eventually

SOON = 10.0  # seconds within which a slot's end is recorded
READY = 30.0  # seconds for a worker to be there
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def own_stores() -> Iterator[Stores]:
    with embedded.throw_away_stores() as running:
        yield running


@dataclass
class House:
    """A room for many, booked by Ana, a mail server, and a worker to be killed."""

    stores: Stores
    place: Place
    journal: Journal
    deciding: Deciding
    server: Server
    worker: Running
    ahead: timedelta = timedelta(0)

    async def book(self, end: datetime | None = None) -> UUID:
        end = end or datetime.now(UTC) + timedelta(days=30)
        return UUID(str((await book(self.deciding, Slot(end - HOUR, end))).subject.id))

    def let_time_go_by(self, by: timedelta) -> None:
        self.ahead += by
        self.place.put_clock_forward(self.ahead)

    async def all_sent(self) -> bool:
        listed = await notices.listed(self.journal, limit=100)
        return {one.state for one in listed} == {State.SENT}

    async def handed_out(self) -> bool:
        return bool(await self.journal.query("select 1 from notices where lent_until is not null", {}))

    async def expired(self) -> set[UUID]:
        facts = await self.journal.page(0, 1000)
        return {fact.event.booking_id for fact in facts if isinstance(fact.event, BookingExpired)}


@pytest.fixture
async def house(own_stores: Stores, tmp_path: Path) -> AsyncIterator[House]:
    with a_place(own_stores) as place:
        async with a_journal(place) as journal, a_mail_server() as server:
            deciding = Deciding(journal, Aggregates(journal))
            await offer(deciding, min_advance=timedelta(0), concurrent_bookings=1000)
            await register(deciding, ANA, limit=1000)
            mail = {"SMTP_URL": server.url, "MAIL_FROM": "Daybook <daybook@example.com>", "REMINDER_HOURS_BEFORE": "0"}
            worker = Running("work", environment(own_stores, place, tmp_path) | mail, tmp_path / "work.log")
            worker.start()
            try:
                yield House(own_stores, place, journal, deciding, server, worker)
            finally:
                worker.stop()


def of(mails: list[Mail], booking_id: UUID) -> list[str]:
    """The Message-IDs of what was sent about a booking, in order."""
    return [mail.id for mail in mails if str(booking_id) in mail.text]


async def test_a_worker_killed_at_any_step_of_a_notice_sends_it_once_or_again_under_the_same_id(house: House) -> None:
    server, worker = house.server, house.worker
    noted = await house.book()
    await asyncio.wait_for(server.arrived(1), READY)
    await eventually(house.all_sent)

    assert house.stores.redis
    hung = house.stores.redis.processes()
    for process in hung:
        process.suspend()
    try:
        handed_out = await house.book()
        await eventually(house.handed_out)
        worker.kill()  # one is noted, the other on its way
    finally:
        for process in hung:
            process.resume()
    house.let_time_go_by(LENT)
    worker.start()
    await server.arrived(2)

    server.hangs = True
    begun, asked = await house.book(), server.asked
    await server.until(lambda: server.asked > asked)
    worker.kill()  # it is begun, and not taken yet
    server.hangs = False
    house.let_time_go_by(LENT)
    worker.start()
    await server.arrived(3)

    def take_and_kill(_to: str) -> str:
        server.to_mail = lambda _: "250 OK"
        worker.kill()  # it is taken, and not noted yet
        return "250 OK"

    server.to_mail = take_and_kill
    taken = await house.book()
    await server.arrived(4)
    house.let_time_go_by(LENT)
    worker.start()
    await server.arrived(5)
    await eventually(house.all_sent)

    once, twice = [of(server.mails, one) for one in (noted, handed_out, begun)], of(server.mails, taken)
    assert [len(ids) for ids in once] == [1, 1, 1]
    assert len(twice) == 2
    assert len(set(twice)) == 1
    assert len(server.mails) == 5


async def test_a_worker_told_to_stop_awaits_the_answer_to_what_it_handed_over_and_gives_back_the_rest(
    house: House,
) -> None:
    server, worker = house.server, house.worker
    server.replies.clear()
    await house.book()
    await asyncio.wait_for(server.arrived(1), READY)
    server.hangs = True
    await house.book()
    await server.until(lambda: server.asked == 2)

    worker.process.terminate()

    async def given_back() -> bool:
        rows = await house.journal.query("select 1 from notices where lent_until is null and attempts = 1", {})
        return len(rows) == 1

    await eventually(given_back, within=STOPPED_WITHIN)
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(worker.process.wait, STOPPED_WITHIN + 1)
    server.hangs = False
    server.replies.set()
    assert await asyncio.to_thread(worker.process.wait, SOON) == 0

    worker.start()
    await asyncio.wait_for(server.arrived(2), READY)
    await eventually(house.all_sent)
    assert len(server.mails) == 2


async def test_bookings_and_their_ends_go_on_while_the_mail_server_hangs(house: House) -> None:
    house.server.hangs = True
    first_end = datetime.now(UTC) + timedelta(days=3)
    bookings = {await house.book(first_end + n * MINUTE) for n in range(2 * MAILS_AT_ONCE)}
    await house.server.until(lambda: house.server.asked >= MAILS_AT_ONCE, within=READY)

    house.let_time_go_by(timedelta(days=4))

    async def ended() -> bool:
        return await house.expired() == bookings

    await eventually(ended, within=SOON)
    assert await house.book()
    assert house.server.mails == []

    house.worker.process.terminate()
    assert await asyncio.to_thread(house.worker.process.wait, STOPPED_WITHIN + SOON) == 0

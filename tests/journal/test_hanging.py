"""PostgreSQL stopped, hung and started again: everybody is told within five seconds, and it goes on by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import psutil
import pytest

from daybook import embedded
from daybook.embedded import Postgres, Stores
from journal import tags
from journal.connection import Unavailable
from journal.folding import Aggregates, space
from journal.journal import Journal
from tests.examples import ANA, ROOM
from tests.journals import Place, a_journal, a_place, activated, entry, rings

SOON = 5.0  # seconds in which every request ends


@pytest.fixture(scope="module")
def stores_to_hurt() -> Iterator[Stores]:
    """Stores for the tests below, each of which leaves them running."""
    with embedded.throw_away_stores() as running:
        yield running


@pytest.fixture
def hurt(stores_to_hurt: Stores) -> Iterator[Place]:
    with a_place(stores_to_hurt) as place:
        yield place


@pytest.fixture
def postgres(stores_to_hurt: Stores) -> Postgres:
    assert stores_to_hurt.postgres
    return stores_to_hurt.postgres


@pytest.fixture
async def journal(hurt: Place) -> AsyncIterator[Journal]:
    async with a_journal(hurt) as journal:
        yield journal


@contextmanager
def hung(postgres: Postgres) -> Iterator[None]:
    """All of PostgreSQL stands still."""
    processes = postgres.processes()
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


async def test_a_hung_postgresql_keeps_nobody_waiting_and_goes_on_by_itself(
    hurt: Place, postgres: Postgres, journal: Journal
):
    aggregates = Aggregates(journal)
    before = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(3)]
    assert await journal.append(before[0]) == 1
    await aggregates.fresh(space(ROOM))
    one = await entry(journal)
    calls: list[Callable[[], Awaitable[object]]] = [
        journal.head,
        lambda: journal.page(0, 10),
        lambda: journal.rows(0, 10),
        lambda: journal.of_tag(tags.space(ROOM)),
        lambda: journal.of_tags_between("a", "b"),
        lambda: journal.user_facts(after=0),
        lambda: journal.read({tags.space(ROOM): 0}),
        lambda: journal.query("select 1", {}),
        lambda: journal.keys.of([ANA]),
        lambda: aggregates.fresh(space(ROOM)),
        lambda: journal.append(one),
    ]

    async def told(call: Callable[[], Awaitable[object]]) -> float:
        asked = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await call()
        return asyncio.get_running_loop().time() - asked

    async def told_later(call: Callable[[], Awaitable[object]], begun: asyncio.Event) -> float:
        await begun.wait()
        return await told(call)

    halfway = asyncio.Event()
    with hung(postgres):
        asyncio.get_running_loop().call_later(1.5, halfway.set)
        waits = await asyncio.gather(
            *(told(call) for call in calls for _ in range(3)), *(told_later(call, halfway) for call in calls)
        )
    assert max(waits) < SOON

    async with asyncio.timeout(SOON):
        while True:
            with suppress(Unavailable):
                assert abs(await journal.append(one)) in (2, 3, 4)  # as often as it was sent, it is there once
                break
    assert len([row for row in hurt.rows() if row.command_id == one.command_id]) == 1
    await aggregates.fresh(space(ROOM))


async def test_postgresql_stopped_is_told_within_five_seconds_and_comes_back_by_itself(
    hurt: Place, postgres: Postgres, journal: Journal
):
    await journal.append(await entry(journal))
    bell = journal.bell()
    await bell.wait(0)
    one = await entry(journal)

    await asyncio.to_thread(postgres.stop)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable) as at_once:
        await journal.head()
    with pytest.raises(Unavailable) as after_trying:
        await journal.append(one)
    assert asyncio.get_running_loop().time() - began < SOON
    assert "socket" in str(at_once.value) or "lost" in str(at_once.value)
    assert "\n" not in str(after_trying.value)

    asking = asyncio.create_task(journal.append(one))
    await asyncio.sleep(0)
    postgres.start()

    assert await asking == 2
    async with asyncio.timeout(SOON):  # the bell listens again, and rings for what is entered from then on
        while not await rings(bell, 0.1):
            await journal.append(await entry(journal))
    await bell.close()
    assert [row.position for row in hurt.rows()] == list(range(1, (await journal.head())[1] + 1))


async def test_an_append_under_way_survives_a_restart(hurt: Place, postgres: Postgres, journal: Journal):
    entries = [await entry(journal, activated(UUID(int=n)), tags=[tags.space(UUID(int=n))]) for n in range(100)]
    asking = [asyncio.create_task(journal.append(one)) for one in entries]
    await asking[0]

    postgres.restart()

    assert sorted(abs(position) for position in await asyncio.gather(*asking)) == list(range(1, 101))
    assert len(hurt.rows()) == 100

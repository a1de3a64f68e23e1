"""Ten thousand bookings that end at the same time, beside others that are made."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from benchmarks.measuring import Bench, Figure
from benchmarks.places import Booker, Wish, new_place, stored, wishes
from benchmarks.serving import worker
from booking.slots import Slot
from journal.journal import Journal

ENDING = 10_000
PATIENCE = 120.0  # seconds


async def expire(bench: Bench) -> AsyncIterator[Figure]:
    """From the moment they are due until the end of each is recorded, with one worker."""
    place, number = new_place(bench.stores), bench.many(ENDING)
    place.furnish(spaces=200, users=1_000)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    slot = Slot(end - timedelta(minutes=15), end)
    pairs = zip(cycle(place.spaces), islice(cycle(place.users), number), strict=False)
    place.enter(stored(Wish(space, user, slot).created(datetime.now(UTC))) for space, user in pairs)
    with ExitStack() as running:
        running.enter_context(worker(bench.stores, place.schema))
        booker = Booker(place.journal(), wishes(place.spaces, place.users))
        await _left(booker.journal, at_least=number)
        await booker.work(bench.seconds(2))
        alone = await booker.work(bench.seconds(5)) / bench.seconds(5)
        place.put_clock_forward(end - datetime.now(UTC) + timedelta(seconds=1))
        began = time.perf_counter()
        ending = asyncio.create_task(_none_due(booker.journal))
        made = 0
        while not ending.done():
            made += await booker.work(0.2)
        took = time.perf_counter() - began
        await ending
        await booker.journal.close()
    yield Figure(
        f"{number:,} bookings due at once, all recorded after", took, "s", at_most=20, note=f"{number / took:,.0f}/s"
    )
    yield Figure(
        "creates beside it / before it",
        made / took / alone,
        at_least=0.7,
        note=f"{made / took:,.0f}/s and {alone:,.0f}/s, 16 tasks",
    )


async def _left(journal: Journal, *, at_least: int) -> None:
    """Wait until so much is posted as due work."""
    async with asyncio.timeout(PATIENCE):
        while await _count(journal, "true") < at_least:  # noqa: ASYNC110  # another process posts it
            await asyncio.sleep(0.1)


async def _none_due(journal: Journal) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _count(journal, "at <= journal_now()"):  # noqa: ASYNC110  # another process does it
            await asyncio.sleep(0.1)


async def _count(journal: Journal, which: str) -> int:
    ((count,),) = await journal.query(f"select count(*) from due where {which}", {})
    return int(count)

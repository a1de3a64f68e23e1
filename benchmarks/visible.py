"""How soon after its commit a fact is seen by those who ask the views."""

import asyncio
import time
from collections.abc import AsyncIterator

from benchmarks.measuring import Bench, Figure, percentile
from benchmarks.places import Booker, new_place, wishes
from benchmarks.serving import follower
from projections.reading import Views

WITHIN = 1.0  # seconds
BUILT_WITHIN = 60.0  # seconds


async def visible(bench: Bench) -> AsyncIterator[Figure]:
    """From the commit's acknowledgement until every view tells a position at or beyond it, with the follower apart."""
    place = new_place(bench.stores)
    place.furnish(spaces=200, users=1_000)
    with follower(bench.stores, place.schema):
        booker = Booker(place.journal(), wishes(place.spaces, place.users))
        views = Views(bench.stores.redis_url, place.schema, booker.journal)
        await all_seen(views, 1)
        for writers, pause in ((1, 0.005), (8, 0.02)):
            await _delays(booker, views, writers, pause, bench.seconds(1))
            delays = await _delays(booker, views, writers, pause, bench.seconds(8))
            rate = len(delays) / bench.seconds(8)
            said = f"{writers} writer{'s' if writers > 1 else ''}, {rate:,.0f} bookings/s"
            yield Figure(
                f"commit → visible, p50, {said}", percentile(delays, 0.5) * 1000, "ms", at_most=3, note=f"{len(delays)}"
            )
            yield Figure(
                f"commit → visible, p99, {said}",
                percentile(delays, 0.99) * 1000,
                "ms",
                at_most=15,
                note=f"longest {max(delays) * 1000:.1f} ms",
            )
        await views.close()
        await booker.journal.close()


async def all_seen(views: Views, position: int) -> None:
    """Wait until the views are there and hold all facts up to a position."""
    async with asyncio.timeout(BUILT_WITHIN):
        while not await views.caught_up(position, within=WITHIN):  # noqa: ASYNC110  # a view being built rings nothing
            await asyncio.sleep(0.1)


async def _delays(booker: Booker, views: Views, writers: int, pause: float, seconds: float) -> list[float]:
    """Seconds until visible, of each booking made by so many writers who rest between two."""
    delays: list[float] = []
    until = time.perf_counter() + seconds

    async def writer() -> None:
        while time.perf_counter() < until:
            position = await booker.book()
            began = time.perf_counter()
            seen = await views.caught_up(position, within=WITHIN)
            delays.append(time.perf_counter() - began if seen else float("inf"))
            await asyncio.sleep(pause)

    await asyncio.gather(*(writer() for _ in range(writers)))
    return delays

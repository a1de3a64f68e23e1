"""The walk along the chain, as `daybook audit verify` does it."""

import time
from collections.abc import AsyncIterator

from audit import proof
from benchmarks.measuring import Bench, Figure
from benchmarks.places import history, new_place

STORED = 200_000


async def verify(bench: Bench) -> AsyncIterator[Figure]:
    """Facts a second in one process, tags and all."""
    place, number = new_place(bench.stores), bench.many(STORED)
    place.furnish(spaces=200, users=1_000)
    place.enter(history(place, number))
    rates = []
    with proof.reading(bench.stores.database_url, place.schema) as connection:
        for _ in range(3):
            began = time.perf_counter()
            head = proof.verify(connection)
            rates.append(head.position / (time.perf_counter() - began))
    yield Figure(
        f"verify a journal of {head.position:,} facts",
        max(rates),
        "facts/s",
        at_least=60_000,
        note="the best of three; " + ", ".join(f"{rate:,.0f}" for rate in rates),
    )

"""The walk along the chain, as `daybook audit verify` does it."""

import time
from collections.abc import AsyncIterator

from audit import proof
from benchmarks.measuring import Bench, Figure
from benchmarks.places import history, new_place

STORED = 200_000


async def verify(bench: Bench) -> AsyncIterator[Figure]:
    """Facts a second in one process: along the chain alone, and with the tags that find them."""
    place, number = new_place(bench.stores), bench.many(STORED)
    place.furnish(spaces=200, users=1_000)
    place.enter(history(place, number))
    chains, wholes = [], []
    with proof.reading(bench.stores.database_url, place.schema) as connection:
        for _ in range(5):
            tags_done = began = time.perf_counter()

            def told(what: str, *_: object) -> None:
                nonlocal tags_done
                if what == "tags":
                    tags_done = time.perf_counter()

            head = proof.verify(connection, told)
            ended = time.perf_counter()
            chains.append(head.position / (ended - tags_done))
            wholes.append(head.position / (ended - began))
    yield Figure(
        f"verify the chain of {head.position:,} facts",
        max(chains),
        "facts/s",
        at_least=60_000,
        note=f"the best of five; with every tag held against its fact {max(wholes):,.0f} facts/s",
    )

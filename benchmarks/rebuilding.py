"""A view of 100,000 bookings built anew beside queries, and as many plain writes to the same Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import uvloop
from redis import Redis

from benchmarks import load
from benchmarks.apart import Apart, at_once
from benchmarks.asking import built
from benchmarks.measuring import Bench, Figure, percentile
from benchmarks.places import Place, history, new_place
from benchmarks.posting import accepted
from benchmarks.serving import TOKENS, api, follower
from journal.journal import Journal
from projections import bookings
from projections.rebuilding import Rebuilder
from projections.views import Documents, Lists

STORED = 100_000
EACH = 400  # bookings of a user
VIEW = bookings.VIEW
PAGE = 500  # bookings whose writes share a pipeline
CONNECTIONS = 2
SWITCHES = 20


async def rebuild(bench: Bench) -> AsyncIterator[Figure]:
    """`Rebuilder` in a process of its own, beside the follower and the API."""
    place, number = new_place(bench.stores), bench.many(STORED)
    place.furnish(spaces=200, users=number // EACH or 1)
    place.enter(history(place, number))
    with ExitStack() as running:
        running.enter_context(follower(bench.stores, place.schema))
        served = running.enter_context(api(bench.stores, place.schema))
        client, builder = (running.enter_context(Apart(at_once)) for _ in range(2))
        await built(bench, place)
        asked = [load.request("GET", "/bookings?limit=20", token=TOKENS.issued_to(user)) for user in place.users]

        async def queries(seconds: float) -> list[float]:
            done = await client.do(load.again, served.port, asked, CONNECTIONS, seconds)
            accepted(done, 200)
            return done.latencies

        await queries(bench.seconds(2))
        before = await queries(bench.seconds(8))
        writes = await _writes(place, number)
        floor = await builder.do(_plain_writes, bench.stores.redis_url, number, writes // number)
        asking = asyncio.create_task(queries(bench.seconds(8)))
        beside = await builder.do(_rebuilt, bench.stores.redis_url, bench.stores.database_url, place.schema)
        during = await asking
        alone = await builder.do(_rebuilt, bench.stores.redis_url, bench.stores.database_url, place.schema)
        floor += await builder.do(_plain_writes, bench.stores.redis_url, number, writes // number)
        switched = await builder.do(_switched, bench.stores.redis_url, bench.stores.database_url, place.schema)
    pace = f"{number / alone:,.0f} bookings/s, {number / beside:,.0f} beside queries"
    yield Figure(
        f"rebuild of {number:,} bookings / {writes:,} writes through one pipelined connection",
        floor / 2 / alone,
        at_least=0.5,
        note=f"{pace}; floor {2 * writes / floor:,.0f} writes/s",
    )
    yield Figure(
        "p99 of queries during it / before it",
        percentile(during, 0.99) / percentile(before, 0.99),
        at_most=2,
        note=f"{percentile(before, 0.99) * 1000:.1f} and {percentile(during, 0.99) * 1000:.1f} ms, c={CONNECTIONS}",
    )
    yield Figure("switching the generation that answers, the longest", max(switched) * 1000, "ms", at_most=50)


async def _writes(place: Place, number: int) -> int:
    """How many documents and entries of lists the view of so many bookings is made of."""
    journal = place.journal()
    _, head, _ = await journal.head()
    facts = await journal.page(head - min(number, PAGE), PAGE)
    await journal.close()
    touched = [(fact.event, list(VIEW.touches(fact.event))) for fact in facts]
    documents, lists = Documents(VIEW.forms, {one.tag: None for _, ones in touched for one in ones}), Lists()
    for event, ones in touched:
        for one in ones:
            VIEW.project(event, one, documents, lists)
    return (len(list(documents.changed())) + len(list(lists.entered()))) * number // len(facts)


def _plain_writes(redis_url: str, number: int, each: int) -> float:
    """The seconds that as many documents and entries take by themselves."""
    document = b"x" * 300
    with Redis.from_url(redis_url) as redis:
        began = time.perf_counter()
        for first in range(0, number, PAGE):
            pipeline = redis.pipeline(transaction=False)
            for nth in range(first, min(first + PAGE, number)):
                pipeline.set(f"floor:{nth}", document)
                for entry in range(each - 1):
                    pipeline.zadd(f"floor:{entry}:{nth // EACH}", {f"2026-11-22T10:00:00Z {nth:032}": 0})
            pipeline.execute()
        took = time.perf_counter() - began
        for key in redis.scan_iter("floor:*", count=10_000):
            redis.unlink(key)
    return took


def _rebuilt(redis_url: str, database_url: str, schema: str) -> float:
    """Seconds from the start of a rebuild until queries are answered from it."""
    return uvloop.run(_rebuild(redis_url, database_url, schema))


async def _rebuild(redis_url: str, database_url: str, schema: str) -> float:
    journal = Journal(database_url, schema, name="bench rebuild")
    rebuilder = Rebuilder(redis_url, schema, journal)
    began = time.perf_counter()
    await rebuilder.rebuild(VIEW, lambda *_: None)
    took = time.perf_counter() - began
    await rebuilder.close()
    await journal.close()
    return took


def _switched(redis_url: str, database_url: str, schema: str) -> list[float]:
    """Seconds that each of some switches between two generations took."""
    return uvloop.run(_switch(redis_url, database_url, schema))


async def _switch(redis_url: str, database_url: str, schema: str) -> list[float]:
    journal = Journal(database_url, schema, name="bench switch")
    rebuilder, took = Rebuilder(redis_url, schema, journal), []
    for _ in range(SWITCHES):
        began = time.perf_counter()
        await rebuilder.roll_back(VIEW)
        took.append(time.perf_counter() - began)
    await rebuilder.close()
    await journal.close()
    return took

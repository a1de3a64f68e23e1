"""Queries over HTTP with 20,000 bookings stored, 8 connections, beside `/health` under the same middleware."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import urlencode

from benchmarks import load
from benchmarks.apart import Apart, at_once
from benchmarks.measuring import Bench, Figure, Work, cpu, take_turns
from benchmarks.places import Place, new_place, nth_slot, stored, wishes
from benchmarks.posting import accepted
from benchmarks.serving import TOKENS, api, follower
from benchmarks.visible import all_seen
from projections.reading import Views

CONNECTIONS = 8
STORED = 20_000
EACH = 400  # bookings of a user


async def read(bench: Bench) -> AsyncIterator[Figure]:
    """Availability of a slot, one booking, a page of 20 of a user with 400."""
    place = new_place(bench.stores)
    number, now = bench.many(STORED), datetime.now(UTC)
    place.furnish(spaces=200, users=number // EACH or 1)
    bookings = [wish.created(now) for wish in islice(wishes(place.spaces, place.users), number)]
    place.enter(map(stored, bookings))
    with ExitStack() as running:
        running.enter_context(follower(bench.stores, place.schema))
        served = running.enter_context(api(bench.stores, place.schema))
        client = running.enter_context(Apart(at_once))
        took = await built(bench, place)
        tokens = {user: TOKENS.issued_to(user) for user in place.users}
        some = bookings[:: max(1, number // 1_000)]
        slots = [(event.space_id, nth_slot(nth)) for nth, event in enumerate(some)]
        asked = {
            "health": [load.request("GET", "/health")],
            "availability": [
                load.request(
                    "GET",
                    f"/spaces/{space}/availability?"
                    + urlencode({"start": slot.start.isoformat(), "end": slot.end.isoformat()}),
                )
                for space, slot in slots
            ],
            "booking": [
                load.request("GET", f"/bookings/{event.booking_id}", token=tokens[event.user_id]) for event in some
            ],
            "page": [load.request("GET", "/bookings?limit=20", token=token) for token in tokens.values()],
        }

        def asking(requests: Sequence[bytes]) -> Work:
            async def work(seconds: float) -> tuple[int, float]:
                done = await client.do(load.again, served.port, requests, CONNECTIONS, seconds)
                accepted(done, 200)
                return done.calls, done.seconds

            return work

        works = {name: asking(requests) for name, requests in asked.items()}
        compared = await take_turns(bench, works, app=cpu([served.process]))
    for name, title, least in (
        ("availability", "GET availability of a slot, c=8 / GET /health", 0.35),
        ("booking", "GET one booking, c=8 / GET /health", 0.35),
        ("page", f"GET a page of 20 of {EACH}, c=8 / GET /health", 0.25),
    ):
        app, redis = compared.cost(name, lambda spell: spell.app), compared.cost(name, lambda spell: spell.redis)
        note = f"{compared.rate(name):,.0f}/s ({app:.3f} ms CPU, Redis {redis:.3f})"
        if name == "availability":
            note += f"; /health {compared.told('health')}; views of {number:,} bookings built in {took:.0f} s"
        yield Figure(title, compared.ratio(name, "health"), at_least=least, note=note)


async def built(bench: Bench, place: Place) -> float:
    """Wait until the views hold everything; the seconds it took."""
    journal, began = place.journal(), time.perf_counter()
    views = Views(bench.stores.redis_url, place.schema, journal)
    _, head, _ = await journal.head()
    await all_seen(views, head)
    await views.close()
    await journal.close()
    return time.perf_counter() - began

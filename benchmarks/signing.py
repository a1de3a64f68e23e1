"""Signing in beside bookings, and what it costs a query to know who asks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from itertools import islice
from statistics import median

import orjson

from api.callers import Callers
from benchmarks import load
from benchmarks.apart import Apart, at_once
from benchmarks.measuring import Bench, Figure, percentile
from benchmarks.places import new_place, wishes
from benchmarks.posting import accepted, booking
from benchmarks.serving import TOKENS, api
from booking.roles import Role

CONNECTIONS = 4
SIGN_INS = 8
AT_MOST = 1_000  # bookings prepared for each second
LOOK_UPS = 100_000


async def sign(bench: Bench) -> AsyncIterator[Figure]:
    """The p95 of bookings with and without 8 sign-ins under way; the role's look-up by itself."""
    place, seconds = new_place(bench.stores), bench.seconds(4)
    place.furnish(spaces=200, users=1_000)
    tokens = {user: TOKENS.issued_to(user) for user in place.users}
    wanted = wishes(place.spaces, place.users)
    body = orjson.dumps({"email": "nobody@example.org", "password": "as slow as anybody's"})
    sign_in = load.request("POST", "/auth/login", body=body)
    ratios, alone, beside, signed_in = [], [], [], 0
    with ExitStack() as running:
        served = running.enter_context(api(bench.stores, place.schema))
        client, flood = (running.enter_context(Apart(at_once)) for _ in range(2))

        async def booked() -> float:
            requests = [booking(wish, tokens) for wish in islice(wanted, int(AT_MOST * seconds))]
            done = await client.do(load.run, served.port, requests, CONNECTIONS, seconds)
            accepted(done, 201)
            return percentile(done.latencies, 0.95)

        await booked()
        for _ in range(bench.rounds):
            alone.append(await booked())
            signing_in = asyncio.create_task(flood.do(load.again, served.port, [sign_in], SIGN_INS, 1.2 * seconds))
            beside.append(await booked())
            done = await signing_in
            accepted(done, 401)
            signed_in += done.calls
            ratios.append(beside[-1] / alone[-1])
    rate = signed_in / bench.rounds / (1.2 * seconds)
    yield Figure(
        f"p95 of a booking with {SIGN_INS} sign-ins under way / without",
        median(ratios),
        at_most=1.5,
        note=f"{median(alone) * 1000:.0f} and {median(beside) * 1000:.0f} ms, c={CONNECTIONS}; {rate:.1f} sign-ins/s",
    )

    journal = place.journal()
    callers = Callers(journal)
    following = asyncio.create_task(callers.follow())
    known = place.users[:100]
    for user in known * 2:  # the second time they are followed
        await callers.of(user)
    number = bench.many(LOOK_UPS)
    began = time.process_time()
    for nth in range(number):
        caller = await callers.of(known[nth % len(known)])
        assert not caller.is_any(Role.ADMIN)
    took = time.process_time() - began
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    await journal.close()
    yield Figure("the look-up of a caller's role", took / number * 1_000_000, "µs", at_most=50, note="CPU of the API")

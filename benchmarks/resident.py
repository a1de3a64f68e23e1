"""How much memory the API keeps after 200,000 commands over more spaces and users than its caches hold."""

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from itertools import islice

import orjson

from benchmarks import load
from benchmarks.apart import Apart, at_once
from benchmarks.measuring import Bench, Figure
from benchmarks.places import new_place, wishes
from benchmarks.posting import accepted, booking
from benchmarks.serving import TOKENS, api, follower

SPACES, USERS = 5_000, 20_000
COMMANDS = 200_000
OVER_HTTP = 20_000  # one of each user; the rest is carried out inside the same process, which is quicker
CONNECTIONS = 32
AT_A_TIME = 3.0  # seconds of one request for the rest: the door lets none take more than 5
PATIENCE = 480.0  # seconds; what is not done by then is said


async def resident(bench: Bench) -> AsyncIterator[Figure]:
    """The API's resident set, caches full."""
    place = new_place(bench.stores)
    place.furnish(spaces=SPACES, users=USERS)
    commands, over_http = bench.many(COMMANDS), bench.many(OVER_HTTP)
    tokens = {user: TOKENS.issued_to(user) for user in place.users}
    told = [str(id) for id in place.spaces], [str(id) for id in place.users]
    with ExitStack() as running:
        running.enter_context(follower(bench.stores, place.schema))
        served = running.enter_context(api(bench.stores, place.schema))
        client = running.enter_context(Apart(at_once))
        fresh, until = served.process.memory_info().rss, time.monotonic() + PATIENCE
        requests = [booking(wish, tokens) for wish in islice(wishes(place.spaces, place.users), over_http)]
        done = await client.do(load.run, served.port, requests, CONNECTIONS, PATIENCE / 2)
        accepted(done, 201)
        made, after_http = done.calls, served.process.memory_info().rss
        while made < commands and time.monotonic() < until:
            body = {"spaces": told[0], "users": told[1], "begin": made, "seconds": bench.seconds(AT_A_TIME)}
            inside = load.request("POST", "/bench/bookings", body=orjson.dumps(body))
            done = await client.do(load.run, served.port, [inside], 1, PATIENCE)
            accepted(done, 200)
            made += int(done.last.rpartition(load.END)[2])
        rss = served.process.memory_info().rss
    yield Figure(
        f"resident memory of the API after {made:,} commands",
        _mb(rss),
        "MB",
        at_most=300 if made >= commands else None,  # no figure where there was no time for it
        note=f"over {SPACES:,} spaces and {USERS:,} users; {_mb(fresh):.0f} MB when ready, {_mb(after_http):.0f} after "
        f"the first {over_http:,}, which came over HTTP; the others were carried out inside the process",
    )


def _mb(size: int) -> float:
    return size / 1e6

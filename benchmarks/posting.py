"""Bookings over HTTP, one worker and 32 connections, beside a POST that does everything but book."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from uuid import UUID

import orjson

from benchmarks import load
from benchmarks.apart import Apart, at_once
from benchmarks.load import Load
from benchmarks.measuring import Bench, Compared, Figure, Spell, Work, cpu, percentile, take_turns
from benchmarks.places import Wish, new_place, wishes
from benchmarks.serving import TOKENS, api, follower

CONNECTIONS = 32
AT_MOST = 5_000  # requests prepared for each second


async def post(bench: Bench) -> AsyncIterator[Figure]:
    """`POST /bookings` with the follower running, over 200 spaces and in one; then without it."""
    place = new_place(bench.stores)
    place.furnish(spaces=200 + 2 * bench.rounds, users=1_000)
    spaces, hot_spaces = place.spaces[:200], iter(place.spaces[200:])
    tokens = {user: TOKENS.issued_to(user) for user in place.users}
    everywhere = wishes(spaces, place.users)
    answers: dict[str, list[float]] = {"floor": [], "spaces": [], "hot": []}
    with ExitStack() as running:
        served = running.enter_context(api(bench.stores, place.schema))
        client = running.enter_context(Apart(at_once))

        def posting(name: str, path: str, wanted: "Iterator[Iterator[Wish]]") -> Work:
            async def work(seconds: float) -> tuple[int, float]:
                number = int(AT_MOST * seconds) + CONNECTIONS
                requests = [booking(wish, tokens, path) for wish in islice(next(wanted), number)]
                done = await client.do(load.run, served.port, requests, CONNECTIONS, seconds)
                accepted(done, 201)
                answers[name] += done.latencies
                return done.calls, done.seconds

            return work

        works = {
            "floor": posting("floor", "/bench/floor", cycle([cycle(islice(wishes(spaces, place.users), 1_000))])),
            "spaces": posting("spaces", "/bookings", cycle([everywhere])),
            "hot": posting("hot", "/bookings", (wishes([space], place.users) for space in hot_spaces)),
        }
        clock = cpu([served.process])
        with follower(bench.stores, place.schema):
            together = await take_turns(bench, works, app=clock)
        told = {name: list(values) for name, values in answers.items()}
        del works["hot"]
        alone = await take_turns(bench, works, app=clock)
    yield Figure(
        "POST /bookings, 1 worker, c=32 / a POST that only checks and answers",
        together.ratio("spaces", "floor"),
        at_least=0.4,
        note=f"{together.told('spaces')}, {_times(told['spaces'])}; "
        f"floor {together.told('floor')}, {_times(told['floor'])}",
    )
    yield Figure(
        "one hot space, distinct slots / 200 spaces",
        together.ratio("hot", "spaces"),
        at_least=0.8,
        note=f"{together.told('hot')}, {_times(told['hot'])}",
    )
    yield Figure(
        "CPU of a booking, app + database",
        _cpu(together, "spaces"),
        "ms",
        at_most=1.0,
        note=f"with the follower's reading of the database; Redis {together.cost('spaces', _redis):.3f} ms beside it",
    )
    yield Figure(
        "  the same with no follower running: POST / floor",
        alone.ratio("spaces", "floor"),
        note=f"{alone.told('spaces')}; floor {alone.told('floor')}; {_cpu(alone, 'spaces'):.2f} ms app + database",
    )


def booking(wish: Wish, tokens: dict[UUID, str], path: str = "/bookings") -> bytes:
    """The request that asks for the wish."""
    body = {"space_id": wish.space_id, "start": wish.slot.start, "end": wish.slot.end}
    return load.request("POST", path, token=tokens[wish.user_id], body=orjson.dumps(body, option=orjson.OPT_UTC_Z))


def accepted(done: Load, status: int) -> None:
    """Raise unless every answer has this status: what was refused measures nothing."""
    if set(done.statuses) != {status}:
        raise RuntimeError(f"answers by status: {dict(done.statuses)}, such as {done.refused!r}")


def _cpu(compared: Compared, name: str) -> float:
    return compared.cost(name, lambda spell: spell.app + spell.database)


def _redis(spell: Spell) -> float:
    return spell.redis


def _times(latencies: Sequence[float]) -> str:
    return f"p50 {percentile(latencies, 0.5) * 1000:.0f} p99 {percentile(latencies, 0.99) * 1000:.0f} ms"

"""What a long history costs: a million facts stored, and a user with ten thousand bookings whom nobody has read."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from benchmarks.measuring import Bench, Figure, take_turns
from benchmarks.places import DAYS, Booker, Place, Wish, history, new_place, nth_slot, stored, wishes
from booking.events import Event

SPACES, USERS = 200, 1_000
CALLERS = 16


async def million(bench: Bench) -> AsyncIterator[Figure]:
    """Create in an empty journal and in one of a million facts, with as many spaces and users to book for."""
    empty, full = new_place(bench.stores), new_place(bench.stores)
    empty.furnish(spaces=SPACES, users=USERS)
    began, facts = time.perf_counter(), bench.many(1_000_000)
    full.furnish(spaces=5_000, users=20_000)
    full.enter(history(full, facts))
    loaded = time.perf_counter() - began
    beyond = facts // len(full.spaces) + 1  # bookings each of its spaces has
    bookers = {
        "empty": Booker(empty.journal(), wishes(empty.spaces, empty.users)),
        "full": Booker(full.journal(), wishes(full.spaces[:SPACES], full.users[:USERS], begin=beyond * SPACES)),
        "wide": Booker(full.journal(), wishes(full.spaces[SPACES:], full.users[USERS:], begin=beyond * 4_800)),
    }
    warm = [bookers["empty"], bookers["full"]]
    for booker in warm:
        await booker.book_many(USERS)  # each user once: what comes next finds them kept
    compared = await take_turns(bench, {name: booker.work for name, booker in bookers.items()})
    for booker in bookers.values():
        await booker.journal.close()
    yield Figure(
        f"create with {facts:,} facts stored / in an empty journal",
        compared.ratio("full", "empty"),
        at_least=0.7,
        note=f"{compared.told('full')}; empty {compared.told('empty')}; entered in {loaded:.0f} s, "
        f"chain {'holds' if full.proven() else 'BROKEN'}",
    )
    yield Figure(
        "  for 19,000 users and 4,800 spaces, most not kept",
        compared.ratio("wide", "empty"),
        note=f"{compared.told('wide')}; each command reads the user's 50 facts and more",
    )


async def stranger(bench: Bench) -> AsyncIterator[Figure]:
    """How long others wait while a process reads a user with 10,000 bookings for the first time."""
    place = new_place(bench.stores)
    place.furnish(spaces=SPACES, users=USERS)
    held, regulars = bench.many(10_000), place.users[5:]
    for number in range(5):
        place.enter(map(stored, _bookings(place, number, held)))
    booker = Booker(place.journal(), wishes(place.spaces, regulars, begin=SPACES * (held // 40 + DAYS)))
    await booker.book_many(USERS)
    usual: list[float] = []
    longest: list[float] = []
    took: list[float] = []
    for number in range(5):
        usual.append(max(await _waits(booker, bench.seconds(1.0))))
        began = time.perf_counter()
        reading = asyncio.create_task(
            booker.carry_out(Wish(place.spaces[0], place.users[number], nth_slot(30_000 + number)))
        )
        waits = asyncio.create_task(_waits(booker, 60.0, until=reading))
        await reading
        took.append(time.perf_counter() - began)
        longest.append(max(await waits))
    await booker.journal.close()
    yield Figure(
        f"longest wait beside a user with {held:,} bookings, read cold",
        max(longest) * 1000,
        "ms",
        at_most=100,
        note=f"of 5 such users; each {_ms(longest)}, without one {_ms(usual)}; the user's own booking took {_ms(took)}",
    )


async def _waits(booker: Booker, seconds: float, until: "asyncio.Task[int] | None" = None) -> list[float]:
    """How long each booking took with 16 callers, for so long or until that is done."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < end and not (until and until.done()):
            began = time.perf_counter()
            await booker.book()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return took


def _bookings(place: Place, number: int, length: int) -> Iterator[Event]:
    """So many bookings of one user in 40 spaces of their own choice."""
    spaces, now = place.spaces[40 * number : 40 * (number + 1)], datetime.now(UTC)
    for nth in range(length):
        yield Wish(spaces[nth % 40], place.users[number], nth_slot(nth // 40)).created(now)


def _ms(values: list[float]) -> str:
    return " ".join(f"{value * 1000:.0f}" for value in values) + " ms"

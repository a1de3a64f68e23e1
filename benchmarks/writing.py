"""In process: the append path and a whole command beside the floor, and the library's own way beside ours."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid4

import uvloop

from benchmarks import floors, library
from benchmarks.apart import Apart
from benchmarks.measuring import Bench, Figure, Work, calm_collector, cpu, take_turns
from benchmarks.places import PER_SPACE, Booker, Place, Wish, new_place, nth_slot, wishes
from booking.events import BookingCreated
from journal import codec, tags
from journal.journal import Entry, Journal

CALLERS = 16


async def append(bench: Bench) -> AsyncIterator[Figure]:
    """One fact at a time from 16 callers, under a condition of four tags, beside the floor and the library."""
    place = new_place(bench.stores)
    place.furnish(spaces=CALLERS, users=CALLERS)
    journal = place.journal()
    (journal_id, head, _) = await journal.head()
    async with AsyncExitStack() as open:
        app = open.enter_context(library.application(place))
        ours = [_Caller(place, number, head) for number in range(CALLERS)]
        theirs = [_Caller(place, number, head) for number in range(CALLERS)]

        async def by_us(caller: _Caller, until: float) -> int:
            made = 0
            while time.perf_counter() < until:
                fact, read = caller.next()
                caller.last = await journal.append(
                    Entry(
                        command_id=uuid4(),
                        journal_id=journal_id,
                        after=caller.last,
                        tags=read,
                        facts=[fact],
                        actor=caller.actor,
                        correlation_id="bench",
                    )
                )
                assert caller.last > 0
                made += 1
            return made

        async def work(seconds: float) -> tuple[int, float]:
            for caller in ours:
                caller.prepare(int(seconds * AT_MOST) + 1)
            began = time.perf_counter()
            made = sum(await asyncio.gather(*(by_us(caller, began + seconds) for caller in ours)))
            return made, time.perf_counter() - began

        def by_library(number: int, until: float) -> int:
            caller, made = theirs[number], 0
            while time.perf_counter() < until:
                fact, read = caller.next()
                caller.last = library.append(app, fact, read, caller.last)
                made += 1
            return made

        floor_works, name = await _floor(open, place)
        compared = await take_turns(bench, {"append": work, "library": library.in_threads(by_library), **floor_works})
    await journal.close()
    floor = f"INSERT + COMMIT by 16 {name} {compared.told('floor')}"
    yield Figure(
        "append, 16 callers / INSERT + COMMIT, 16 connections",
        compared.ratio("append", "floor"),
        at_least=1.0,
        note=f"{compared.told('append')}; {floor}",
    )
    yield Figure(
        "  / INSERT that commits by itself, one round trip",
        compared.ratio("append", "autocommit"),
        note=compared.told("autocommit"),
    )
    yield Figure(
        "  the library's recorder / INSERT + COMMIT", compared.ratio("library", "floor"), note=compared.told("library")
    )


async def create(bench: Bench) -> AsyncIterator[Figure]:
    """The whole of `CreateBooking` in process: read, decide, append; 16 at a time, and from two processes."""
    place, shared = new_place(bench.stores), new_place(bench.stores)
    place.furnish(spaces=200, users=1_000)
    shared.furnish(spaces=200, users=1_000)
    middle = len(shared.spaces) * PER_SPACE // 2 + len(shared.users) // 2
    async with AsyncExitStack() as open:
        app = open.enter_context(library.application(place))
        lock, wanted = threading.Lock(), wishes(place.spaces, place.users)

        def by_library(_: int, until: float) -> int:
            made = 0
            while time.perf_counter() < until:
                with lock:
                    wish = next(wanted)
                library.create(app, wish)
                made += 1
            return made

        booker = Booker(place.journal(), wishes(place.spaces, place.users))
        open.push_async_callback(booker.journal.close)
        works, name = await _floor(open, place)
        works.pop("autocommit")
        alone = await take_turns(bench, {"create": booker.work, "library": library.in_threads(by_library), **works})

        told = bench.stores.database_url, shared.schema, shared.spaces, shared.users
        pair = [open.enter_context(Apart(_begin_booking, *told, begin)) for begin in (0, middle)]

        async def by_two(seconds: float) -> int:
            return sum(await asyncio.gather(*(process.do(_book, seconds) for process in pair)))

        both = cpu([await process.process() for process in pair])
        apart = await take_turns(bench, {"create": by_two, **works}, app=both)
    yield Figure(
        "create booking, 16 tasks / INSERT + COMMIT",
        alone.ratio("create", "floor"),
        at_least=0.6,
        note=f"{alone.told('create')}; floor by 16 {name} {alone.told('floor')}",
    )
    yield Figure(
        "create booking, 2 processes × 8 / INSERT + COMMIT",
        apart.ratio("create", "floor"),
        at_least=0.35,
        note=f"{apart.told('create')}; floor {apart.rate('floor'):,.0f}/s",
    )
    yield Figure(
        "  DCBApplication, same slice, 16 threads / INSERT + COMMIT",
        alone.ratio("library", "floor"),
        note=alone.told("library"),
    )


_running: list[tuple[asyncio.Runner, Booker]] = []


def _begin_booking(url: str, schema: str, spaces: Sequence[UUID], users: Sequence[UUID], begin: int) -> None:
    """What a second process keeps from call to call, as a second process of the product would."""
    calm_collector()
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    booker = Booker(Journal(url, schema, name="bench"), wishes(spaces, users, begin=begin))
    _running.append((runner, booker))


def _book(seconds: float) -> int:
    ((runner, booker),) = _running
    return runner.run(booker.work(seconds, callers=8))


AT_MOST = 600
"""Appends of one caller in a second for which facts are made beforehand: the floor has nothing to make either."""


_Borne = tuple[BookingCreated, list[str]]


class _Caller:
    """Somebody who books their own space, day after day, so that nobody is in anybody's way."""

    def __init__(self, place: Place, number: int, head: int) -> None:
        self._space, self._user = place.spaces[number], place.users[number]
        self._nth = count()
        self.last = head
        self.actor = f"user:{self._user}"
        self._ready: list[tuple[_Borne, list[str]]] = []

    def prepare(self, number: int) -> None:
        """Have so many facts ready."""
        self._ready += [self._made() for _ in range(number - len(self._ready))]

    def next(self) -> tuple[_Borne, list[str]]:
        """A fact with the tags it bears, and the tags its decision would have read."""
        return self._ready.pop() if self._ready else self._made()

    def _made(self) -> tuple[_Borne, list[str]]:
        event = Wish(self._space, self._user, nth_slot(next(self._nth))).created(datetime.now(UTC))
        read = [tags.space(self._space), tags.user(self._user), tags.allowance(self._user)]
        return (event, tags.of(event)), [*read, *tags.calendars(self._space, event.slot)]


async def _floor(open: AsyncExitStack, place: Place) -> tuple[dict[str, Work], str]:
    """The floor by tasks or by threads, whichever is quicker, and the one that commits by itself."""
    floors.make_table(place)
    wish = Wish(place.spaces[0], place.users[0], nth_slot(0))
    _, _, payload = codec.encode(wish.created(datetime.now(UTC)), {})
    works = {
        "tasks": await open.enter_async_context(floors.by_tasks(place, payload)),
        "threads": open.enter_context(floors.by_threads(place, payload)),
    }
    _, name = max([(await work(0.5), name) for _ in range(2) for name, work in works.items()])
    autocommit = await open.enter_async_context(floors.by_tasks(place, payload, autocommit=True))
    return {"floor": works[name], "autocommit": autocommit}, name

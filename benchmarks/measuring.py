"""Figures as ratios within one run: the machine's speed moves by half meanwhile, the parts of a ratio move together.

What is compared takes turns, in one order and then in the other, each for a short time; a ratio is the median over the
rounds.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from daybook.embedded import Stores
from daybook.servers import Store


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page: what was measured, and what it has to reach, if anything."""

    name: str
    value: float
    unit: str = "×"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is as it should be; None where nothing is asked of it."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None


@dataclass(frozen=True, slots=True)
class Bench:
    """Stores to measure on. A quick run goes through everything in a fraction of the time; its figures mean nothing."""

    stores: Stores
    quick: bool = False

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 7

    def seconds(self, seconds: float) -> float:
        return seconds / 8 if self.quick else seconds

    def many(self, number: int) -> int:
        return max(number // 50, 16) if self.quick else number


@dataclass(frozen=True, slots=True)
class Spell:
    """Some time at work: calls made, and the CPU seconds the application, the database and Redis took for them."""

    calls: int
    seconds: float
    app: float
    database: float
    redis: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


Work = Callable[[float], Awaitable[int | tuple[int, float]]]
"""Works for so many seconds and returns how many calls it made, and how long that took if it had to prepare them."""

Clock = Callable[[], float]
"""CPU seconds used so far."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The spells of each thing that took turns, by name, round by round."""

    spells: Mapping[str, Sequence[Spell]]

    def ratio(self, one: str, floor: str) -> float:
        """Median of the ratios of rates in each round."""
        pairs = zip(self.spells[one], self.spells[floor], strict=True)
        return statistics.median(a.rate / b.rate for a, b in pairs)

    def rate(self, name: str) -> float:
        """Median rate per second."""
        return statistics.median(spell.rate for spell in self.spells[name])

    def cost(self, name: str, of: Callable[[Spell], float]) -> float:
        """Milliseconds of CPU per call over all rounds, of what `of` takes from a spell."""
        return sum(map(of, self.spells[name])) / max(1, sum(spell.calls for spell in self.spells[name])) * 1000

    def told(self, name: str) -> str:
        """Rate and CPU per call, as they stand beside a ratio."""
        app, database = self.cost(name, _app), self.cost(name, _database)
        return f"{self.rate(name):,.0f}/s ({app:.3f} + {database:.3f} ms CPU)"


def _app(spell: Spell) -> float:
    return spell.app


def _database(spell: Spell) -> float:
    return spell.database


async def take_turns(
    bench: Bench, works: Mapping[str, Work], *, seconds: float = 1.5, app: Clock = time.process_time
) -> Compared:
    """Let `works` take turns, after a short one of each that does not count. `app` is the application's CPU clock."""
    spells: dict[str, list[Spell]] = {name: [] for name in works}
    for work in works.values():
        await work(bench.seconds(seconds) / 3)
    for turn in range(bench.rounds):
        names = list(works) if turn % 2 == 0 else list(works)[::-1]
        for name in names:
            spells[name].append(await spell(bench, works[name], bench.seconds(seconds), app))
    return Compared(spells)


async def spell(bench: Bench, work: Work, seconds: float, app: Clock = time.process_time) -> Spell:
    """One spell of `work`. What it takes beyond `seconds` to come to an end is counted too."""
    clocks = (app, cpu_of(bench.stores.postgres), cpu_of(bench.stores.redis), time.perf_counter)
    before = [clock() for clock in clocks]
    made = await work(seconds)
    in_app, in_database, in_redis, elapsed = (clock() - began for clock, began in zip(clocks, before, strict=True))
    calls, took = made if isinstance(made, tuple) else (made, elapsed)
    return Spell(calls, took, in_app, in_database, in_redis)


def cpu_of(store: Store | None) -> Clock:
    """The CPU clock of a store: of every process it has now, backends and helpers alike."""
    return cpu(store.processes() if store else ())


def cpu(processes: Iterable[psutil.Process]) -> Clock:
    """The CPU clock of some processes, user and system."""
    running = list(processes)

    def clock() -> float:
        total = 0.0
        for process in running:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    return clock


def calm_collector() -> None:
    """As the wiring does in every process: what is there now is no garbage later, what is young is none yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of all lie."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else float("nan")

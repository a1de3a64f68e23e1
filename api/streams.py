"""Streams: what the journal records, told as it happens to everybody who listens, each from where they left off.

One reader of the journal per process feeds every listener. A listener that comes back, or came late, first reads what
it missed by itself; one that cannot keep up is let go, and comes back with the id it has.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from booking.events import UserErased
from journal import codec
from journal.connection import Unavailable
from journal.journal import Journal, Recorded

PER_USER = 4
"""Streams one user may have open in a process."""

MOST_BEHIND = 5_000
"""Facts kept for a listener that is slower than the journal grows."""

PAGE = 500
POLL = 0.5  # seconds

log = logging.getLogger(__name__)


class TooMany(Exception):
    """The user listens to as many streams as one may."""


@dataclass(slots=True, eq=False)
class Listener:
    """The facts nobody has told one listener yet."""

    waiting: deque[Recorded] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    is_let_go: bool = False


class Streams:
    """The listeners of one process, and the task that reads the journal for them while there are any."""

    def __init__(self, journal: Journal, *, per_user: int = PER_USER, most_behind: int = MOST_BEHIND) -> None:
        self._journal = journal
        self._per_user = per_user
        self._most_behind = most_behind
        self._open: Counter[UUID] = Counter()
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._journal_id: UUID | None = None
        self._position = 0
        self._is_over = False

    @asynccontextmanager
    async def place(self, user_id: UUID) -> AsyncIterator[None]:
        """One of the user's streams. Raises `TooMany`."""
        if self._open[user_id] >= self._per_user:
            raise TooMany
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]

    async def listen(self, *, after: int | None, quiet: float) -> AsyncGenerator[Sequence[Recorded], None]:
        """Facts above position `after` (None: from now on) in order, without a gap; none after so many quiet seconds.

        Ends when the listener falls too far behind, or what is next cannot be read here. Raises `Unavailable`,
        `UnknownFact`.
        """
        listener = Listener(is_let_go=self._is_over)
        try:
            began_at = await self._join(listener)
            told = began_at if after is None else after
            while told < began_at and (page := await self._journal.page(told, PAGE)):
                told = page[-1].position
                yield page
            while not listener.is_let_go:
                with suppress(TimeoutError):
                    async with asyncio.timeout(quiet):
                        await listener.arrived.wait()
                listener.arrived.clear()
                facts = [fact for fact in listener.waiting if fact.position > told]
                listener.waiting.clear()
                told = facts[-1].position if facts else told
                yield _without_erased_texts(facts)
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                await self.close()

    async def _join(self, listener: Listener) -> int:
        """Have the listener told of everything above the position that is returned."""
        if self._reading is None:
            journal_id, head, _ = await self._journal.head()
            if self._reading is None:  # whoever joined meanwhile has begun, and is not to be moved past anything
                self._journal_id, self._position = journal_id, head
        self._listeners.add(listener)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._position

    async def _read(self) -> None:
        """Tell everybody what is entered; whoever listens comes back for what cannot be read here, maybe elsewhere, and
        once there is another journal, or a backup of this one.
        """
        bell = self._journal.bell()
        try:
            while True:
                facts: list[Recorded] = []
                with suppress(Unavailable):
                    facts = await self._journal.page(self._position, PAGE)
                    if not facts and not await self._goes_on():
                        self._end()
                        return
                if facts:
                    self._position = facts[-1].position
                    for listener in self._listeners:
                        self._tell(listener, facts)
                if len(facts) < PAGE:
                    await bell.wait(POLL)
        except Exception:  # whatever it is, whoever joins from now on is read for anew
            log.exception("the journal cannot be read for streams above position %d: they end", self._position)
            self._end()
        finally:
            await bell.close()

    async def _goes_on(self) -> bool:
        """Whether the journal is still the one that is told of, and as long. Raises `Unavailable`."""
        journal_id, head, _ = await self._journal.head()
        return journal_id == self._journal_id and head >= self._position

    def _end(self) -> None:
        """Let go of everybody who listens, and have whoever joins from now on read for anew."""
        if self._reading is asyncio.current_task():
            self._reading = None
            for listener in self._listeners:
                self._let_go(listener)

    def _tell(self, listener: Listener, facts: Sequence[Recorded]) -> None:
        if len(listener.waiting) + len(facts) > self._most_behind:
            self._let_go(listener)
        else:
            listener.waiting.extend(facts)
            listener.arrived.set()

    def _let_go(self, listener: Listener) -> None:
        listener.is_let_go = True
        listener.arrived.set()

    def let_go(self) -> None:
        """End every stream, and each that is still begun: who listens comes back to another process."""
        self._is_over = True
        for listener in self._listeners:
            self._let_go(listener)

    async def close(self) -> None:
        """Stop reading."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def _without_erased_texts(facts: Sequence[Recorded]) -> Sequence[Recorded]:
    """What waited is told without the texts of those who were erased while it did."""
    erased = {fact.event.user_id for fact in facts if isinstance(fact.event, UserErased)}
    if not erased:
        return facts
    return [
        replace(fact, event=codec.opened(fact.event, {})) if codec.sealed_for(fact.event) in erased else fact
        for fact in facts
    ]

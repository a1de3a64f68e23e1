"""Group commit and group read: what is asked while calls are under way shares the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from journal.connection import Unavailable

Q = TypeVar("Q")
A = TypeVar("A")
L = TypeVar("L")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q, A]):
    """One caller's question and the place for its answer."""

    question: Q
    answer: asyncio.Future[A]

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more: the caller hung up or its time ran out."""
        return self.answer.done()

    def succeed(self, answer: A) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


SHARED_BY = 8
"""Questions that make a call worth its price beside another one."""


class Grouping(Generic[Q, A, L]):
    """Hands waiting questions, at most `at_most`, to `carry_out` at once, on each of `lanes` one call at a time.

    Whoever is answered asks again at about the same time. With one lane all of them wait for the same call, and it for
    them; with two, some are at work while the call of the others runs. After an exception each is asked alone. A call
    runs in a task of its own, so a caller that goes away leaves no call half awaited.
    """

    def __init__(
        self, carry_out: Callable[[L, list[Asked[Q, A]]], Awaitable[None]], *, lanes: Sequence[L], at_most: int
    ) -> None:
        self._carry_out = carry_out
        self._at_most = at_most
        self._free = deque(lanes)
        self._lanes = len(lanes)
        self._idle = len(lanes)  # lanes without a call, also while they are about to make one
        self._waiting: deque[Asked[Q, A]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        """The answer to `question`. Raises what `carry_out` failed it with."""
        asked: Asked[Q, A] = Asked(question, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._free and self._is_worth_a_call():
            running = asyncio.create_task(self._run(self._free.popleft()))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return await asked.answer

    async def _run(self, lane: L) -> None:
        try:
            while self._waiting and self._is_worth_a_call():
                group = self._next()
                if not group:
                    return
                self._idle -= 1
                try:
                    await self._answer(lane, group)
                except Unavailable as error:  # whoever asked meanwhile has waited as long as anybody should
                    for asked in (*group, *self._waiting):
                        asked.fail(error)
                finally:
                    self._idle += 1
        finally:
            self._free.append(lane)

    def _is_worth_a_call(self) -> bool:
        """Whether those who wait are to have a call now: while one runs, a few wait for more to share theirs."""
        return self._idle == self._lanes or len(self._waiting) >= SHARED_BY

    def _next(self) -> list[Asked[Q, A]]:
        """This lane's share of those who wait."""
        group: list[Asked[Q, A]] = []
        share = min(self._at_most, max(SHARED_BY, -(-len(self._waiting) // self._idle)))
        while self._waiting and len(group) < share:
            asked = self._waiting.popleft()
            if not asked.abandoned:
                group.append(asked)
        return group

    async def _answer(self, lane: L, group: list[Asked[Q, A]]) -> None:
        try:
            await self._carry_out(lane, group)
        except Unavailable:
            raise
        except Exception as error:  # whatever went wrong, nobody may wait for ever
            if len(group) == 1:
                group[0].fail(error)
            else:
                for asked in group:  # so that only the bad one fails
                    if not asked.abandoned:
                        await self._answer(lane, [asked])

    async def finish(self) -> None:
        """Wait until everything asked so far is answered."""
        while self._running:
            await asyncio.wait(self._running)

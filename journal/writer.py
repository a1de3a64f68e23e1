"""Group commit and group read: what is asked while a call is under way shares the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from journal.connection import Unavailable

Q = TypeVar("Q")
A = TypeVar("A")


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


class Grouping(Generic[Q, A]):
    """Hands all waiting questions, at most `at_most`, to `carry_out` at once, one call at a time.

    After an exception each is asked alone. The call runs in a task of its own, so a caller that goes away leaves no
    call half awaited.
    """

    def __init__(self, carry_out: Callable[[list[Asked[Q, A]]], Awaitable[None]], *, at_most: int) -> None:
        self._carry_out = carry_out
        self._at_most = at_most
        self._waiting: deque[Asked[Q, A]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to `question`. Raises what `carry_out` failed it with."""
        asked: Asked[Q, A] = Asked(question, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asked.answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                group: list[Asked[Q, A]] = []
                while self._waiting and len(group) < self._at_most:
                    asked = self._waiting.popleft()
                    if not asked.abandoned:
                        group.append(asked)
                if not group:
                    return
                try:
                    await self._answer(group)
                except Unavailable as error:  # whoever asked meanwhile has waited as long as anybody should
                    for asked in (*group, *self._waiting):
                        asked.fail(error)
        finally:
            self._running = None

    async def _answer(self, group: list[Asked[Q, A]]) -> None:
        try:
            await self._carry_out(group)
        except Unavailable:
            raise
        except Exception as error:  # whatever went wrong, nobody may wait for ever
            if len(group) == 1:
                group[0].fail(error)
            else:
                for asked in group:  # so that only the bad one fails
                    if not asked.abandoned:
                        await self._answer([asked])

    async def finish(self) -> None:
        """Wait until everything asked so far is answered."""
        while self._running is not None:
            await asyncio.wait({self._running})

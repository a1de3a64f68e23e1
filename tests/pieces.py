"""How much a request does, and how much of it in one piece: counted, for the machine may be busy with other things."""

import asyncio
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

R = TypeVar("R")
_WAITING = 50  # calls: a piece with fewer is a turn of the loop in which an answer is waited for


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of it; how many calls of functions that took, and how many at most before others had a turn."""

    result: R
    calls: int
    longest: int


async def counted(doing: Awaitable[R]) -> Done[R]:
    """Await `doing` while somebody else is at work too, and count."""
    pieces = [0]

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            pieces[-1] += 1

    async def beside() -> None:
        while True:
            await asyncio.sleep(0)
            pieces.append(0)

    watching = asyncio.create_task(beside())
    sys.setprofile(count)
    try:
        result = await doing
    finally:
        sys.setprofile(None)
        watching.cancel()
    return Done(result, sum(piece for piece in pieces if piece > _WAITING), max(pieces))

"""Giving way: long work of one request in pieces, so that the others of the process are answered meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_turns(each: Iterable[T]) -> AsyncIterator[T]:
    """Each of them, with a turn of whoever else is at work in between: all of them together take long."""
    for number, one in enumerate(each):
        if number:
            await asyncio.sleep(0)
        yield one


def in_pieces(every: Sequence[T], *, size: int = 500) -> AsyncIterator[Sequence[T]]:
    """The same where each of very many is quickly done with: so many between two turns of the others."""
    return in_turns(every[n : n + size] for n in range(0, len(every), size))

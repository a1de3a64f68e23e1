"""Work the clock starts: taken when it is due, handed to actors, carried out as commands like any other."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

from commands import due
from commands.bookings import ExpireBookings
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.due import Work
from journal.connection import Unavailable
from journal.journal import Journal

CLOCK = Author.system("clock")

PER_MESSAGE = 30
"""Bookings that share a command, and with it a read and an append."""


async def keep_posting(journal: Journal, *, on_trouble: Callable[[Unavailable], None]) -> None:
    """Post the journal to the table of due work as it grows, until cancelled."""
    bell = journal.bell()
    try:
        while True:
            try:
                if await due.post(journal) == 0:
                    await bell.wait(0.5)
            except Unavailable as trouble:
                on_trouble(trouble)
                await asyncio.sleep(0.5)
    finally:
        await bell.close()


async def keep_handing_out(
    journal: Journal, send: Callable[[Sequence[Work]], None], *, on_trouble: Callable[[Exception], None]
) -> None:
    """Take what is due and `send` it to the actors, a message's worth at a time, until cancelled.

    What `send` cannot deliver, and what no actor carries out, is due again when the loan ends.
    """
    while True:
        try:
            works = await due.take(journal, limit=PER_MESSAGE)
            if works:
                await asyncio.to_thread(send, works)
            else:
                await asyncio.sleep(max(0.02, await due.wait_until_next(journal, at_most=0.5)))
        except (Unavailable, OSError) as trouble:
            on_trouble(trouble)
            await asyncio.sleep(0.5)


async def carry_out(deciding: Deciding, works: Iterable[Work]) -> None:
    """Do what is due by one command, however often it is asked for. Raises `Unavailable`."""
    works = list(works)
    booking_ids = list({work.booking_id: None for work in works})
    kinds = "+".join(sorted({work.kind for work in works}))
    request = Request(command_id=uuid4(), correlation_id=f"due:{kinds}")
    await deciding.do(ExpireBookings(booking_ids=booking_ids), by=CLOCK, request=request)

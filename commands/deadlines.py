"""Work the clock starts: taken when it is due, handed to actors, carried out as commands like any other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import uuid4

from booking.refusals import NotFound
from commands.bookings import ExpireBookings
from commands.command import Author
from commands.deciding import Deciding, Request
from commands.due import Work
from journal.connection import Unavailable
from journal.troubles import Trouble

T = TypeVar("T")

CLOCK = Author.system("clock")

PER_MESSAGE = 30
"""Bookings that share a command, and with it a read and an append."""


async def keep_handing_out(
    take: Callable[[], Awaitable[Sequence[T]]],
    pause: Callable[[], Awaitable[float]],
    send: Callable[[Sequence[T]], None],
    *,
    taking: Trouble,
    sending: Trouble,
) -> None:
    """`take` what is due and `send` it to the actors, until cancelled; where nothing was, `pause` for so many seconds.

    What `send` cannot deliver, and what no actor carries out, is due again when the loan ends.
    """
    while True:
        try:
            taken = await take()
            taking.over()
            if taken:
                await asyncio.to_thread(send, taken)
                sending.over()
            else:
                await asyncio.sleep(max(0.02, await pause()))
        except Unavailable as error:
            taking.tell(error)
            await asyncio.sleep(0.5)
        except OSError as error:
            sending.tell(error)
            await asyncio.sleep(0.5)


async def carry_out(deciding: Deciding, works: Iterable[Work]) -> None:
    """Do what is due by one command, however often it is asked for. Raises `Unavailable`.

    Its id is made by chance: what it records is decided on what the bookings are by then, and others may be due with
    them the next time. A booking the journal does not have, as it was lost in a failover, is left out.
    """
    works = list(works)
    booking_ids = list({work.booking_id: None for work in works})
    kinds = "+".join(sorted({work.kind for work in works}))
    while booking_ids:
        request = Request(command_id=uuid4(), correlation_id=f"due:{kinds}")
        try:
            await deciding.do(ExpireBookings(booking_ids=booking_ids), by=CLOCK, request=request)
            return
        except NotFound as lost:
            booking_ids.remove(lost.id)

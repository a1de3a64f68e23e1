"""Commands about bookings on the real journal: what was kept of a booking is never what is decided on."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from booking.bookings import Booking
from booking.refusals import (
    NotFound,
)
from booking.slots import BadSlot, Slot
from commands.bookings import ChangeBooking
from commands.command import Author
from commands.deciding import Deciding, Done
from commands.spaces import held_bookings
from journal.folding import Aggregates
from journal.journal import Journal
from tests.commands.people import SYSTEM, book, offer, register, request
from tests.examples import (
    ANA,
    BEN,
    MONDAY_8AM,
    ROOM,
    THURSDAY,
    at,
    hours,
)
from tests.journals import Place, a_journal

SLOT = hours(10, 12, THURSDAY)


@pytest.fixture(autouse=True)
def _monday_morning(place: Place) -> None:
    place.set_clock(MONDAY_8AM)


async def move(deciding: Deciding, booking: UUID, *, by: UUID | None = ANA, **to: Any) -> Done[Booking]:
    command = ChangeBooking(booking_id=booking, **to)
    return await deciding.do(command, by=Author.person(by) if by else SYSTEM, request=request())


async def booked(deciding: Deciding, slot: Slot = SLOT, **rules: Any) -> UUID:
    """The id of ANA's booking of the room, as this process keeps it."""
    await offer(deciding, **rules)
    await register(deciding, ANA)
    id: UUID = (await book(deciding, slot)).subject.id
    await move(deciding, id, notes="Two of us.")
    return id


async def test_a_new_start_goes_with_the_end_the_booking_has_by_now(place: Place, deciding: Deciding):
    id = await booked(deciding)
    async with a_journal(place, name="another process") as elsewhere:
        await move(Deciding(elsewhere, Aggregates(elsewhere)), id, start=at(15, THURSDAY), end=at(17, THURSDAY))

    done = await move(deciding, id, start=at(16, THURSDAY))

    assert done.subject.slot == hours(16, 17, THURSDAY)


async def test_a_new_start_after_the_end_is_none(place: Place, deciding: Deciding):
    id = await booked(deciding)
    before = len(place.rows())

    with pytest.raises(BadSlot, match="not after the start"):
        await move(deciding, id, start=at(12, THURSDAY))
    with pytest.raises(NotFound):  # whose booking it is not learns nothing of when it is
        await move(deciding, id, start=at(12, THURSDAY), by=BEN)
    assert len(place.rows()) == before


async def test_bookings_held_in_a_space_are_told_as_they_are_wherever_they_were_moved_from(
    place: Place, journal: Journal, deciding: Deciding
):
    id = await booked(deciding)
    await move(deciding, id, start=at(10, THURSDAY + timedelta(days=7)), end=at(12, THURSDAY + timedelta(days=7)))
    await move(deciding, id, notes="Three of us.")

    (booking,) = await held_bookings(journal, ROOM, now=at(12, THURSDAY + timedelta(days=1)))

    assert (booking.slot, booking.notes) == (hours(10, 12, THURSDAY + timedelta(days=7)), "Three of us.")
    assert (booking.user_id, booking.created_at, booking.revision) == (ANA, MONDAY_8AM, 4)

"""The decisions about bookings, asked of a plain list of facts: each aggregate folds those that bear its tag."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid5

from booking import bookings
from booking.allowances import Allowance
from booking.bookings import Booking
from booking.calendars import Calendar
from booking.events import Event
from booking.slots import Slot
from booking.spaces import Space
from booking.users import User
from tests.examples import ANA, MONDAY_8AM, ROOM, about, given


def create(
    history: Iterable[Event],
    slot: Slot,
    *,
    of: UUID = ROOM,
    by: UUID = ANA,
    now: datetime = MONDAY_8AM,
    notes: str | None = None,
) -> list[Event]:
    """The facts of a request for `slot`, or `Refused`; the id follows from what is asked and when."""
    of_space, of_user = about(history, space_id=of), about(history, user_id=by)
    return list(
        bookings.create(
            given(Space(of), *of_space),
            given(User(by), *of_user),
            [given(Calendar(day), *of_space) for day in slot.dates()],
            given(Allowance(), *of_user),
            booking_id=uuid5(of, f"{by} {slot.start} {slot.end} {now}"),
            slot=slot,
            notes=notes,
            now=now,
        )
    )


def cancel(
    history: Iterable[Event],
    booking_id: UUID,
    *,
    of: UUID = ROOM,
    by: UUID = ANA,
    at_any_time: bool = False,
    now: datetime = MONDAY_8AM,
    reason: str | None = None,
) -> list[Event]:
    """The facts of giving a booking of the space `of` back, or `Refused`."""
    return list(
        bookings.cancel(
            given(Booking(booking_id), *about(history, booking_id=booking_id)),
            given(Space(of), *about(history, space_id=of)),
            by=by,
            at_any_time=at_any_time,
            reason=reason,
            now=now,
        )
    )

"""Commands about bookings."""

from dataclasses import dataclass
from uuid import UUID

from booking import bookings
from booking.bookings import Booking
from booking.refusals import NotFound
from booking.roles import Role
from booking.slots import Slot
from commands.command import Command
from journal.folding import Named, allowance, booking, calendars, space, user


@dataclass(eq=False, kw_only=True)
class CreateBooking(Command[Booking]):
    """Hold a slot for a user; staff may for others. Raises `Refused`, `NotFound`, `NotAllowed`."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    notes: str | None = None

    def name(self) -> None:
        self.space = self.reads(space(self.space_id))
        self.user = self.reads(user(self.user_id))
        self.calendars = [self.writes(one) for one in calendars(self.space_id, self.slot)]
        self.allowance = self.writes(allowance(self.user_id))

    def subject(self) -> Named[Booking]:
        return booking(self.booking_id)

    def execute(self) -> None:
        if self.by.user_id != self.user_id:
            self.must_be(Role.STAFF, Role.ADMIN)
        self.record(
            bookings.create(
                self.space,
                self.user,
                self.calendars,
                self.allowance,
                booking_id=self.booking_id,
                slot=self.slot,
                notes=self.notes,
                now=self.now,
            )
        )


@dataclass(eq=False, kw_only=True)
class CancelBooking(Command[Booking]):
    """Give a booking's slot back. Raises `Refused`, `NotAllowed`; `NotFound` also if the author may not know of it."""

    booking_id: UUID
    reason: str | None = None

    names_by_reading = True

    def name(self) -> None:
        self.booking = self.writes(self.subject())
        if self.booking.revision:
            self.space = self.reads(space(self.booking.space_id))

    def subject(self) -> Named[Booking]:
        return booking(self.booking_id)

    def execute(self) -> None:
        bookings.known(self.booking)
        if not self.author_is_staff and self.booking.user_id != self.by.user_id:
            raise NotFound("booking", self.booking_id)
        self.must_be(*Role)
        self.record(
            bookings.cancel(
                self.booking,
                self.space,
                by=self.by.user_id,
                at_any_time=self.author_is_staff,
                reason=self.reason,
                now=self.now,
            )
        )

"""Allowances: how many bookings a user holds, against how many they may."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingRejected,
    BookingRescheduled,
    Event,
)
from booking.refusals import AllowanceUsedUp, Refusal


@dataclass(slots=True)
class Allowance:
    """The bookings of one user that nobody ended, each with when it ends by itself.

    That is the end of its slot, and of one that waits for an approval the moment it was to be decided on by.
    """

    held: dict[UUID, datetime] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated() | BookingRescheduled():
                self.held[event.booking_id] = event.decide_by or event.slot.end
            case BookingApproved():
                self.held[event.booking_id] = event.slot.end
            case BookingCancelled() | BookingRejected() | BookingDeclined() | BookingExpired():
                self.held.pop(event.booking_id, None)

    def copy(self) -> "Allowance":
        """The same apart: what is folded into one does not show in the other."""
        return Allowance(dict(self.held))

    def holding(self, now: datetime) -> list[UUID]:
        """The bookings held and not ended at `now`."""
        return [id for id, end in self.held.items() if now < end]

    def objections(self, *, now: datetime, at_most: int, moving: UUID | None = None) -> Iterator[Refusal]:
        """Why the user cannot hold one more booking; one that is `moving` is not one more."""
        # Those that ended are still among `held` until that is recorded: count them out only where it matters.
        if len(self.held) >= at_most and sum(id != moving for id in self.holding(now)) >= at_most:
            yield AllowanceUsedUp(at_most)

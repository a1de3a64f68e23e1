"""Calendars: which slots of a space are held, one UTC date at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingRejected,
    BookingRescheduled,
    Event,
)
from booking.refusals import Refusal, SlotTaken
from booking.slots import Span


@dataclass(slots=True)
class Calendar:
    """What the bookings of one space hold of one UTC date: their slots with the buffers.

    A booking that has ended keeps what it held: time frees it, and a buffer after it is still wanted. One that waits
    for an approval holds only until the moment in `waiting`.
    """

    day: date
    held: dict[UUID, Span] = field(default_factory=dict)
    waiting: dict[UUID, datetime] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated() | BookingRescheduled():
                self._free(event.booking_id)
                if event.held.touches(self.day):
                    self.held[event.booking_id] = event.held
                    if event.decide_by is not None:
                        self.waiting[event.booking_id] = event.decide_by
            case BookingApproved():
                self.waiting.pop(event.booking_id, None)
            case BookingCancelled() | BookingRejected() | BookingDeclined():
                self._free(event.booking_id)

    def _free(self, booking_id: UUID) -> None:
        self.held.pop(booking_id, None)
        self.waiting.pop(booking_id, None)

    def copy(self) -> "Calendar":
        """The same apart: what is folded into one does not show in the other."""
        return Calendar(self.day, dict(self.held), dict(self.waiting))

    def holding(self, now: datetime) -> Iterable[tuple[UUID, Span]]:
        """What is held at `now`, by booking."""
        if not self.waiting:
            return self.held.items()
        lapsed = {id for id, until in self.waiting.items() if until <= now}
        return [(id, span) for id, span in self.held.items() if id not in lapsed]


def conflicting(
    calendars: Iterable[Calendar], hold: Span, *, at_most: int, now: datetime, moving: UUID | None = None
) -> list[Span]:
    """What is held at `now` beside which `hold` would make more than `at_most` at one instant.

    In order, empty if it fits. The booking that is `moving` does not stand in its own way.
    """
    held = {
        id: other
        for calendar in calendars
        for id, other in calendar.holding(now)
        if id != moving and hold.overlaps(other)
    }
    others = sorted(held.values())
    # The number held only grows where something starts, so those instants (and the start of `hold`) are enough.
    crowds = (
        [one for one in others if one.start <= at < one.end]
        for at in {max(hold.start, other.start) for other in others}
    )
    return sorted({one for crowd in crowds if len(crowd) >= at_most for one in crowd})


def objections(
    calendars: Iterable[Calendar], hold: Span, *, at_most: int, now: datetime, moving: UUID | None = None
) -> Iterator[Refusal]:
    """Why `hold` cannot stand beside the others; `calendars` are those of all its dates."""
    if taken := conflicting(calendars, hold, at_most=at_most, now=now, moving=moving):
        yield SlotTaken(tuple(taken))

"""Calendars: which slots of a space are held, one UTC date at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from booking.events import BookingCancelled, BookingCreated, Event
from booking.refusals import Refusal, SlotTaken
from booking.slots import Slot


@dataclass(slots=True)
class Calendar:
    """The held slots of one space that touch one UTC date."""

    day: date
    held: dict[UUID, Slot] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated():
                if event.slot.touches(self.day):
                    self.held[event.booking_id] = event.slot
            case BookingCancelled():
                self.held.pop(event.booking_id, None)


def conflicting(calendars: Iterable[Calendar], slot: Slot, *, at_most: int) -> list[Slot]:
    """The held slots beside which `slot` would put more than `at_most` at one instant; in order, empty if it fits."""
    held = {id: other for calendar in calendars for id, other in calendar.held.items() if slot.overlaps(other)}
    others = sorted(held.values())
    # The number held only grows where a slot starts, so those instants (and the new slot's own start) are enough.
    crowds = (
        [one for one in others if one.start <= at < one.end]
        for at in {max(slot.start, other.start) for other in others}
    )
    return sorted({one for crowd in crowds if len(crowd) >= at_most for one in crowd})


def objections(calendars: Iterable[Calendar], slot: Slot, *, at_most: int) -> Iterator[Refusal]:
    """Why `slot` cannot be held beside the others; `calendars` are those of all its dates."""
    if taken := conflicting(calendars, slot, at_most=at_most):
        yield SlotTaken(tuple(taken))

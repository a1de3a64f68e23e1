"""Calendars: which slots of a space are held, one UTC date at a time."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter, itemgetter
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
from booking.opening_hours import At, Stretch, joined
from booking.refusals import SlotTaken
from booking.slots import Span

_BY_TIME, _END = attrgetter("start", "end"), itemgetter(1)


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

    def full(self, *, at_most: int, now: datetime) -> list[Stretch]:
        """When `at_most` or more are held at `now`: all such time of this date, and of others what is known here."""
        return crowded([(span.start, span.end) for _, span in self.holding(now)], at_most)


def crowded(held: Sequence[tuple[At, At]], at_most: int) -> list[tuple[At, At]]:
    """When `at_most` or more are held at once, in order and apart."""
    if len(held) < at_most:
        return []
    starts, ends = sorted([start for start, _ in held]), sorted([end for _, end in held])
    # Before the n-th end fewer than n are over: so many are held since the start that is `at_most - 1` behind the n-th.
    return joined(both for both in zip(starts[at_most - 1 :], ends, strict=False) if both[0] < both[1])


def any_overlaps(stretches: Sequence[tuple[At, At]], start: At, end: At) -> bool:
    """Whether one of the stretches, which are in order and apart, has an instant of `[start, end)`."""
    at = bisect_right(stretches, start, key=_END)
    return at < len(stretches) and stretches[at][0] < end


TOLD = 100
"""Of how many held slots that stand in the way the caller is told: a space may hold thousands in a month."""


def conflicting(
    calendars: Iterable[Calendar], hold: Span, *, at_most: int, now: datetime, moving: UUID | None = None
) -> list[Span]:
    """What is held at `now` beside which `hold` would make more than `at_most` at one instant.

    In order, empty if it fits; of more than `TOLD` some of the first of `calendars` that conflict. The booking that is
    `moving` does not stand in its own way.
    """
    start, end = hold.start, hold.end
    found: set[Span] = set()
    for calendar in calendars:
        others = [one for id, one in calendar.holding(now) if one.start < end and start < one.end and id != moving]
        # Whatever holds at an instant of a date is in its calendar, so each by itself finds what is crowded on its own.
        if full := crowded([(one.start, one.end) for one in others], at_most):
            found.update(one for one in others if any_overlaps(full, one.start, one.end))
            if len(found) >= TOLD:
                break
    return sorted(found, key=_BY_TIME)[:TOLD]


def objections(
    calendars: Iterable[Calendar], hold: Span, *, at_most: int, now: datetime, moving: UUID | None = None
) -> Iterator[SlotTaken]:
    """Why `hold` cannot stand beside the others; `calendars` are those of all its dates."""
    if taken := conflicting(calendars, hold, at_most=at_most, now=now, moving=moving):
        yield SlotTaken(tuple(taken))

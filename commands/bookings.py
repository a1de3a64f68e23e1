"""Commands about bookings."""

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import islice
from uuid import UUID

from booking import bookings, finding
from booking.bookings import Booking
from booking.events import Event
from booking.opening_hours import Stretch
from booking.refusals import (
    AllowanceUsedUp,
    NotAllowed,
    NotFound,
    Refusal,
    RoleHoldsNoBookings,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    UserInactive,
)
from booking.roles import Role
from booking.slots import BadSlot, Slot
from booking.spaces import Space
from booking.zones import zone
from commands.command import Command, must_be_seen
from journal.folding import Aggregates, Named, allowance, booking, calendar, calendars, space, user
from journal.giving_way import in_turns


class Unchanged(Enum):
    """Says that something stays as it is, where None means that there is to be none."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(eq=False, kw_only=True)
class CreateBooking(Command[Booking]):
    """Hold a slot for a user; for others than themselves whoever runs the space does.

    Raises `Refused`, `NotFound`, `NotAllowed`.
    """

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    notes: str | None = None

    names_by_reading = True  # the space's buffers say which dates are held

    def name(self) -> None:
        self.space = self.reads(space(self.space_id))
        self.user = self.reads(user(self.user_id))
        self.calendars = [self.writes(one) for one in calendars(self.space_id, self.space.hold(self.slot))]
        self.allowance = self.writes(allowance(self.user_id))

    def subject(self) -> Named[Booking]:
        return booking(self.booking_id)

    def execute(self) -> None:
        runs_it = self.author_runs(self.space)
        if self.by.user_id != self.user_id and not runs_it:
            raise NotAllowed
        self.record(
            bookings.create(
                self.space,
                self.user,
                self.calendars,
                self.allowance,
                booking_id=self.booking_id,
                slot=self.slot,
                notes=self.notes,
                at_once=runs_it,
                now=self.now,
            )
        )


@dataclass(eq=False, kw_only=True)
class _OfBooking(Command[Booking]):
    """A command about a booking that exists; `if_revisions` are those its author would have changed, None for any.

    Raises `Refused`, `NotAllowed`, `PreconditionFailed`; `NotFound` also when the author may not know of the booking.
    """

    booking_id: UUID
    if_revisions: Container[int] | None = None

    names_by_reading = True

    def name(self) -> None:
        self.booking = self.writes(self.subject())
        if self.booking.revision:
            self.space = self.reads(space(self.booking.space_id))

    def subject(self) -> Named[Booking]:
        return booking(self.booking_id)

    @property
    def runs_it(self) -> bool:
        """Whether the author acts as STAFF for the space of the booking."""
        return self.author_runs(self.space)

    def must_know(self) -> None:
        bookings.known(self.booking)
        if not self.runs_it and self.booking.user_id != self.by.user_id:
            raise NotFound("booking", self.booking_id)
        self.must_be(*Role)
        must_be_seen(self.booking.revision, self.if_revisions)

    def must_run_it(self) -> None:
        """Raise `NotAllowed` for a user whose booking it is and who has no more to say in its space."""
        if not self.runs_it:
            raise NotAllowed


@dataclass(eq=False, kw_only=True)
class ChangeBooking(_OfBooking):
    """Move a booking to another slot, or give it other notes, or both; what is not given stays. Raises `BadSlot`."""

    start: datetime | None = None
    end: datetime | None = None
    notes: str | Unchanged | None = UNCHANGED

    def name(self) -> None:
        super().name()
        slot = None
        with suppress(BadSlot):  # `execute` says so, of the booking as it is by then and to whom may know of it
            slot = self._slot()
        if slot is not None:
            self.user = self.reads(user(self.booking.user_id))
            self.calendars = [self.writes(one) for one in calendars(self.booking.space_id, self.space.hold(slot))]
            self.allowance = self.writes(allowance(self.booking.user_id))

    def _slot(self) -> Slot | None:
        """The slot asked for; None when no other one is. Raises `BadSlot`."""
        if not self.booking.revision or (self.start is None and self.end is None):
            return None
        return Slot(self.start or self.booking.slot.start, self.end or self.booking.slot.end)

    def execute(self) -> None:
        self.must_know()
        slot, moved = self._slot(), list[Event]()
        if slot is not None:
            moved += bookings.reschedule(
                self.booking,
                self.space,
                self.user,
                self.calendars,
                self.allowance,
                slot=slot,
                by=self.by.user_id,
                at_any_time=self.runs_it,
                at_once=self.runs_it,
                now=self.now,
            )
        if not isinstance(self.notes, Unchanged):
            self.must_be(Role.STUDENT, Role.STAFF, Role.ADMIN)
            self.record(bookings.change_notes(self.booking, notes=self.notes, now=self.now))
        self.record(moved)  # last: people are told of the booking as this fact leaves it


@dataclass(eq=False, kw_only=True)
class CancelBooking(_OfBooking):
    """Give a booking's slot back."""

    reason: str | None = None

    def execute(self) -> None:
        self.must_know()
        self.record(
            bookings.cancel(
                self.booking,
                self.space,
                by=self.by.user_id,
                at_any_time=self.runs_it,
                reason=self.reason,
                now=self.now,
            )
        )


@dataclass(eq=False, kw_only=True)
class ApproveBooking(_OfBooking):
    """Confirm a booking that waits for it."""

    def name(self) -> None:
        super().name()
        if self.booking.revision:
            # Somebody may come after it has lapsed and be recorded before an approval that was decided in time.
            for one in calendars(self.booking.space_id, self.booking.hold):
                self.writes(one)
            self.writes(allowance(self.booking.user_id))

    def execute(self) -> None:
        self.must_know()
        self.must_run_it()
        self.record(bookings.approve(self.booking, by=self.by.user_id, now=self.now))


@dataclass(eq=False, kw_only=True)
class RejectBooking(_OfBooking):
    """Refuse a booking that waits for an approval."""

    reason: str | None = None

    def execute(self) -> None:
        self.must_know()
        self.must_run_it()
        self.record(bookings.reject(self.booking, by=self.by.user_id, reason=self.reason, now=self.now))


@dataclass(eq=False, kw_only=True)
class ExpireBookings(Command[Booking]):
    """Record of bookings, of each that ended by itself, that it did: expired or declined. Raises `NotFound`."""

    booking_ids: Sequence[UUID]

    def name(self) -> None:
        self.bookings = [self.writes(booking(id)) for id in self.booking_ids]

    def subject(self) -> Named[Booking]:
        return booking(self.booking_ids[0])

    def execute(self) -> None:
        for one in self.bookings:
            self.record(bookings.expire(one, now=self.now))


NEAR = timedelta(days=3)
"""How far from a refused slot others are looked for."""

ALTERNATIVES = 3

_WHENEVER_IT_BEGINS = (
    AllowanceUsedUp,
    UserInactive,
    RoleHoldsNoBookings,
    SpaceInactive,
    SlotTooShort,
    SlotTooLong,
)


async def alternatives(aggregates: Aggregates, space_id: UUID, slot: Slot, refusals: Sequence[Refusal]) -> list[Slot]:
    """Slots as long as a refused one, and near it, that would be accepted now; none where no other slot could be.

    Raises `Unavailable`.
    """
    if any(isinstance(refusal, _WHENEVER_IT_BEGINS) for refusal in refusals):
        return []
    dates: set[date] = set()
    while True:
        of_dates = [calendar(space_id, day) for day in sorted(dates)]
        (kept, *held), now = await aggregates.all_fresh([space(space_id), *of_dates])
        wanted = slot.start.astimezone(zone(kept.timezone)).date()
        days = [wanted + n * timedelta(days=1) for n in range(-NEAR.days, NEAR.days + 1)]
        if (needed := {one for day in days for one in finding.dates_of(kept, day, slot.duration)}) <= dates:
            break
        dates = needed  # the space is only known now, or its buffers have grown
    # Others change what is kept while this one gives way.
    a_space: Space = replace(kept)
    held = [one.copy() for one in held]
    at_most, full = a_space.rules.concurrent_bookings, list[Stretch]()
    async for one in in_turns(held):
        full += one.full(at_most=at_most, now=now)
    search = finding.Search(a_space, days, full, duration=slot.duration, now=now)
    step = finding.step_of(a_space)
    starts = [start async for day in in_turns(days) for start in search.starts(day, step)]
    return sorted(islice(search.judged(finding.nearest(starts, slot.start)), ALTERNATIVES))

"""Bookings: the life of one, and the decisions that begin and end it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from booking import calendars as held_slots
from booking.allowances import Allowance
from booking.calendars import Calendar
from booking.events import (
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingNotesChanged,
    BookingRejected,
    BookingRescheduled,
    Event,
    UserErased,
)
from booking.refusals import (
    BookingNotActive,
    BookingNotPending,
    DeadlinePassed,
    NotAllowed,
    NotFound,
    Refusal,
    refuse_if,
)
from booking.slots import Slot, Span
from booking.spaces import Space
from booking.spaces import known as known_space
from booking.users import User
from booking.users import known as known_user


class Status(StrEnum):
    """Where a booking stands.

    EXPIRED is what a confirmed one is from its end on, DECLINED what a pending one is once the time to decide is up,
    recorded or not.
    """

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


MOVES: frozenset[tuple[Status | None, type[BookingEvent], Status]] = frozenset(
    {
        (None, BookingCreated, Status.PENDING),
        (None, BookingCreated, Status.CONFIRMED),
        (Status.PENDING, BookingApproved, Status.CONFIRMED),
        (Status.PENDING, BookingRejected, Status.REJECTED),
        (Status.PENDING, BookingDeclined, Status.DECLINED),
        (Status.PENDING, BookingRescheduled, Status.PENDING),
        (Status.PENDING, BookingRescheduled, Status.CONFIRMED),
        (Status.PENDING, BookingNotesChanged, Status.PENDING),
        (Status.PENDING, BookingCancelled, Status.CANCELLED),
        (Status.CONFIRMED, BookingRescheduled, Status.CONFIRMED),
        (Status.CONFIRMED, BookingRescheduled, Status.PENDING),
        (Status.CONFIRMED, BookingNotesChanged, Status.CONFIRMED),
        (Status.CONFIRMED, BookingCancelled, Status.CANCELLED),
        (Status.CONFIRMED, BookingExpired, Status.EXPIRED),
    }
)
"""Every fact that can happen to a booking in a state (None: there is none yet), and the states it leads to."""

_DECISIONS = (BookingApproved, BookingRejected)
_ADMITTED = {(before, fact) for before, fact, _ in MOVES}

HELD = frozenset({Status.PENDING, Status.CONFIRMED})
"""The states in which a booking holds its slot and its part of the allowance."""

_BY_ITSELF = {Status.PENDING: Status.DECLINED, Status.CONFIRMED: Status.EXPIRED}


@dataclass(slots=True)
class Booking:
    """One booking. `revision` counts its facts: 0 means there is none, and nothing else of it can be read yet."""

    id: UUID
    revision: int = 0
    space_id: UUID = field(init=False)
    user_id: UUID = field(init=False)
    slot: Slot = field(init=False)
    hold: Span = field(init=False)
    recorded_status: Status = field(init=False)
    decide_by: datetime | None = field(init=False, default=None)  # of one that waits, or has waited in vain
    notes: str | None = field(init=False)
    reason: str | None = field(init=False, default=None)  # of one that was rejected or cancelled, if it was given
    created_at: datetime = field(init=False)
    updated_at: datetime = field(init=False)

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated():
                self.space_id, self.user_id = event.space_id, event.user_id
                self.slot, self.hold = event.slot, event.held
                self.decide_by, self.notes = event.decide_by, event.notes
                self.recorded_status = Status.PENDING if event.decide_by else Status.CONFIRMED
                self.created_at = event.at
            case BookingRescheduled():
                self.slot, self.hold = event.slot, event.held
                self.decide_by = event.decide_by
                self.recorded_status = Status.PENDING if event.decide_by else Status.CONFIRMED
            case BookingNotesChanged():
                self.notes = event.notes
            case BookingApproved():
                self.recorded_status, self.decide_by = Status.CONFIRMED, None
            case BookingRejected():
                self.recorded_status, self.decide_by, self.reason = Status.REJECTED, None, event.reason
            case BookingDeclined():
                self.recorded_status = Status.DECLINED
            case BookingCancelled():
                self.recorded_status, self.decide_by, self.reason = Status.CANCELLED, None, event.reason
            case BookingExpired():
                self.recorded_status = Status.EXPIRED
            case UserErased():
                self.notes = self.reason = (
                    None  # as from facts whose texts nobody can open any more: no change but that
                )
                return
            case _:
                return
        self.updated_at = event.at
        self.revision += 1

    def status(self, now: datetime) -> Status:
        """What the booking is at `now`."""
        if self.ends_at <= now:
            return _BY_ITSELF.get(self.recorded_status, self.recorded_status)
        return self.recorded_status

    @property
    def ends_at(self) -> datetime:
        """When the booking ends by itself: with its slot, or once the time to decide on it is up."""
        return self.decide_by or self.slot.end

    def objections(self, to: type[BookingEvent], *, now: datetime) -> Iterator[Refusal]:
        """Why this cannot happen `to` the booking, or no longer."""
        status = self.status(now)
        if (status, to) not in _ADMITTED:
            yield BookingNotPending(status) if to in _DECISIONS else BookingNotActive(status)

    def late(self, space: Space, *, now: datetime, at_any_time: bool) -> Iterator[Refusal]:
        """Why it is too late to give the slot up; `at_any_time` says there is no deadline."""
        deadline = self.slot.start - space.rules.cancellation_deadline
        if now > deadline and not at_any_time:
            yield DeadlinePassed(deadline)

    def document(self) -> dict[str, Any]:
        """The booking as its readers see it, with the recorded status; datetimes are aware and UTC."""
        return {
            "id": self.id,
            "space_id": self.space_id,
            "user_id": self.user_id,
            "start": self.slot.start,
            "end": self.slot.end,
            "status": self.recorded_status,
            "decide_by": self.decide_by,
            "notes": self.notes,
            "reason": self.reason,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], revision: int) -> Self:
        """The booking that has this document, its datetimes and ids as ISO 8601 and hexadecimal text."""
        booking = cls(UUID(document["id"]), revision)
        booking.space_id, booking.user_id = UUID(document["space_id"]), UUID(document["user_id"])
        booking.slot = Slot(datetime.fromisoformat(document["start"]), datetime.fromisoformat(document["end"]))
        booking.recorded_status, booking.notes = Status(document["status"]), document["notes"]
        booking.reason = document["reason"]
        decide_by = document["decide_by"]
        booking.decide_by = datetime.fromisoformat(decide_by) if decide_by else None
        booking.created_at = datetime.fromisoformat(document["created_at"])
        booking.updated_at = datetime.fromisoformat(document["updated_at"])
        return booking


def create(
    space: Space,
    user: User,
    calendars: Sequence[Calendar],
    allowance: Allowance,
    *,
    booking_id: UUID,
    slot: Slot,
    notes: str | None,
    at_once: bool,
    now: datetime,
) -> Iterator[Event]:
    """The fact that holds `slot` for `user`; `calendars` are those of all dates held. Raises `NotFound`, `Refused`.

    Where the space requires it, it waits for an approval, unless `at_once` says that it needs none.
    """
    known_space(space)
    known_user(user)
    hold = space.hold(slot)
    refuse_if(
        _objections(space, user, calendars, allowance, slot=slot, hold=hold, moving=None, at_once=at_once, now=now)
    )
    yield BookingCreated(
        booking_id=booking_id,
        space_id=space.id,
        user_id=user.id,
        slot=slot,
        hold=hold,
        notes=notes,
        decide_by=space.decide_by(slot, now=now, at_once=at_once),
        at=now,
    )


def reschedule(
    booking: Booking,
    space: Space,
    user: User,
    calendars: Sequence[Calendar],
    allowance: Allowance,
    *,
    slot: Slot,
    by: UUID | None,
    at_any_time: bool,
    at_once: bool,
    now: datetime,
) -> Iterator[Event]:
    """The fact that the booking holds `slot` instead, or nothing if it does already.

    It obeys every rule of making a booking, apart from itself, and the deadline of its old start, which `at_any_time`
    lifts; where the space requires it, it waits for an approval anew, unless it is moved `at_once`. `calendars` are
    those of all dates newly held. Raises `NotFound`, `Refused`.
    """
    known(booking)
    active = booking.objections(BookingRescheduled, now=now)
    if slot == booking.slot:
        refuse_if(active)
        return
    hold = space.hold(slot)
    others = _objections(
        space, user, calendars, allowance, slot=slot, hold=hold, moving=booking.id, at_once=at_once, now=now
    )
    refuse_if((*active, *booking.late(space, now=now, at_any_time=at_any_time), *others))
    yield BookingRescheduled(
        booking_id=booking.id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=slot,
        hold=hold,
        slot_before=booking.slot,
        hold_before=booking.hold,
        rescheduled_by=by,
        decide_by=space.decide_by(slot, now=now, at_once=at_once),
        at=now,
    )


def change_notes(booking: Booking, *, notes: str | None, now: datetime) -> Iterator[Event]:
    """The fact that the notes are other ones, or nothing if they are the same. Raises `NotFound`, `Refused`."""
    known(booking)
    refuse_if(booking.objections(BookingNotesChanged, now=now))
    if notes != booking.notes:
        yield BookingNotesChanged(
            booking_id=booking.id, space_id=booking.space_id, user_id=booking.user_id, notes=notes, at=now
        )


def cancel(
    booking: Booking, space: Space, *, by: UUID | None, at_any_time: bool, reason: str | None, now: datetime
) -> Iterator[Event]:
    """The fact that gives the slot back; `at_any_time` lifts the deadline. Raises `NotFound`, `Refused`."""
    known(booking)
    active = booking.objections(BookingCancelled, now=now)
    refuse_if((*active, *booking.late(space, now=now, at_any_time=at_any_time)))
    yield BookingCancelled(
        booking_id=booking.id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.hold,
        cancelled_by=by,
        reason=reason,
        at=now,
    )


def approve(booking: Booking, *, by: UUID | None, now: datetime) -> Iterator[Event]:
    """The fact that a booking that waits for it is confirmed. Raises `NotFound`, `NotAllowed`, `Refused`."""
    known(booking)
    _decided_by_another(booking, by)
    refuse_if(booking.objections(BookingApproved, now=now))
    yield BookingApproved(
        booking_id=booking.id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.hold,
        approved_by=by,
        at=now,
    )


def reject(booking: Booking, *, by: UUID | None, reason: str | None, now: datetime) -> Iterator[Event]:
    """The fact that a booking that waits for an approval gets none. Raises `NotFound`, `NotAllowed`, `Refused`."""
    known(booking)
    _decided_by_another(booking, by)
    refuse_if(booking.objections(BookingRejected, now=now))
    yield BookingRejected(
        booking_id=booking.id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=booking.slot,
        hold=booking.hold,
        rejected_by=by,
        reason=reason,
        at=now,
    )


def expire(booking: Booking, *, now: datetime) -> Iterator[Event]:
    """The fact that the booking ended by itself, or nothing if it did not or that is recorded. Raises `NotFound`."""
    known(booking)
    status = booking.status(now)
    if status is booking.recorded_status:
        return
    if status is Status.EXPIRED:
        yield BookingExpired(
            booking_id=booking.id, space_id=booking.space_id, user_id=booking.user_id, slot=booking.slot, at=now
        )
    else:
        yield BookingDeclined(
            booking_id=booking.id,
            space_id=booking.space_id,
            user_id=booking.user_id,
            slot=booking.slot,
            hold=booking.hold,
            at=now,
        )


def known(booking: Booking) -> None:
    """Raise `NotFound` unless the booking is one."""
    if not booking.revision:
        raise NotFound("booking", booking.id)


def _decided_by_another(booking: Booking, by: UUID | None) -> None:
    """Raise `NotAllowed` for the one the booking is for, whatever their role."""
    if by == booking.user_id:
        raise NotAllowed


def _objections(
    space: Space,
    user: User,
    calendars: Sequence[Calendar],
    allowance: Allowance,
    *,
    slot: Slot,
    hold: Span,
    moving: UUID | None,
    at_once: bool,
    now: datetime,
) -> Iterator[Refusal]:
    """Why the user cannot hold `slot`; the booking that is `moving` stands in nobody's way."""
    yield from user.objections()
    yield from space.objections(slot, now=now, at_once=at_once)
    at_most = space.rules.concurrent_bookings
    yield from held_slots.objections(calendars, hold, at_most=at_most, now=now, moving=moving)
    yield from allowance.objections(now=now, at_most=user.max_active_bookings, moving=moving)

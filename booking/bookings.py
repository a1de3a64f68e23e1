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
    BookingCancelled,
    BookingCreated,
    BookingExpired,
    BookingNotesChanged,
    BookingRescheduled,
    Event,
    UserErased,
)
from booking.refusals import BookingNotActive, DeadlinePassed, NotFound, Refusal, refuse_if
from booking.slots import Slot, Span
from booking.spaces import Space
from booking.spaces import known as known_space
from booking.users import User
from booking.users import known as known_user


class Status(StrEnum):
    """Where a booking stands. EXPIRED is what a confirmed one is from its end on, recorded or not."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


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
    notes: str | None = field(init=False)
    created_at: datetime = field(init=False)
    updated_at: datetime = field(init=False)

    def fold(self, event: Event) -> None:
        match event:
            case BookingCreated():
                self.space_id, self.user_id = event.space_id, event.user_id
                self.slot, self.hold = event.slot, event.held
                self.recorded_status, self.notes = Status.CONFIRMED, event.notes
                self.created_at = event.at
            case BookingRescheduled():
                self.slot, self.hold = event.slot, event.held
            case BookingNotesChanged():
                self.notes = event.notes
            case BookingCancelled():
                self.recorded_status = Status.CANCELLED
            case BookingExpired():
                self.recorded_status = Status.EXPIRED
            case UserErased():
                self.notes = None  # as from facts whose texts nobody can open any more: no other change of the booking
                return
            case _:
                return
        self.updated_at = event.at
        self.revision += 1

    def status(self, now: datetime) -> Status:
        """What the booking is at `now`."""
        if self.recorded_status is Status.CONFIRMED and self.slot.end <= now:
            return Status.EXPIRED
        return self.recorded_status

    def objections(self, *, now: datetime) -> Iterator[Refusal]:
        """Why the booking can no longer be changed."""
        if (status := self.status(now)) is not Status.CONFIRMED:
            yield BookingNotActive(status)

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
            "notes": self.notes,
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
    now: datetime,
) -> Iterator[Event]:
    """The fact that holds `slot` for `user`; `calendars` are those of all dates held. Raises `NotFound`, `Refused`."""
    known_space(space)
    known_user(user)
    hold = space.hold(slot)
    refuse_if(_objections(space, user, calendars, allowance, slot=slot, hold=hold, moving=None, now=now))
    yield BookingCreated(
        booking_id=booking_id, space_id=space.id, user_id=user.id, slot=slot, hold=hold, notes=notes, at=now
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
    now: datetime,
) -> Iterator[Event]:
    """The fact that the booking holds `slot` instead, or nothing if it does already.

    It obeys every rule of making a booking, apart from itself, and the deadline of its old start, which `at_any_time`
    lifts. `calendars` are those of all dates newly held. Raises `NotFound`, `Refused`.
    """
    known(booking)
    if slot == booking.slot:
        refuse_if(booking.objections(now=now))
        return
    hold = space.hold(slot)
    refuse_if(
        (
            *booking.objections(now=now),
            *booking.late(space, now=now, at_any_time=at_any_time),
            *_objections(space, user, calendars, allowance, slot=slot, hold=hold, moving=booking.id, now=now),
        )
    )
    yield BookingRescheduled(
        booking_id=booking.id,
        space_id=booking.space_id,
        user_id=booking.user_id,
        slot=slot,
        hold=hold,
        slot_before=booking.slot,
        hold_before=booking.hold,
        rescheduled_by=by,
        at=now,
    )


def change_notes(booking: Booking, *, notes: str | None, now: datetime) -> Iterator[Event]:
    """The fact that the notes are other ones, or nothing if they are the same. Raises `NotFound`, `Refused`."""
    known(booking)
    refuse_if(booking.objections(now=now))
    if notes != booking.notes:
        yield BookingNotesChanged(
            booking_id=booking.id, space_id=booking.space_id, user_id=booking.user_id, notes=notes, at=now
        )


def cancel(
    booking: Booking, space: Space, *, by: UUID | None, at_any_time: bool, reason: str | None, now: datetime
) -> Iterator[Event]:
    """The fact that gives the slot back; `at_any_time` lifts the deadline. Raises `NotFound`, `Refused`."""
    known(booking)
    refuse_if((*booking.objections(now=now), *booking.late(space, now=now, at_any_time=at_any_time)))
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


def expire(booking: Booking, *, now: datetime) -> Iterator[Event]:
    """The fact that the slot is over, or nothing if it is not or somebody ended the booking. Raises `NotFound`."""
    known(booking)
    if booking.status(now) is Status.EXPIRED and booking.recorded_status is not Status.EXPIRED:
        yield BookingExpired(
            booking_id=booking.id, space_id=booking.space_id, user_id=booking.user_id, slot=booking.slot, at=now
        )


def known(booking: Booking) -> None:
    """Raise `NotFound` unless the booking is one."""
    if not booking.revision:
        raise NotFound("booking", booking.id)


def _objections(
    space: Space,
    user: User,
    calendars: Sequence[Calendar],
    allowance: Allowance,
    *,
    slot: Slot,
    hold: Span,
    moving: UUID | None,
    now: datetime,
) -> Iterator[Refusal]:
    """Why the user cannot hold `slot`; the booking that is `moving` stands in nobody's way."""
    yield from user.objections()
    yield from space.objections(slot, now=now)
    yield from held_slots.objections(calendars, hold, at_most=space.rules.concurrent_bookings, moving=moving)
    yield from allowance.objections(now=now, at_most=user.max_active_bookings, moving=moving)

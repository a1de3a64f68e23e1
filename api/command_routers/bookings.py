"""Commands about bookings: make one, move it, give it back, decide on it."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.bodies import Body, Instant, Notes, Reason, StrictRoute
from api.documents import BookingDocument
from api.problems import PROBLEMS, refusal, refusing
from api.sending import COMMAND, CONDITIONAL, IfRevisions, TheBooker, TheSender
from booking.refusals import (
    AllowanceUsedUp,
    BookingNotActive,
    BookingNotPending,
    DeadlinePassed,
    OutsideOpeningHours,
    Refusal,
    Refused,
    RoleHoldsNoBookings,
    SlotTaken,
    SlotTooLong,
    SlotTooShort,
    SpaceInactive,
    TooFarAhead,
    TooLittleNotice,
    UserInactive,
)
from booking.slots import Slot
from commands.bookings import (
    UNCHANGED,
    ApproveBooking,
    CancelBooking,
    ChangeBooking,
    CreateBooking,
    RejectBooking,
    alternatives,
)

router = APIRouter(prefix="/bookings", tags=["commands: bookings"], responses=PROBLEMS, route_class=StrictRoute)


_NO_SLOT: tuple[type[Refusal], ...] = (
    SlotTaken,
    AllowanceUsedUp,
    SpaceInactive,
    UserInactive,
    RoleHoldsNoBookings,
    SlotTooShort,
    SlotTooLong,
    TooLittleNotice,
    TooFarAhead,
    OutsideOpeningHours,
)


class BookingRequest(Body):
    """A slot `[start, end)` of a space, at most 31 days long; `user_id` names whom it is for, if not the caller."""

    space_id: UUID
    user_id: UUID | None = None
    start: Instant
    end: Instant
    notes: Notes | None = None


@router.post(
    "",
    status_code=201,
    response_model=BookingDocument,
    responses=refusing(*_NO_SLOT, also={403: ["email-not-verified"], 404: ["not-found"]}),
    openapi_extra=COMMAND,
)
async def create(body: BookingRequest, sender: TheBooker) -> Response:
    """Hold a slot of a space; whoever runs the space does so for others too.

    Where the space requires it, the booking waits for an approval. A refusal comes with up to three slots near it that
    would be accepted.
    """
    slot = Slot(body.start, body.end)
    command = CreateBooking(
        booking_id=sender.new_id,
        space_id=body.space_id,
        user_id=body.user_id or sender.user.id,
        slot=slot,
        notes=body.notes,
    )
    try:
        done = await sender.do(command)
    except Refused as refused:
        aggregates = sender.rooms.deciding.aggregates
        others = await alternatives(aggregates, body.space_id, slot, refused.refusals)
        raise refusal(refused.refusals, alternatives=others) from None
    booking = done.subject
    return await sender.answer(done, booking.document(), status=201, location=f"/bookings/{booking.id}")


class BookingChange(Body):
    """What is to be changed of a booking; what is not given stays, and notes of null are none."""

    start: Instant | None = None
    end: Instant | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing-to-change", "Give start, end or notes")
        return self


@router.patch(
    "/{booking_id}",
    response_model=BookingDocument,
    responses=refusing(BookingNotActive, *_NO_SLOT, DeadlinePassed),
    openapi_extra=CONDITIONAL,
)
async def change(booking_id: UUID, body: BookingChange, sender: TheSender, if_revisions: IfRevisions) -> Response:
    """Move a booking to another slot, or give it other notes."""
    notes = body.notes if "notes" in body.model_fields_set else UNCHANGED
    done = await sender.do(
        ChangeBooking(booking_id=booking_id, start=body.start, end=body.end, notes=notes, if_revisions=if_revisions)
    )
    return await sender.answer(done, done.subject.document())


@router.delete(
    "/{booking_id}",
    response_model=BookingDocument,
    responses=refusing(BookingNotActive, DeadlinePassed),
    openapi_extra=CONDITIONAL,
)
async def cancel(
    booking_id: UUID, sender: TheSender, if_revisions: IfRevisions, reason: Annotated[Reason | None, Query()] = None
) -> Response:
    """Give a booking's slot back."""
    done = await sender.do(CancelBooking(booking_id=booking_id, reason=reason, if_revisions=if_revisions))
    return await sender.answer(done, done.subject.document())


@router.post(
    "/{booking_id}/approve",
    response_model=BookingDocument,
    responses=refusing(BookingNotPending),
    openapi_extra=CONDITIONAL,
)
async def approve(booking_id: UUID, sender: TheSender, if_revisions: IfRevisions) -> Response:
    """Confirm a booking that waits for it. Whoever runs the space may, unless the booking is for them."""
    done = await sender.do(ApproveBooking(booking_id=booking_id, if_revisions=if_revisions))
    return await sender.answer(done, done.subject.document())


class Rejection(Body):
    """Why a booking is not to be."""

    reason: Reason | None = None


@router.post(
    "/{booking_id}/reject",
    response_model=BookingDocument,
    responses=refusing(BookingNotPending),
    openapi_extra=CONDITIONAL,
)
async def reject(
    booking_id: UUID, sender: TheSender, if_revisions: IfRevisions, body: Rejection | None = None
) -> Response:
    """Refuse a booking that waits for an approval. Whoever runs the space may, unless the booking is for them."""
    reason = body.reason if body else None
    done = await sender.do(RejectBooking(booking_id=booking_id, reason=reason, if_revisions=if_revisions))
    return await sender.answer(done, done.subject.document())

"""Commands about bookings: make one, give one back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.bodies import Body, Instant, Notes, Reason, StrictRoute
from api.documents import BookingDocument
from api.problems import PROBLEMS
from api.sending import COMMAND, TheSender
from booking.slots import Slot
from commands.bookings import CancelBooking, CreateBooking

router = APIRouter(prefix="/bookings", tags=["commands: bookings"], responses=PROBLEMS, route_class=StrictRoute)


class BookingRequest(Body):
    """A slot `[start, end)` of a space, at most 31 days long."""

    space_id: UUID
    start: Instant
    end: Instant
    notes: Notes | None = None


@router.post("", status_code=201, response_model=BookingDocument, openapi_extra=COMMAND)
async def create(body: BookingRequest, sender: TheSender) -> Response:
    """Hold a slot of a space."""
    done = await sender.do(
        CreateBooking(
            booking_id=sender.new_id,
            space_id=body.space_id,
            user_id=sender.user.id,
            slot=Slot(body.start, body.end),
            notes=body.notes,
        )
    )
    booking = done.subject
    return await sender.answer(done, booking.document(), status=201, location=f"/bookings/{booking.id}")


@router.delete("/{booking_id}", response_model=BookingDocument, openapi_extra=COMMAND)
async def cancel(booking_id: UUID, sender: TheSender, reason: Annotated[Reason | None, Query()] = None) -> Response:
    """Give a booking's slot back."""
    done = await sender.do(CancelBooking(booking_id=booking_id, reason=reason))
    return await sender.answer(done, done.subject.document())

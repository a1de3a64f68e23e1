"""Queries about bookings: one's own, and one."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import CurrentUser
from api.documents import BookingDocument
from api.problems import PROBLEMS
from api.queries import BookingsPaging, asked, parameters
from api.rooms import rooms_of
from booking.refusals import NotFound
from booking.roles import Role
from projections import bookings

router = APIRouter(prefix="/bookings", tags=["queries: bookings"], responses=PROBLEMS)


@router.get("", response_model=list[BookingDocument], openapi_extra=parameters(BookingsPaging))
async def own(user: CurrentUser, request: Request) -> Response:
    """The caller's bookings, newest start first."""
    await awaited(request, bookings.VIEW.name)
    page = asked(request, BookingsPaging)
    found = await bookings.of_user(
        rooms_of(request).views,
        user.id,
        status=page.status,
        limit=page.limit,
        cursor=page.cursor,
        now=datetime.now(UTC),
    )
    return listed(found, request)


@router.get("/{booking_id}", response_model=BookingDocument)
async def one(booking_id: UUID, user: CurrentUser, request: Request) -> Response:
    """A booking; someone else's is not there for a student."""
    await awaited(request, bookings.VIEW.name)
    booking = await bookings.one(rooms_of(request).views, booking_id)
    if booking is None or (booking.user_id != user.id and not user.is_any(Role.STAFF, Role.ADMIN)):
        raise NotFound("booking", booking_id)
    now = datetime.now(UTC)
    tag = f"{booking.revision}-over" if booking.ends_at <= now else str(booking.revision)
    return stored(request, booking.json(now), booking.position, tag=tag)

"""Queries about bookings: one's own, and one."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import CurrentUser
from api.bodies import Cursor, Limit
from api.documents import BookingDocument
from api.problems import PROBLEMS
from api.rooms import rooms_of
from booking.bookings import Status
from booking.refusals import NotFound
from booking.roles import Role
from projections import bookings
from projections.views import PAGE

router = APIRouter(prefix="/bookings", tags=["queries: bookings"], responses=PROBLEMS)


@router.get("", response_model=list[BookingDocument])
async def own(
    user: CurrentUser, request: Request, status: Status | None = None, limit: Limit = PAGE, cursor: Cursor = None
) -> Response:
    """The caller's bookings, newest start first."""
    await awaited(request, rooms_of(request).views, bookings.VIEW.name)
    page = await bookings.of_user(
        rooms_of(request).views, user.id, status=status, limit=limit, cursor=cursor, now=datetime.now(UTC)
    )
    return listed(page, request)


@router.get("/{booking_id}", response_model=BookingDocument)
async def one(booking_id: UUID, user: CurrentUser, request: Request) -> Response:
    """A booking; someone else's is not there for a student."""
    await awaited(request, rooms_of(request).views, bookings.VIEW.name)
    booking = await bookings.one(rooms_of(request).views, booking_id)
    if booking is None or (booking.user_id != user.id and not user.is_any(Role.STAFF, Role.ADMIN)):
        raise NotFound("booking", booking_id)
    now = datetime.now(UTC)
    tag = f"{booking.revision}-over" if booking.ends_at <= now else str(booking.revision)
    return stored(request, booking.json(now), booking.position, tag=tag)

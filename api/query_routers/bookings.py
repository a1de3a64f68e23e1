"""Queries about bookings: one's own, one, and those that wait for an approval."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import CurrentUser, caller
from api.documents import BookingDocument
from api.problems import PROBLEMS
from api.queries import OF_VIEW, BookingsPaging, Paging, asked, parameters
from api.rooms import rooms_of
from booking.refusals import NotFound
from booking.roles import Role
from booking.users import User
from projections import bookings, spaces

router = APIRouter(tags=["queries: bookings"], responses=PROBLEMS)


@router.get("/bookings", response_model=list[BookingDocument], openapi_extra=parameters(BookingsPaging))
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


@router.get("/bookings/{booking_id}", response_model=BookingDocument, openapi_extra=OF_VIEW)
async def one(booking_id: UUID, user: CurrentUser, request: Request) -> Response:
    """A booking; someone else's is there for whoever runs its space alone."""
    await awaited(request, bookings.VIEW.name)
    booking = await bookings.one(rooms_of(request).views, booking_id)
    if booking is None or (booking.user_id != user.id and not await runs(user, booking.space_id, request)):
        raise NotFound("booking", booking_id)
    now = datetime.now(UTC)
    tag = f"{booking.revision}-over" if booking.ends_at <= now else str(booking.revision)
    return stored(request, booking.json(now), booking.position, tag=tag)


@router.get("/admin/requests", response_model=list[BookingDocument], openapi_extra=parameters(Paging))
async def requests(user: CurrentUser, request: Request) -> Response:
    """What waits for an approval, the nearest deadline first: for a manager in their spaces, for staff in all."""
    await awaited(request, bookings.VIEW.name, spaces.VIEW.name)
    views, page = rooms_of(request).views, asked(request, Paging)
    managed = None
    if not user.is_any(Role.STAFF, Role.ADMIN):
        managed = await spaces.managed_by(views, user.id) if user.is_any(Role.STUDENT) else []
        if not managed:
            await caller(request, Role.STAFF, Role.ADMIN)
            managed = None
    found = await bookings.requests(
        views, of_spaces=managed, limit=page.limit, cursor=page.cursor, now=datetime.now(UTC)
    )
    return listed(found, request)


async def runs(user: User, space_id: UUID, request: Request) -> bool:
    """Whether the user acts as STAFF for the space, as its view has it. Raises `Unavailable`."""
    if user.is_any(Role.STAFF, Role.ADMIN):
        return True
    space = await spaces.one(rooms_of(request).views, space_id)
    return space is not None and space.is_run_by(user)

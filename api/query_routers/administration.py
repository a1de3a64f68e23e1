"""Queries of those who run things: who has an account, everybody's bookings, and how much there is of what."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from api.answers import awaited, json_of, linked, listed, stored
from api.auth import CurrentUser, caller, require_roles
from api.documents import ApiKeyDocument, BookingDocument, ListedUserDocument, MetricsDocument, api_key_document
from api.problems import PROBLEMS, Problem, refusing
from api.queries import OF_VIEW, BookingsPaging, InstantInQuery, Paging, asked, parameters, within_reach
from api.query_routers.bookings import runs
from api.rooms import rooms_of
from booking.bookings import Status
from booking.roles import Role
from commands import api_keys, directory
from commands.directory import Listed, Place
from journal import folding
from projections import bookings, spaces
from projections.reading import BadCursor, cursor_after, entry_before

router = APIRouter(prefix="/admin", tags=["queries: administration"], responses=PROBLEMS)


class UsersAsked(Paging):
    """Which users are asked for."""

    search: Annotated[str, Field(min_length=1, max_length=255, description="Part of an address or a name.")] | None = (
        None
    )
    role: Role | None = None
    is_active: bool | None = None


@router.get(
    "/users",
    response_model=list[ListedUserDocument],
    dependencies=[Depends(require_roles("ADMIN"))],
    openapi_extra=parameters(UsersAsked, of_view=False),
)
async def users(request: Request) -> Response:
    """Everybody who has an account, in order of registration. A page may be short with more behind it."""
    rooms, wanted = rooms_of(request), asked(request, UsersAsked)
    found = await directory.listing(
        rooms.journal,
        rooms.deciding.aggregates,
        text=wanted.search,
        role=wanted.role,
        is_active=wanted.is_active,
        limit=wanted.limit,
        after=None if wanted.cursor is None else _place(wanted.cursor),
    )
    return linked(json_of(_documents(found.people)), cursor_after(_entry(found.last)) if found.last else None, request)


class BookingsAsked(BookingsPaging):
    """Which bookings are asked for."""

    space_id: UUID | None = None
    user_id: UUID | None = None
    start: Annotated[InstantInQuery | None, Field(alias="from", description="Starting then or later.")] = None
    end: Annotated[InstantInQuery | None, Field(alias="to", description="Starting before then.")] = None


@router.get(
    "/bookings",
    response_model=list[BookingDocument],
    responses=refusing(also={422: ["bad-range"]}),
    openapi_extra=parameters(BookingsAsked),
)
async def every_booking(user: CurrentUser, request: Request) -> Response:
    """Everybody's bookings, newest start first: for staff, and for a manager those of one of their spaces. A page may
    be short with more behind it.
    """
    await awaited(request, bookings.VIEW.name)
    wanted = asked(request, BookingsAsked)
    if wanted.space_id is None or not await runs(user, wanted.space_id, request):
        await caller(request, Role.STAFF, Role.ADMIN)
    if wanted.start is not None and wanted.end is not None and wanted.start >= wanted.end:
        raise Problem(422, "bad-range", "The range is none", "Give from before to.")
    page = await bookings.found(
        rooms_of(request).views,
        user_id=wanted.user_id,
        space_id=wanted.space_id,
        status=wanted.status,
        start=wanted.start and within_reach(wanted.start),
        end=wanted.end and within_reach(wanted.end),
        limit=wanted.limit,
        cursor=wanted.cursor,
        now=datetime.now(UTC),
    )
    return listed(page, request)


@router.get(
    "/metrics",
    response_model=MetricsDocument,
    dependencies=[Depends(require_roles("ADMIN"))],
    openapi_extra=OF_VIEW,
)
async def metrics(request: Request) -> Response:
    """How many spaces, users and, by their status now, bookings there are."""
    await awaited(request, bookings.VIEW.name, spaces.VIEW.name)
    rooms = rooms_of(request)
    of_status, position = await bookings.counted(rooms.views, now=datetime.now(UTC))
    number, active, spaces_at = await spaces.counted(rooms.views)
    document: dict[str, dict[str, int]] = {
        "spaces": {"total": number, "active": active},
        "users": {"total": await directory.number_of_users(rooms.journal)},
        "bookings": {"total": sum(of_status.values())} | {str(status): of_status[status] for status in Status},
    }
    return stored(request, orjson.dumps(document), min(position, spaces_at))


@router.get(
    "/api-keys",
    response_model=list[ApiKeyDocument],
    dependencies=[Depends(require_roles("ADMIN"))],
    openapi_extra=parameters(Paging, of_view=False),
)
async def keys(request: Request) -> Response:
    """The API keys that are good for something. A page may be short with more behind it."""
    rooms, page = rooms_of(request), asked(request, Paging)
    start = UUID(int=0) if page.cursor is None else UUID(bytes=entry_before(page.cursor, 16))
    kept = await api_keys.after(rooms.journal, start, page.limit + 1)
    is_more = len(kept) > page.limit
    kept = kept[: page.limit]
    users, _ = await rooms.deciding.aggregates.all_fresh([folding.user(key.user_id) for key in kept])
    documents = [
        api_key_document(key, user.api_keys[key.key_id])
        for key, user in zip(kept, users, strict=True)
        if key.key_id in user.api_keys
    ]
    cursor = cursor_after(kept[-1].key_id.bytes) if is_more else None
    return linked(json_of(documents), cursor, request)


def _documents(people: Sequence[Listed]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.user.id,
            "email": one.email,
            "full_name": one.full_name,
            "role": one.user.role,
            "is_admin": one.user.role is Role.ADMIN,
            "max_active_bookings": one.user.max_active_bookings,
            "is_active": one.user.is_active,
            "created_at": one.created_at,
        }
        for one in people
    ]


def _entry(place: Place) -> bytes:
    at, user_id = place
    return f"{at.isoformat()} {user_id}".encode()


def _place(cursor: str) -> Place:
    """The place a page ended at. Raises `BadCursor`."""
    try:
        at, user_id = entry_before(cursor).decode("ascii").split(" ")
        place = datetime.fromisoformat(at), UUID(user_id)
    except ValueError:
        raise BadCursor from None
    if place[0].tzinfo is None:
        raise BadCursor
    return place

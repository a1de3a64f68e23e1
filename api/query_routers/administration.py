"""Queries of administrators: who has an account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from api.answers import linked
from api.auth import require_roles
from api.bodies import JSON
from api.documents import ListedUserDocument
from api.problems import PROBLEMS
from api.queries import Paging, asked, parameters
from api.rooms import rooms_of
from booking.roles import Role
from commands import directory
from commands.directory import Listed, Place
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
    openapi_extra=parameters(UsersAsked),
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
        after=_place(wanted.cursor) if wanted.cursor else None,
    )
    answer = Response(_json(found.people), media_type=JSON)
    return linked(answer, cursor_after(_entry(found.last)) if found.last else None, request)


def _json(people: Sequence[Listed]) -> bytes:
    documents = [
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
    return orjson.dumps(documents, option=orjson.OPT_UTC_Z)


def _entry(place: Place) -> bytes:
    at, user_id = place
    return f"{at.isoformat()} {user_id}".encode()


def _place(cursor: str) -> Place:
    """The place a page ended at. Raises `BadCursor`."""
    try:
        at, user_id = entry_before(cursor).decode("ascii").split(" ")
        place = datetime.fromisoformat(at), UUID(user_id)
    except ValueError:
        raise BadCursor("no page came with this cursor") from None
    if place[0].tzinfo is None:
        raise BadCursor("no page came with this cursor")
    return place

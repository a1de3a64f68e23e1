"""Queries about spaces: which there are, one, and whether a slot of it is free."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.answers import listed, stored
from api.auth import require_roles
from api.bodies import Cursor, InstantInQuery, Limit
from api.documents import AvailabilityDocument, SpaceDocument
from api.problems import PROBLEMS, described
from api.rooms import TheRooms
from booking.refusals import NotFound
from booking.slots import Slot
from projections import availability, spaces
from projections.views import PAGE

router = APIRouter(tags=["queries: spaces"], responses=PROBLEMS)


@router.get("/spaces", response_model=list[SpaceDocument])
async def active(rooms: TheRooms, request: Request, limit: Limit = PAGE, cursor: Cursor = None) -> Response:
    """The spaces that take bookings, by name."""
    return listed(await spaces.active(rooms.views, limit=limit, cursor=cursor), request)


@router.get("/spaces/{space_id}", response_model=SpaceDocument)
async def one(space_id: UUID, rooms: TheRooms) -> Response:
    """A space with all its rules, active or not."""
    space = await spaces.one(rooms.views, space_id)
    if space is None:
        raise NotFound("space", space_id)
    return stored(space.json, space.position, tag=str(space.revision))


@router.get("/spaces/{space_id}/availability", response_model=AvailabilityDocument)
async def of_slot(
    space_id: UUID, start: Annotated[InstantInQuery, Query()], end: Annotated[InstantInQuery, Query()], rooms: TheRooms
) -> Response:
    """Whether a booking of the slot would be accepted now from a user whose allowance is not used up."""
    slot = Slot(start, end)
    judged = await availability.of(rooms.views, space_id, slot, now=datetime.now(UTC))
    document = {
        "space_id": space_id,
        "start": slot.start,
        "end": slot.end,
        "is_available": judged.is_available,
        "conflicting_slots": judged.conflicting_slots,
        "refusals": [described(refusal) for refusal in judged.refusals],
    }
    return stored(orjson.dumps(document, option=orjson.OPT_UTC_Z), judged.position)


@router.get(
    "/admin/spaces",
    response_model=list[SpaceDocument],
    dependencies=[Depends(require_roles("STAFF", "ADMIN"))],
)
async def every(rooms: TheRooms, request: Request, limit: Limit = PAGE, cursor: Cursor = None) -> Response:
    """Every space, by name."""
    return listed(await spaces.all(rooms.views, limit=limit, cursor=cursor), request)

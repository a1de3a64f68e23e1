"""Queries about spaces: whether a slot of one is free, one, and which there are."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.answers import listed, stored
from api.auth import require_roles
from api.documents import AvailabilityDocument, SpaceDocument
from api.problems import PROBLEMS, described
from api.queries import Paging, SlotAsked, asked, parameters
from api.rooms import rooms_of
from booking.refusals import NotFound
from booking.slots import Slot
from projections import availability, spaces

router = APIRouter(tags=["queries: spaces"], responses=PROBLEMS)


@router.get("/spaces/{space_id}/availability", response_model=AvailabilityDocument, openapi_extra=parameters(SlotAsked))
async def of_slot(space_id: UUID, request: Request) -> Response:
    """Whether a booking of the slot would be accepted now from a user whose allowance is not used up."""
    times = asked(request, SlotAsked)
    slot = Slot(times.start, times.end)
    judged = await availability.of(rooms_of(request).views, space_id, slot, now=datetime.now(UTC))
    document = {
        "space_id": space_id,
        "start": slot.start,
        "end": slot.end,
        "is_available": judged.is_available,
        "conflicting_slots": judged.conflicting_slots,
        "refusals": [described(refusal) for refusal in judged.refusals],
    }
    return stored(orjson.dumps(document, option=orjson.OPT_UTC_Z), judged.position)


@router.get("/spaces/{space_id}", response_model=SpaceDocument)
async def one(space_id: UUID, request: Request) -> Response:
    """A space with all its rules, active or not."""
    space = await spaces.one(rooms_of(request).views, space_id)
    if space is None:
        raise NotFound("space", space_id)
    return stored(space.json, space.position, tag=str(space.revision))


@router.get("/spaces", response_model=list[SpaceDocument], openapi_extra=parameters(Paging))
async def active(request: Request) -> Response:
    """The spaces that take bookings, by name."""
    page = asked(request, Paging)
    return listed(await spaces.active(rooms_of(request).views, limit=page.limit, cursor=page.cursor), request)


@router.get(
    "/admin/spaces",
    response_model=list[SpaceDocument],
    dependencies=[Depends(require_roles("STAFF", "ADMIN"))],
    openapi_extra=parameters(Paging),
)
async def every(request: Request) -> Response:
    """Every space, by name."""
    page = asked(request, Paging)
    return listed(await spaces.all(rooms_of(request).views, limit=page.limit, cursor=page.cursor), request)

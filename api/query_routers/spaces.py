"""Queries about spaces: which there are, one, and whether a slot of it is free."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import CurrentUser, require_roles
from api.bodies import Cursor, InstantInQuery, Limit
from api.documents import AvailabilityDocument, BusyDocument, SlotDocument, SpaceDocument
from api.problems import PROBLEMS, described
from api.rooms import TheRooms, rooms_of
from booking.refusals import NotFound
from booking.roles import Role
from booking.slots import EARLIEST, LATEST, BadSlot, Slot, in_utc
from booking.spaces import Space
from projections import availability, bookings, finding, spaces
from projections.finding import Found
from projections.views import PAGE

Duration = Annotated[
    int | None, Query(ge=1, le=44_640, description="Minutes; the shortest the space allows, if it is not given.")
]

router = APIRouter(tags=["queries: spaces"], responses=PROBLEMS)


@router.get("/spaces", response_model=list[SpaceDocument])
async def active(rooms: TheRooms, request: Request, limit: Limit = PAGE, cursor: Cursor = None) -> Response:
    """The spaces that take bookings, by name."""
    await awaited(request, rooms.views, spaces.VIEW.name)
    return listed(await spaces.active(rooms.views, limit=limit, cursor=cursor), request)


@router.get("/spaces/search", response_model=list[SpaceDocument])
async def search(
    rooms: TheRooms,
    request: Request,
    start: Annotated[InstantInQuery, Query()],
    end: Annotated[InstantInQuery, Query()],
    capacity: Annotated[int | None, Query(ge=1, description="At least so many people.")] = None,
    max_price_per_hour: Annotated[Decimal | None, Query(ge=0, le=1_000_000)] = None,
    timezone: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
) -> Response:
    """The spaces in which the slot could be booked now, by name. A page may be short with more behind it."""
    await awaited(request, rooms.views, availability.VIEW.name)

    def fits(space: Space) -> bool:
        about = space.description
        return (
            (capacity is None or about.capacity >= capacity)
            and (max_price_per_hour is None or about.price_per_hour <= max_price_per_hour)
            and (timezone is None or space.timezone == timezone)
        )

    slot, now = Slot(start, end), datetime.now(UTC)
    return listed(await finding.spaces(rooms.views, slot, fits=fits, limit=limit, cursor=cursor, now=now), request)


@router.get("/spaces/{space_id}", response_model=SpaceDocument)
async def one(space_id: UUID, rooms: TheRooms, request: Request) -> Response:
    """A space with all its rules, active or not."""
    await awaited(request, rooms.views, spaces.VIEW.name)
    space = await spaces.one(rooms.views, space_id)
    if space is None:
        raise NotFound("space", space_id)
    return stored(request, space.json, space.position, tag=str(space.revision))


@router.get("/spaces/{space_id}/availability", response_model=AvailabilityDocument)
async def of_slot(
    space_id: UUID,
    start: Annotated[InstantInQuery, Query()],
    end: Annotated[InstantInQuery, Query()],
    rooms: TheRooms,
    request: Request,
) -> Response:
    """Whether a booking of the slot would be accepted now from a user whose allowance is not used up."""
    await awaited(request, rooms.views, availability.VIEW.name)
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
    return stored(request, orjson.dumps(document, option=orjson.OPT_UTC_Z), judged.position)


@router.get("/spaces/{space_id}/slots", response_model=list[SlotDocument])
async def slots(
    space_id: UUID,
    date: Annotated[date, Query(description="A date on the space's wall clock.")],
    rooms: TheRooms,
    request: Request,
    duration: Duration = None,
    step: Annotated[int | None, Query(ge=5, le=1_440, description="Minutes from one start to the next.")] = None,
) -> Response:
    """The slots beginning on a local date that would be accepted now, every `step` from each opening."""
    await awaited(request, rooms.views, availability.VIEW.name)
    found = await finding.bookable(
        rooms.views,
        space_id,
        _within_reach(date),
        duration=_minutes(duration),
        step=_minutes(step),
        now=datetime.now(UTC),
    )
    return _slots(request, found)


@router.get("/spaces/{space_id}/next-available", response_model=list[SlotDocument])
async def next_available(
    space_id: UUID,
    rooms: TheRooms,
    request: Request,
    duration: Duration = None,
    after: Annotated[InstantInQuery | None, Query(description="Not before then; now, if it is not given.")] = None,
) -> Response:
    """The first slot that would be accepted now, in a list; an empty one when there is none within the horizon."""
    await awaited(request, rooms.views, availability.VIEW.name)
    now = datetime.now(UTC)
    beginning = now if after is None else max(EARLIEST, min(in_utc(after), LATEST))
    wanted = _minutes(duration)
    return _slots(
        request, await finding.next_available(rooms.views, space_id, duration=wanted, after=beginning, now=now)
    )


@router.get("/spaces/{space_id}/calendar", response_model=list[BusyDocument])
async def calendar(
    space_id: UUID,
    user: CurrentUser,
    request: Request,
    start: Annotated[InstantInQuery, Query(alias="from")],
    end: Annotated[InstantInQuery, Query(alias="to")],
) -> Response:
    """What is held of a space, buffers included, in at most 31 days; one's own bookings in full, for staff all."""
    views, span, now = rooms_of(request).views, Slot(start, end), datetime.now(UTC)
    await awaited(request, views, spaces.VIEW.name, bookings.VIEW.name)
    if await spaces.one(views, space_id) is None:
        raise NotFound("space", space_id)
    held, position = await bookings.of_space(views, space_id, span, now=now)
    sees_all = user.is_any(Role.STAFF, Role.ADMIN)
    items = [
        {
            "start": one.span.start,
            "end": one.span.end,
            "booking": orjson.Fragment(one.json) if sees_all or one.user_id == user.id else None,
        }
        for one in held
    ]
    return stored(request, orjson.dumps(items, option=orjson.OPT_UTC_Z), position)


@router.get(
    "/admin/spaces",
    response_model=list[SpaceDocument],
    dependencies=[Depends(require_roles("STAFF", "ADMIN"))],
)
async def every(rooms: TheRooms, request: Request, limit: Limit = PAGE, cursor: Cursor = None) -> Response:
    """Every space, by name."""
    await awaited(request, rooms.views, spaces.VIEW.name)
    return listed(await spaces.all(rooms.views, limit=limit, cursor=cursor), request)


def _slots(request: Request, found: Found) -> Response:
    document = [{"start": slot.start, "end": slot.end} for slot in found.slots]
    return stored(request, orjson.dumps(document, option=orjson.OPT_UTC_Z), found.position)


def _minutes(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(minutes=count)


def _within_reach(day: date) -> date:
    """`day`, unless it is too near the ends of the calendar to be reckoned with. Raises `BadSlot`."""
    if not EARLIEST.date() < day < LATEST.date():
        raise BadSlot(f"outside the years {EARLIEST.year} to {LATEST.year - 1}")
    return day

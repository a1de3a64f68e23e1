"""Queries about spaces: whether a slot of one is free, one, and which there are."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import CurrentUser, require_roles
from api.documents import AvailabilityDocument, BusyDocument, SlotDocument, SpaceDocument
from api.problems import PROBLEMS, described
from api.queries import (
    OF_VIEW,
    NextAsked,
    Paging,
    RangeAsked,
    SearchAsked,
    SlotAsked,
    SlotsAsked,
    asked,
    parameters,
    within_reach,
)
from api.rooms import rooms_of
from booking.refusals import NotFound
from booking.slots import EARLIEST, LATEST, BadSlot, Slot
from booking.spaces import Space
from journal.giving_way import in_pieces
from projections import availability, bookings, finding, spaces
from projections.bookings import Held
from projections.finding import Found

router = APIRouter(tags=["queries: spaces"], responses=PROBLEMS)


@router.get("/spaces/{space_id}/availability", response_model=AvailabilityDocument, openapi_extra=parameters(SlotAsked))
async def of_slot(space_id: UUID, request: Request) -> Response:
    """Whether a booking of the slot would be accepted now from a user whose allowance is not used up.

    Of more than 100 conflicting slots some of the first are told.
    """
    await awaited(request, availability.VIEW.name)
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
    return stored(request, orjson.dumps(document, option=orjson.OPT_UTC_Z), judged.position)


@router.get("/spaces/{space_id}/slots", response_model=list[SlotDocument], openapi_extra=parameters(SlotsAsked))
async def slots(space_id: UUID, request: Request) -> Response:
    """The slots beginning on a local date that would be accepted now, every `step` from each opening."""
    views, wanted = rooms_of(request).views, asked(request, SlotsAsked)
    await awaited(request, availability.VIEW.name)
    found = await finding.bookable(
        views,
        space_id,
        _within_reach(wanted.date),
        duration=_minutes(wanted.duration),
        step=_minutes(wanted.step),
        now=datetime.now(UTC),
    )
    return _slots(request, found)


@router.get("/spaces/{space_id}/next-available", response_model=list[SlotDocument], openapi_extra=parameters(NextAsked))
async def next_available(space_id: UUID, request: Request) -> Response:
    """The first slot that would be accepted now, in a list; an empty one when there is none within the horizon.

    A year from `after` is looked at: where the horizon is longer, ask again from there.
    """
    views, wanted, now = rooms_of(request).views, asked(request, NextAsked), datetime.now(UTC)
    await awaited(request, availability.VIEW.name)
    after = within_reach(wanted.after) if wanted.after else now
    duration = _minutes(wanted.duration)
    return _slots(request, await finding.next_available(views, space_id, duration=duration, after=after, now=now))


@router.get("/spaces/{space_id}/calendar", response_model=list[BusyDocument], openapi_extra=parameters(RangeAsked))
async def calendar(space_id: UUID, user: CurrentUser, request: Request) -> Response:
    """What is held of a space, buffers included, in at most 31 days.

    One's own bookings in full, all of them for whoever runs the space.
    """
    views, wanted = rooms_of(request).views, asked(request, RangeAsked)
    await awaited(request, spaces.VIEW.name, bookings.VIEW.name)
    space = await spaces.one(views, space_id)
    if space is None:
        raise NotFound("space", space_id)
    held, position = await bookings.of_space(views, space_id, Slot(wanted.start, wanted.end), now=datetime.now(UTC))
    return stored(request, await busy_json(held, shown_to=None if space.is_run_by(user) else user.id), position)


async def busy_json(held: Sequence[Held], *, shown_to: UUID | None) -> bytes:
    """What is held, with the bookings of the user it is shown to; of None all of them."""

    def written(some: Sequence[Held]) -> bytes:
        items = [
            {
                "start": one.span.start,
                "end": one.span.end,
                "booking": orjson.Fragment(one.json) if shown_to in (None, one.user_id) else None,
            }
            for one in some
        ]
        return orjson.dumps(items, option=orjson.OPT_UTC_Z)[1:-1]

    return b"[%b]" % b",".join([written(some) async for some in in_pieces(held)])


@router.get("/spaces/search", response_model=list[SpaceDocument], openapi_extra=parameters(SearchAsked))
async def search(request: Request) -> Response:
    """The spaces in which the slot could be booked now, by name. A page may be short with more behind it."""
    wanted = asked(request, SearchAsked)
    await awaited(request, availability.VIEW.name)

    def fits(space: Space) -> bool:
        about = space.description
        return (
            (wanted.capacity is None or about.capacity >= wanted.capacity)
            and (wanted.max_price_per_hour is None or about.price_per_hour <= wanted.max_price_per_hour)
            and (wanted.timezone is None or space.timezone == wanted.timezone)
        )

    page = await finding.spaces(
        rooms_of(request).views,
        Slot(wanted.start, wanted.end),
        fits=fits,
        limit=wanted.limit,
        cursor=wanted.cursor,
        now=datetime.now(UTC),
    )
    return listed(page, request)


@router.get("/spaces/{space_id}", response_model=SpaceDocument, openapi_extra=OF_VIEW)
async def one(space_id: UUID, request: Request) -> Response:
    """A space with all its rules, active or not."""
    await awaited(request, spaces.VIEW.name)
    space = await spaces.one(rooms_of(request).views, space_id)
    if space is None:
        raise NotFound("space", space_id)
    return stored(request, space.json, space.position, tag=str(space.revision))


@router.get("/spaces", response_model=list[SpaceDocument], openapi_extra=parameters(Paging))
async def active(request: Request) -> Response:
    """The spaces that take bookings, by name."""
    await awaited(request, spaces.VIEW.name)
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
    await awaited(request, spaces.VIEW.name)
    page = asked(request, Paging)
    return listed(await spaces.all(rooms_of(request).views, limit=page.limit, cursor=page.cursor), request)


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

"""Queries of calendar programs: feeds of a space and of one's own bookings, and the tokens that open them."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.models import APIKey
from fastapi.security.base import SecurityBase
from starlette.responses import Response

from api import correlation
from api.answers import awaited, json_of, unchanged
from api.auth import SCHEMES, CurrentUser, unauthenticated
from api.documents import CalendarTokenDocument
from api.feeds import Entry, Feed
from api.problems import PROBLEMS
from api.queries import OF_VIEW
from api.rooms import rooms_of
from booking.refusals import NotFound
from booking.users import User
from commands import calendar_tokens
from projections import bookings, spaces

router = APIRouter(prefix="/calendars", tags=["queries: calendars"], responses=PROBLEMS)

ICALENDAR = "text/calendar"
_EXAMPLE = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Daybook//Calendar feeds//EN
X-WR-CALNAME:Bookings
BEGIN:VEVENT
SUMMARY:Meeting Room A
DTSTART:20261201T090000Z
DTEND:20261201T110000Z
DTSTAMP:20261124T083000Z
UID:7d1f5a52-0c2e-4b7e-9a51-1f6f7a9c0d21@daybook
SEQUENCE:1
STATUS:CONFIRMED
END:VEVENT
END:VCALENDAR
"""
_FEED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "iCalendar (RFC 5545).",
        "content": {ICALENDAR: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


class _Bearing(SecurityBase):
    """A dependency: the active user whose calendar token stands in the address."""

    scheme_name = "calendar-token"
    model = APIKey.model_validate(SCHEMES[scheme_name])

    async def __call__(self, request: Request) -> User:
        rooms = rooms_of(request)
        user_id = await calendar_tokens.user_of(rooms.journal, request.query_params.get("token", ""))
        if user_id is None:
            raise unauthenticated("The calendar token is not valid, or no longer.")
        user = await rooms.callers.of(user_id)
        if not user.is_active:
            raise unauthenticated("The account this token was given to is not active.")
        correlation.user_id.set(user.id)
        return user


TokenUser = Annotated[User, Depends(_Bearing())]


@router.get("/tokens", response_model=list[CalendarTokenDocument])
async def tokens(user: CurrentUser, request: Request) -> Response:
    """The caller's calendar tokens, in the order they were made."""
    return json_of([asdict(one) for one in await calendar_tokens.of_user(rooms_of(request).journal, user.id)])


@router.get("/me.ics", response_class=Response, responses=_FEED, openapi_extra=OF_VIEW)
async def own(user: TokenUser, request: Request) -> Response:
    """The bookings of whoever made the token: from 30 days ago on, at most 1,000, those nearest to now."""
    await awaited(request, bookings.VIEW.name, spaces.VIEW.name)
    views, now = rooms_of(request).views, datetime.now(UTC)
    found, position = await bookings.feed_of_user(views, user.id, now=now)
    names = await spaces.names(views, {one.space_id for one in found})
    entries = [Entry(one, names.get(one.space_id, "Booking")) for one in found]
    return await _answer(request, Feed("Bookings", entries, now), position)


@router.get("/spaces/{space_id}.ics", response_class=Response, responses=_FEED, openapi_extra=OF_VIEW)
async def of_space(space_id: UUID, user: TokenUser, request: Request) -> Response:
    """When a space is taken: from 30 days ago on, at most 1,000 bookings, those nearest to now.

    Which of them are one's own, but not whose the others are.
    """
    await awaited(request, bookings.VIEW.name, spaces.VIEW.name)
    views, now = rooms_of(request).views, datetime.now(UTC)
    name = (await spaces.names(views, {space_id})).get(space_id)
    if name is None:
        raise NotFound("space", space_id)
    found, position = await bookings.feed_of_space(views, space_id, now=now)
    entries = [Entry(one, "Your booking" if one.user_id == user.id else "Busy") for one in found]
    return await _answer(request, Feed(name, entries, now), position)


async def _answer(request: Request, feed: Feed, position: int) -> Response:
    # Whoever has it may keep it, to be asked about; the door would have it kept by nobody.
    headers = {"Projection-Position": str(position), "ETag": f'"{feed.tag}"', "Cache-Control": "private, no-cache"}
    if unchanged(request, headers["ETag"]):
        return Response(None, 304, headers)
    return Response(await asyncio.to_thread(feed.calendar), 200, headers, ICALENDAR)

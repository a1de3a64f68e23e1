"""Commands about calendar tokens, each of whoever is signed in."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from pydantic import StringConstraints
from starlette.responses import Response

from api.answers import json_of
from api.auth import CurrentUser
from api.bodies import Body, StrictRoute
from api.documents import MessageDocument, ShownCalendarTokenDocument
from api.problems import PROBLEMS, Problem, refusing
from api.rooms import rooms_of
from booking.refusals import NotFound
from commands import calendar_tokens
from commands.calendar_tokens import PER_USER

router = APIRouter(
    prefix="/calendars/tokens", tags=["commands: calendars"], responses=PROBLEMS, route_class=StrictRoute
)


class CalendarTokenRequest(Body):
    """Which program the token is for."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


@router.post(
    "",
    status_code=201,
    response_model=ShownCalendarTokenDocument,
    responses=refusing(also={409: ["too-many-tokens"]}),
)
async def make(body: CalendarTokenRequest, user: CurrentUser, request: Request) -> Response:
    """Let a calendar program read the caller's feeds: `/calendars/me.ics?token=…`. It is shown in this answer alone."""
    journal, token = rooms_of(request).journal, calendar_tokens.new()
    if len(await calendar_tokens.of_user(journal, user.id)) >= PER_USER:
        raise Problem(409, "too-many-tokens", "There are too many calendar tokens", "Revoke one first.")
    made = await calendar_tokens.make(journal, user.id, uuid4(), name=body.name, token=token)
    return json_of(asdict(made) | {"token": token}, 201)


@router.delete("/{token_id}", response_model=MessageDocument)
async def revoke(token_id: UUID, user: CurrentUser, request: Request) -> Response:
    """Have a token of the caller's open nothing from now on."""
    if not await calendar_tokens.revoke(rooms_of(request).journal, user.id, token_id):
        raise NotFound("calendar token", token_id)
    return json_of({"message": "The token opens nothing any more"})

"""Commands about calendar tokens, each of whoever is signed in."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import StringConstraints
from starlette.responses import Response

from api.answers import json_of
from api.bodies import Body, StrictRoute
from api.documents import MessageDocument, ShownCalendarTokenDocument
from api.problems import PROBLEMS, Problem
from api.sending import COMMAND, TheSender
from commands import calendar_tokens
from commands.calendar_tokens import PER_USER

router = APIRouter(
    prefix="/calendars/tokens", tags=["commands: calendars"], responses=PROBLEMS, route_class=StrictRoute
)
_KEY: dict[str, Any] = {"parameters": COMMAND["parameters"][:1]}


class CalendarTokenRequest(Body):
    """Which program the token is for."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


@router.post("", status_code=201, response_model=ShownCalendarTokenDocument, openapi_extra=_KEY)
async def make(body: CalendarTokenRequest, sender: TheSender) -> Response:
    """Let a calendar program read the caller's feeds: `/calendars/me.ics?token=…`. It is shown in this answer alone."""
    journal, token = sender.rooms.journal, calendar_tokens.new()
    if len(await calendar_tokens.of_user(journal, sender.user.id)) >= PER_USER:
        raise Problem(409, "too-many-tokens", "There are too many calendar tokens", "Revoke one first.")
    made = await calendar_tokens.make(journal, sender.user.id, sender.new_id, name=body.name, token=token)
    if made is None:  # asked again under one Idempotency-Key
        raise Problem(409, "shown-before", "The token was shown before", "It is not kept: revoke it and make another.")
    return json_of(asdict(made) | {"token": token}, 201)


@router.delete("/{token_id}", response_model=MessageDocument, openapi_extra=_KEY)
async def revoke(token_id: UUID, sender: TheSender) -> Response:
    """Have a token of the caller's open nothing from now on, if there is one of this id."""
    await calendar_tokens.revoke(sender.rooms.journal, sender.user.id, token_id)
    return json_of({"message": "The token opens nothing any more"})

"""A booking as it once was."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response

from api.answers import json_of
from api.audit_routers.events import FactDocument
from api.auth import require_roles
from api.documents import BookingDocument
from api.problems import PROBLEMS
from api.queries import asked, instant_in_query, parameters
from api.rooms import rooms_of
from audit import history

router = APIRouter(
    prefix="/audit/bookings",
    tags=["audit: history"],
    responses=PROBLEMS,
    dependencies=[Depends(require_roles("ADMIN", "AUDITOR"))],
)

_POSITION = re.compile(r"[0-9]{1,18}")


def _position_or_instant(value: object) -> int | datetime:
    return int(value) if isinstance(value, str) and _POSITION.fullmatch(value) else instant_in_query(value)


class MomentAsked(BaseModel):
    """As of when."""

    as_of: (
        Annotated[
            int | datetime,
            BeforeValidator(_position_or_instant),
            WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]}),
            Field(description="A position of the journal, or a time; now if there is none."),
        ]
        | None
    ) = None


class BookingAsOfDocument(BaseModel):
    """A booking as it was when the fact at `position` had been recorded and none after it, `moment` by the clock."""

    position: int
    moment: datetime
    booking: BookingDocument
    facts: list[FactDocument]


@router.get("/{booking_id}", response_model=BookingAsOfDocument, openapi_extra=parameters(MomentAsked, of_view=False))
async def booking(booking_id: UUID, request: Request) -> Response:
    """A booking as it was at a position or a time, and the facts that made it so."""
    then = await history.booking_as_of(rooms_of(request).journal, booking_id, asked(request, MomentAsked).as_of)
    return json_of(then.document())

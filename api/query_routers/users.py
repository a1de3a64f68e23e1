"""Queries about users. Names and addresses are in no view: they are read from the accounts."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.answers import json_of
from api.audit_routers.events import FactDocument
from api.auth import CurrentUser, unauthenticated
from api.cookies import refresh_token
from api.documents import BookingDocument, OwnUserDocument, SessionDocument, user_document
from api.problems import PROBLEMS, refusing
from api.rooms import rooms_of
from audit import history
from booking.bookings import Booking
from booking.events import BookingEvent
from booking.users import User
from commands import accounts

router = APIRouter(tags=["queries: users"], responses=PROBLEMS)


class ExportDocument(BaseModel):
    """A person as they are known here; `facts` is what was recorded, in order, with texts opened."""

    account: OwnUserDocument
    bookings: list[BookingDocument]
    facts: list[FactDocument]
    sessions: list[SessionDocument]


@router.get("/auth/me", response_model=OwnUserDocument)
async def me(user: CurrentUser, request: Request) -> Response:
    """The user who asks."""
    return json_of(await _own(user, request))


@router.get("/auth/me/export", response_model=ExportDocument, responses=refusing(also={403: ["cross-origin"]}))
async def export(user: CurrentUser, request: Request) -> Response:
    """All that is held on the caller: account, bookings, sessions, and every fact about them."""
    rooms = rooms_of(request)
    account = await _own(user, request)
    facts = await history.of_person(rooms.journal, user.id)
    now = (await rooms.journal.read({})).now
    bookings: dict[UUID, Booking] = {}
    for fact in facts:
        if isinstance(fact.event, BookingEvent):
            bookings.setdefault(fact.event.booking_id, Booking(fact.event.booking_id)).fold(fact.event)
    document: dict[str, Any] = {
        "account": account,
        "bookings": [one.document() | {"status": one.status(now)} for one in bookings.values()],
        "facts": [fact.document() for fact in facts],
        "sessions": [asdict(one) for one in await rooms.sessions.of_user(user.id, token=refresh_token(request))],
    }
    return json_of(document)


async def _own(user: User, request: Request) -> dict[str, Any]:
    """An `OwnUserDocument`. Raises `Problem` (401) when the account is gone: that was not heard of here yet."""
    account = (await accounts.of_users(rooms_of(request).journal, [user.id])).get(user.id)
    if account is None:
        raise unauthenticated("The account this token was given to is gone.", given=True)
    return user_document(user, account) | {"max_active_bookings": user.max_active_bookings}

"""Queries about users. Names and addresses are in no view: they are read from the accounts."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.answers import json_of
from api.audit_routers.events import FactDocument
from api.auth import CurrentUser, own_account
from api.cookies import refresh_token
from api.documents import (
    ApiKeyDocument,
    BookingDocument,
    CalendarTokenDocument,
    OwnUserDocument,
    SessionDocument,
    api_key_document,
    user_document,
)
from api.problems import PROBLEMS, refusing
from api.rooms import rooms_of
from audit import history
from booking.bookings import Booking
from booking.events import BookingEvent
from booking.users import User
from commands import accounts, api_keys, calendar_tokens
from journal.giving_way import in_pieces

router = APIRouter(tags=["queries: users"], responses=PROBLEMS)


class LetterDocument(BaseModel):
    """A letter that was sent, or will be; its token is kept as a hash alone."""

    kind: str
    written_at: datetime
    expires_at: datetime


class ExportedUserDocument(OwnUserDocument):
    """The account, and when it was made."""

    created_at: datetime


class ExportDocument(BaseModel):
    """A person as they are known here; `facts` is what was recorded, in order, with texts opened."""

    account: ExportedUserDocument
    bookings: list[BookingDocument]
    facts: list[FactDocument]
    sessions: list[SessionDocument]
    api_keys: list[ApiKeyDocument]
    letters: list[LetterDocument]
    calendar_tokens: list[CalendarTokenDocument]


@router.get("/auth/me", response_model=OwnUserDocument)
async def me(user: CurrentUser, request: Request) -> Response:
    """The user who asks."""
    return json_of(await _own(user, request))


@router.get("/auth/me/export", response_model=ExportDocument, responses=refusing(also={403: ["cross-origin"]}))
async def export(user: CurrentUser, request: Request) -> Response:
    """All that is held on the caller: account, bookings, sessions, keys and tokens, letters, every fact about them."""
    rooms = rooms_of(request)
    user = await rooms.callers.read(user.id)  # not as last heard of: what was done elsewhere just now is held as well
    account = await _own(user, request)
    keys = await api_keys.of_user(rooms.journal, user.id)
    facts = await history.of_person(rooms.journal, user.id)
    now = (await rooms.journal.read({})).now
    bookings: dict[UUID, Booking] = {}
    told: list[dict[str, Any]] = []
    async for some in in_pieces(facts):
        told += [fact.document() for fact in some]
        for fact in some:
            if isinstance(fact.event, BookingEvent):
                bookings.setdefault(fact.event.booking_id, Booking(fact.event.booking_id)).fold(fact.event)
    document: dict[str, Any] = {
        "account": account | {"created_at": await accounts.created_at(rooms.journal, user.id)},
        "bookings": [one.document() | {"status": one.status(now)} for one in bookings.values()],
        "facts": told,
        "sessions": [asdict(one) for one in await rooms.sessions.of_user(user.id, token=refresh_token(request))],
        "api_keys": [api_key_document(key, user.api_keys.get(key.key_id, ())) for key in keys],
        "letters": [asdict(one) for one in await rooms.letters.to_user(user.id)],
        "calendar_tokens": [asdict(one) for one in await calendar_tokens.of_user(rooms.journal, user.id)],
    }
    return json_of(document)


async def _own(user: User, request: Request) -> dict[str, Any]:
    """An `OwnUserDocument`. Raises `Problem` (401)."""
    account = await own_account(rooms_of(request), user.id)
    return user_document(user, account) | {"max_active_bookings": user.max_active_bookings}

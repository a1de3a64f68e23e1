"""Queries about users. Names and addresses are in no view: they are read from the accounts."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import json_of
from api.auth import CurrentUser, unauthenticated
from api.documents import OwnUserDocument, user_document
from api.problems import PROBLEMS
from api.rooms import rooms_of
from commands import accounts

router = APIRouter(tags=["queries: users"], responses=PROBLEMS)


@router.get("/auth/me", response_model=OwnUserDocument)
async def me(user: CurrentUser, request: Request) -> Response:
    """The user who asks."""
    account = (await accounts.of_users(rooms_of(request).journal, [user.id])).get(user.id)
    if account is None:  # erased, which has not been heard of here yet
        raise unauthenticated("The account this token was given to is gone.", given=True)
    return json_of(user_document(user, account) | {"max_active_bookings": user.max_active_bookings})

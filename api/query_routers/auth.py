"""Queries about who is signed in where. Sessions are no facts: they are read from their table."""

from dataclasses import asdict

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.auth import CurrentUser
from api.bodies import JSON
from api.cookies import refresh_token
from api.documents import SessionDocument
from api.problems import PROBLEMS, refusing
from api.rooms import rooms_of

router = APIRouter(tags=["queries: users"], responses=PROBLEMS)


@router.get("/auth/sessions", response_model=list[SessionDocument], responses=refusing(also={403: ["cross-origin"]}))
async def sessions(user: CurrentUser, request: Request) -> Response:
    """Where the user who asks is signed in, the session used last first."""
    open = await rooms_of(request).sessions.of_user(user.id, token=refresh_token(request))
    return Response(orjson.dumps([asdict(one) for one in open], option=orjson.OPT_UTC_Z), media_type=JSON)

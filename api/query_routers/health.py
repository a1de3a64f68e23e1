"""Whether the process lives, and whether it can work."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import json_of
from api.documents import HealthDocument, ReadyDocument
from api.problems import PROBLEMS, RETRY_AFTER, Problem
from api.rooms import rooms_of
from journal.connection import Unavailable

router = APIRouter(prefix="/health", tags=["queries: health"], responses=PROBLEMS)

READY_WITHIN = 0.8  # seconds


@router.get("", response_model=HealthDocument)
async def health(request: Request) -> Response:
    """The process answers."""
    return json_of({"status": "ok", "version": request.app.version})


@router.get("/ready", response_model=ReadyDocument)
async def ready(request: Request) -> Response:
    """The journal can be reached, and the process is not about to stop."""
    rooms = rooms_of(request)
    if rooms.draining.is_set():
        raise Problem(503, "draining", "About to stop", "Ask another process.", headers={"Retry-After": RETRY_AFTER})
    try:
        async with asyncio.timeout(READY_WITHIN):
            await rooms.journal.head()
    except TimeoutError:
        raise Unavailable("the journal did not answer in time") from None
    return json_of({"status": "ready"})

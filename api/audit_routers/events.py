"""History: every fact, with who entered it, when, and under which request."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import JSON, InstantInQuery, Limit
from api.problems import PROBLEMS
from api.rooms import TheRooms
from audit import history

router = APIRouter(
    prefix="/audit/events",
    tags=["audit: history"],
    responses=PROBLEMS,
    dependencies=[Depends(require_roles("ADMIN"))],
)

PAGE = 50
"""Facts in one answer unless it is asked for another number."""

Position = Annotated[int, Query(ge=0, lt=2**63)]
Text = Annotated[str | None, Query(max_length=500)]
Since = Annotated[InstantInQuery | None, Query(alias="from", description="Recorded then or later.")]
Before = Annotated[InstantInQuery | None, Query(alias="to", description="Recorded before then.")]


class FactDocument(BaseModel):
    """A fact as it was recorded. Texts in `payload` are opened, and null once their person was erased."""

    position: int
    type: str
    version: int
    recorded_at: datetime
    actor: str
    correlation_id: str
    causation_id: UUID | None
    command_id: UUID
    tags: list[str]
    payload: Any
    hash: str


@router.get("", response_model=list[FactDocument])
async def events(
    rooms: TheRooms,
    request: Request,
    tag: Text = None,
    type: Text = None,
    actor: Text = None,
    since: Since = None,
    before: Before = None,
    after: Position = 0,
    limit: Limit = PAGE,
) -> Response:
    """The facts above a position, in order. While there is a next page go on: one may hold few facts or none.

    `Journal-Position` is how far this page has looked.
    """
    page = await history.page(
        rooms.journal, tag=tag, type=type, actor=actor, since=since, before=before, after=after, limit=limit
    )
    headers = {"Journal-Position": str(page.to)}
    if not page.at_end:
        url = request.url.include_query_params(after=page.to)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    documents = [fact.document() for fact in page.facts]
    return Response(orjson.dumps(documents, option=orjson.OPT_UTC_Z), headers=headers, media_type=JSON)

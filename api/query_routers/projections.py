"""Queries of whoever runs the views."""

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.answers import stored
from api.auth import require_roles
from api.documents import ProjectionDocument
from api.problems import PROBLEMS
from api.queries import IF_NONE_MATCH
from api.rooms import rooms_of
from projections.following import VIEWS

router = APIRouter(tags=["queries: projections"], responses=PROBLEMS)


@router.get(
    "/admin/projections",
    response_model=list[ProjectionDocument],
    dependencies=[Depends(require_roles("ADMIN"))],
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def standing(request: Request) -> Response:
    """How every view stands."""
    _, head, _ = await rooms_of(request).journal.head()
    views = [(await rooms_of(request).views.looked_at(view)).document(view.name, head) for view in VIEWS]
    return stored(request, orjson.dumps(views), head)

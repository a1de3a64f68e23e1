"""History: every fact, with who entered it, when, and under which request."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import JSON
from api.problems import PROBLEMS, Problem, refusing
from api.queries import InstantInQuery, asked, parameters
from api.rooms import rooms_of
from audit import history
from audit.history import Page
from journal.codec import FORMS

router = APIRouter(
    prefix="/audit/events",
    tags=["audit: history"],
    responses=PROBLEMS,
    dependencies=[Depends(require_roles("ADMIN", "AUDITOR"))],
)

Text = Annotated[str, StringConstraints(max_length=500)]

_TYPES = sorted({form.name for form in FORMS})


def _known(name: str) -> str:
    # An auditor who mistypes a name must not read that nothing happened.
    if name not in _TYPES:
        raise PydanticCustomError("unknown-event", "No fact goes by this name")
    return name


FactName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": _TYPES})]

PAGE = 50
"""Facts in one answer unless it is asked for another number."""


class EventsAsked(BaseModel):
    """Which facts are asked for."""

    tag: Text | None = None
    type: FactName | None = None
    actor: Text | None = None
    since: Annotated[InstantInQuery | None, Field(alias="from", description="Recorded then or later.")] = None
    before: Annotated[InstantInQuery | None, Field(alias="to", description="Recorded before then.")] = None
    after: Annotated[int, Field(ge=0, lt=2**63, description="Above this position.")] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = PAGE


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


@router.get(
    "",
    response_model=list[FactDocument],
    responses=refusing(also={422: ["bad-range"]}) | {200: {"headers": {"Journal-Position": {}, "Link": {}}}},
    openapi_extra=parameters(EventsAsked, of_view=False),
)
async def events(request: Request) -> Response:
    """The facts above a position, in order. While there is a next page go on: one may hold few facts or none.

    `Journal-Position` is how far this page has looked.
    """
    wanted = asked(request, EventsAsked)
    if wanted.since is not None and wanted.before is not None and wanted.since >= wanted.before:
        raise Problem(422, "bad-range", "The range is none", "Give from before to.")
    return answered(await history.page(rooms_of(request).journal, **dict(wanted)), request.query_params)


def answered(page: Page, asked_with: Mapping[str, str]) -> Response:
    """The facts of a page, how far it looked, and where it goes on."""
    headers = {"Journal-Position": str(page.to)}
    if not page.at_end:
        query = urlencode({**asked_with, "after": page.to})
        headers["Link"] = f'<{router.prefix}?{query}>; rel="next"'
    documents = [fact.document() for fact in page.facts]
    return Response(orjson.dumps(documents, option=orjson.OPT_UTC_Z), headers=headers, media_type=JSON)

"""Queries of dashboards: how much of the spaces is used, and what became of bookings."""

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.answers import awaited, listed, stored
from api.auth import require_roles
from api.bodies import Day
from api.documents import ActivityDocument, UseOfDayDocument, UseOfSpaceDocument
from api.problems import PROBLEMS, Problem, refusing
from api.queries import OF_VIEW
from api.rooms import rooms_of
from booking.slots import EARLIEST, LATEST
from booking.spaces import Space
from projections import activity, utilisation
from projections.reading import Page

router = APIRouter(
    prefix="/dashboards",
    tags=["queries: dashboards"],
    responses=PROBLEMS,
    dependencies=[Depends(require_roles("STAFF", "ADMIN"))],
)

LONGEST = timedelta(days=366)

_BAD_RANGE = refusing(also={422: ["bad-range"]})

From = Annotated[Day, Query(alias="from")]
Cursor = Annotated[str | None, Query(max_length=2_100, description="Where a page ended: from its Link.")]
To = Annotated[Day, Query(alias="to", description="This date is included.")]


class By(StrEnum):
    """What the minutes are added up over."""

    SPACE = "space"
    DAY = "day"


@router.get(
    "/utilisation",
    response_model=list[UseOfSpaceDocument] | list[UseOfDayDocument],
    responses=_BAD_RANGE,
    openapi_extra=OF_VIEW,
)
async def used(first: From, last: To, request: Request, by: By = By.SPACE, cursor: Cursor = None) -> Response:
    """Booked and open minutes on local dates, of each space by name or of all on a page by date.

    Open minutes are by the hours in force now. At most 200 spaces a page.
    """
    _fit(first, last)
    await awaited(request, utilisation.VIEW.name)
    found = await utilisation.utilisation(rooms_of(request).views, first, last, by_day=by is By.DAY, cursor=cursor)
    items = [
        orjson.dumps(_named(use.of) | {"booked_minutes": use.booked_minutes, "open_minutes": use.open_minutes})
        for use in found.uses
    ]
    return listed(Page(items, found.cursor, found.position), request)


@router.get("/bookings", response_model=list[ActivityDocument], responses=_BAD_RANGE, openapi_extra=OF_VIEW)
async def done(first: From, last: To, request: Request) -> Response:
    """How many bookings were made, decided on and ended on each UTC date, and how long before they begin."""
    _fit(first, last)
    await awaited(request, activity.VIEW.name)
    days, position = await activity.between(rooms_of(request).views, first, last)
    bounds = [f"under_{hours}_hours" for hours in activity.LEAD_TIMES] + [f"from_{activity.LEAD_TIMES[-1]}_hours"]
    items = [
        {
            "date": day,
            "made": of.made,
            "approved": of.approved,
            "rejected": of.rejected,
            "declined": of.declined,
            "cancelled": of.cancelled,
            "expired": of.expired,
            "mean_lead_minutes": of.lead_seconds // of.made // 60 if of.made else None,
            "lead_times": dict(zip(bounds, of.lead_times, strict=True)),
        }
        for day, of in days
    ]
    return stored(request, orjson.dumps(items), position)


def _fit(first: date, last: date) -> None:
    """Raise `Problem` (422) for a range that is none, or is longer than a year."""
    if not (EARLIEST.date() < first <= last < LATEST.date()) or last - first > LONGEST:
        raise Problem(422, "bad-range", "The range is none", "Give dates from and to, in order, at most a year apart.")


def _named(of: Space | date) -> dict[str, object]:
    return {"space_id": of.id, "name": of.description.name} if isinstance(of, Space) else {"date": of}

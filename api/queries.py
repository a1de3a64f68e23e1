"""What a query asks for, read in one go: FastAPI's own way was a sixth of what an availability costs."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from starlette.requests import Request

from api.bodies import Day, Instant, instant
from booking.bookings import Status
from booking.slots import EARLIEST, LATEST, in_utc
from projections.views import PAGE

Q = TypeVar("Q", bound=BaseModel)


Minutes = Annotated[int, Field(ge=1, le=44_640, description="Minutes; the shortest allowed, if it is not given.")]


class Paging(BaseModel):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=200)] = PAGE
    cursor: Annotated[str, Field(max_length=2_100, description="Where a page ended: from its Link.")] | None = None


class BookingsPaging(Paging):
    """Which page of a list of bookings."""

    status: Status | None = None


def _with_its_plus(value: object) -> object:
    """In a query an unescaped `+` arrives as a space."""
    return value.replace(" ", "+") if isinstance(value, str) else value


def instant_in_query(value: object) -> datetime:
    """The instant that RFC 3339 text in a query names. Raises `PydanticCustomError`."""
    return instant(_with_its_plus(value))


InstantInQuery = Annotated[Instant, BeforeValidator(_with_its_plus)]


def within_reach(at: datetime) -> datetime:
    """The same instant in UTC, or the first or last one a slot can have."""
    return max(EARLIEST, min(in_utc(at), LATEST))


class SlotAsked(BaseModel):
    """Which slot is asked about."""

    start: InstantInQuery
    end: InstantInQuery


class SearchAsked(SlotAsked, Paging):
    """Which slot is wanted, and of what kind of space."""

    capacity: Annotated[int, Field(ge=1, description="At least so many people.")] | None = None
    max_price_per_hour: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None


class SlotsAsked(BaseModel):
    """Slots of which local date, how long, and how far from one start to the next."""

    date: Annotated[Day, Field(description="A date on the space's wall clock.")]
    duration: Minutes | None = None
    step: Annotated[int, Field(ge=5, le=1_440, description="Minutes from one start to the next.")] | None = None


class NextAsked(BaseModel):
    """How long a slot, and not before when."""

    duration: Minutes | None = None
    after: InstantInQuery | None = None


class RangeAsked(BaseModel):
    """Which stretch of time is asked about."""

    start: Annotated[InstantInQuery, Field(alias="from")]
    end: Annotated[InstantInQuery, Field(alias="to")]


def asked(request: Request, model: type[Q]) -> Q:
    """The query as `model`; what it does not name is passed over. Raises as FastAPI does."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in error.errors()]) from None


def _header(name: str, description: str, **schema: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}


IF_NONE_MATCH = _header("If-None-Match", "ETags of what the caller has: 304 if it is still so (RFC 9110 §13.1.2).")
OF_VIEW: dict[str, Any] = {
    "parameters": [
        _header(
            "Read-After",
            "A position the answer is to show: the `Journal-Position` of what was just written.",
            pattern="^[0-9]{1,18}$",
        ),
        _header("Prefer", "`wait=N`: how many seconds Read-After is waited for (RFC 7240 §4.3)."),
        IF_NONE_MATCH,
    ]
}
"""What the route of a query that a view answers adds to its OpenAPI."""


def parameters(model: type[BaseModel], *, of_view: bool = True) -> dict[str, Any]:
    """What `asked` reads as a route adds it to its OpenAPI, and what every query that a view answers takes."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    required = schema.get("required", ())
    own = [
        {"name": name, "in": "query", "required": name in required, "schema": property}
        for name, property in schema["properties"].items()
    ]
    return {"parameters": [*own, *(OF_VIEW["parameters"] if of_view else ())]}

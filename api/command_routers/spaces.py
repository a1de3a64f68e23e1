"""Commands about spaces: offer one, change it, take it out of use."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import Body, Day, Reason, StrictRoute
from api.documents import ChangedSpaceDocument, SpaceDocument
from api.problems import PROBLEMS, refusing
from api.sending import COMMAND, CONDITIONAL, IfRevisions, Sender, TheSender
from booking.opening_hours import WEEKDAYS, OpeningHours, Window
from booking.spaces import SpecialHours
from booking.terms import Description, Rules
from booking.zones import names
from commands.spaces import ChangeSpace, CreateSpace, held_bookings
from journal.folding import space

router = APIRouter(
    prefix="/admin/spaces",
    tags=["commands: spaces"],
    responses=PROBLEMS,
    route_class=StrictRoute,
)

OPENS, CLOSES = "08:00", "22:00"  # every day, where nothing else is said


def _known_zone(name: str) -> str:
    if name not in names():
        raise PydanticCustomError("unknown-zone", "No IANA time zone has this name")
    return name


def _a_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("no-number", "A price is a number")


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=2_000)]
Capacity = Annotated[StrictInt, Field(ge=1, le=100_000)]
Price = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000, decimal_places=2),
    BeforeValidator(_a_number),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000, "multipleOf": 0.01}),
]
Zone = Annotated[str, AfterValidator(_known_zone)]
Minutes = Annotated[StrictInt, Field(ge=0, le=525_600)]
Buffer = Annotated[StrictInt, Field(ge=0, le=1_440)]
Days = Annotated[StrictInt, Field(ge=0, le=3_650)]
Hours = Annotated[StrictInt, Field(ge=0, le=8_760)]
Bookings = Annotated[StrictInt, Field(ge=1, le=1_000)]
Waiting = Annotated[StrictInt, Field(ge=1, le=8_760)]
# Of a list the first mistake alone is told: how many there are, is up to whoever sends it.
Managers = Annotated[tuple[UUID, ...], Field(max_length=50, fail_fast=True)]
Opens = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Closes = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class WindowRequest(Body):
    """Open from `opens` until `closes` on the space's wall clock."""

    opens: Opens
    closes: Closes


Windows = Annotated[tuple[WindowRequest, ...], Field(max_length=24, fail_fast=True)]


class OpeningHoursRequest(Body):
    """The windows that begin on each weekday; a weekday without any is closed."""

    mon: Windows = ()
    tue: Windows = ()
    wed: Windows = ()
    thu: Windows = ()
    fri: Windows = ()
    sat: Windows = ()
    sun: Windows = ()


class SpecialHoursRequest(Body):
    """What a local date keeps instead of its weekday's windows; none of them closes it."""

    date: Day
    windows: Windows = ()
    reason: Reason = ""


def _each_date_once(special: tuple[SpecialHoursRequest, ...]) -> tuple[SpecialHoursRequest, ...]:
    if len({one.date for one in special}) < len(special):
        raise PydanticCustomError("date-given-twice", "Give the special hours of a date once")
    return special


SpecialHoursRequests = Annotated[
    tuple[SpecialHoursRequest, ...], Field(max_length=1_000, fail_fast=True), AfterValidator(_each_date_once)
]


class _Terms(Body):
    concurrent_bookings: Bookings | None = None
    min_duration_minutes: Minutes | None = None
    max_duration_minutes: Minutes | None = None
    min_advance_minutes: Minutes | None = None
    max_advance_days: Days | None = None
    cancellation_deadline_hours: Hours | None = None
    buffer_before_minutes: Buffer | None = None
    buffer_after_minutes: Buffer | None = None
    requires_approval: StrictBool | None = None
    approval_ttl_hours: Waiting | None = None
    approval_deadline_hours: Hours | None = None
    managers: Managers | None = None
    opening_hours: OpeningHoursRequest | None = None
    special_hours: SpecialHoursRequests | None = None
    opening_time: Opens | None = None
    closing_time: Closes | None = None

    @model_validator(mode="after")
    def _hours_in_one_way(self) -> Self:
        if self.opening_hours is not None and (self.opening_time or self.closing_time):
            raise PydanticCustomError("hours-given-twice", "Give opening_hours, or opening_time and closing_time")
        return self

    def rules(self) -> dict[str, Any]:
        """The rules that are given, by name."""
        minute, hour = timedelta(minutes=1), timedelta(hours=1)
        rules = {
            "concurrent_bookings": self.concurrent_bookings,
            "min_duration": _times(self.min_duration_minutes, minute),
            "max_duration": _times(self.max_duration_minutes, minute),
            "min_advance": _times(self.min_advance_minutes, minute),
            "max_advance_days": self.max_advance_days,
            "cancellation_deadline": _times(self.cancellation_deadline_hours, hour),
            "buffer_before": _times(self.buffer_before_minutes, minute),
            "buffer_after": _times(self.buffer_after_minutes, minute),
            "requires_approval": self.requires_approval,
            "approval_ttl": _times(self.approval_ttl_hours, hour),
            "approval_deadline": _times(self.approval_deadline_hours, hour),
        }
        return {name: value for name, value in rules.items() if value is not None}

    def hours(self) -> OpeningHours | None:
        """The opening hours that are given."""
        if self.opening_hours is not None:
            return OpeningHours(**{day: _windows(getattr(self.opening_hours, day)) for day in WEEKDAYS})
        if self.opening_time or self.closing_time:
            return OpeningHours.daily(self.opening_time or OPENS, self.closing_time or CLOSES)
        return None

    def special(self) -> dict[date, SpecialHours] | None:
        """The special hours that are given, by local date."""
        if self.special_hours is None:
            return None
        return {one.date: SpecialHours(_windows(one.windows), one.reason) for one in self.special_hours}


class SpaceRequest(_Terms):
    """A space; what is not given of its rules is as everywhere."""

    name: Name
    description: Text = ""
    capacity: Capacity
    price_per_hour: Price
    timezone: Zone = "UTC"


class SpaceChange(_Terms):
    """What is to be changed of a space; null and what is not given stay. Opening hours are given whole."""

    name: Name | None = None
    description: Text | None = None
    capacity: Capacity | None = None
    price_per_hour: Price | None = None
    is_active: StrictBool | None = None

    @model_validator(mode="after")
    def _both_ends_of_the_day(self) -> Self:
        if (self.opening_time is None) != (self.closing_time is None):
            raise PydanticCustomError("half-a-day", "Give opening_time and closing_time together")
        return self

    def described(self) -> dict[str, Any]:
        """What is given of the description, by name."""
        return self.model_dump(include={"name", "description", "capacity", "price_per_hour"}, exclude_none=True)


@router.post(
    "",
    status_code=201,
    response_model=SpaceDocument,
    dependencies=[Depends(require_roles("STAFF", "ADMIN"))],
    responses=refusing(also={404: ["not-found"]}),
    openapi_extra=COMMAND,
)
async def create(body: SpaceRequest, sender: TheSender) -> Response:
    """Offer a space. Its managers are users there are."""
    done = await sender.do(
        CreateSpace(
            space_id=sender.new_id,
            description=Description(
                name=body.name,
                description=body.description,
                capacity=body.capacity,
                price_per_hour=body.price_per_hour,
            ),
            timezone=body.timezone,
            rules=Rules(**body.rules()),
            opening_hours=body.hours() or OpeningHours.daily(OPENS, CLOSES),
            special_hours=body.special() or {},
            managers=body.managers or (),
        )
    )
    offered = done.subject
    return await sender.answer(done, offered.document(), status=201, location=f"/spaces/{offered.id}")


@router.patch("/{space_id}", response_model=ChangedSpaceDocument, openapi_extra=CONDITIONAL)
async def change(space_id: UUID, body: SpaceChange, sender: TheSender, if_revisions: IfRevisions) -> Response:
    """Describe a space anew, change its rules or hours, deactivate or activate it. Held bookings stay.

    Opening hours, special hours and managers are given whole: a date that is not given keeps its weekday's windows
    again. A space is changed by STAFF and by its managers.
    """
    return await _change(
        sender,
        ChangeSpace(
            space_id=space_id,
            description=body.described(),
            rules=body.rules(),
            opening_hours=body.hours(),
            special_hours=body.special(),
            managers=body.managers,
            is_active=body.is_active,
            if_revisions=if_revisions,
        ),
    )


@router.delete("/{space_id}", response_model=ChangedSpaceDocument, openapi_extra=CONDITIONAL)
async def deactivate(space_id: UUID, sender: TheSender, if_revisions: IfRevisions) -> Response:
    """Take a space out of use. Held bookings stay, and are listed."""
    return await _change(sender, ChangeSpace(space_id=space_id, is_active=False, if_revisions=if_revisions))


async def _change(sender: Sender, command: ChangeSpace) -> Response:
    done = await sender.do(command)
    document = done.subject.document()
    if command.is_active is False:
        aggregates = sender.rooms.deciding.aggregates
        _, now = await aggregates.fresh(space(command.space_id))
        held = await held_bookings(sender.rooms.journal, aggregates, command.space_id, now=now)
        document["held_bookings"] = [booking.document() for booking in held]
    return await sender.answer(done, document)


def _windows(given: tuple[WindowRequest, ...]) -> tuple[Window, ...]:
    return tuple(Window(one.opens, one.closes) for one in given)


def _times(count: int | None, unit: timedelta) -> timedelta | None:
    return None if count is None else count * unit

"""Commands about users: what an administrator changes of them."""

import asyncio
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.auth import require_roles
from api.bodies import Body, StrictRoute
from api.documents import ChangedUserDocument, user_document
from api.problems import PROBLEMS
from api.sending import COMMAND, Sender, TheSender
from booking.bookings import Booking
from booking.roles import Role
from commands import accounts
from commands.users import ActivateUser, ChangeAllowance, ChangeRole, DeactivateUser
from journal import folding

router = APIRouter(tags=["commands: users"], responses=PROBLEMS, route_class=StrictRoute)


class UserChange(Body):
    """What is to be changed of a user; null and what is not given stay."""

    role: Role | None = None
    max_active_bookings: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    is_active: StrictBool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.role is None and self.max_active_bookings is None and self.is_active is None:
            raise PydanticCustomError("nothing-given", "Give something to change")
        return self


@router.patch(
    "/admin/users/{user_id}",
    response_model=ChangedUserDocument,
    openapi_extra=COMMAND,
    dependencies=[Depends(require_roles("ADMIN"))],
)
async def change(user_id: UUID, body: UserChange, sender: TheSender) -> Response:
    """Change a user's role, limit or state. Held bookings stay, and are listed when the user is deactivated."""
    commands: list[ActivateUser | ChangeAllowance | ChangeRole | DeactivateUser] = []
    if body.max_active_bookings is not None:
        commands.append(ChangeAllowance(user_id=user_id, max_active_bookings=body.max_active_bookings))
    if body.is_active is True:
        commands.append(ActivateUser(user_id=user_id))
    if body.role is not None:
        commands.append(ChangeRole(user_id=user_id, role=body.role))
    if body.is_active is False:
        commands.append(DeactivateUser(user_id=user_id))
    for command in commands:
        done = await sender.part(type(command).__name__).do(command)
    user = done.subject
    document = user_document(user, (await accounts.of_users(sender.rooms.journal, [user_id]))[user_id]) | {
        "max_active_bookings": user.max_active_bookings,
        "is_active": user.is_active,
    }
    if body.is_active is False:
        document["held_bookings"] = [one.document() for one in await _held_bookings(sender, user_id)]
    return await sender.answer(done, document)


async def _held_bookings(sender: Sender, user_id: UUID) -> list[Booking]:
    """What the user still holds, by start."""
    aggregates = sender.rooms.deciding.aggregates
    allowance, now = await aggregates.fresh(folding.allowance(user_id))
    held = await asyncio.gather(*(aggregates.fresh(folding.booking(id)) for id in allowance.holding(now)))
    return sorted((booking for booking, _ in held), key=lambda booking: (booking.slot, booking.id))

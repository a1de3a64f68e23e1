"""Commands about users: what an administrator changes of them."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field, SecretStr, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api import cookies
from api.auth import own_account, require_roles
from api.bodies import Body, StrictRoute
from api.documents import ChangedUserDocument, MessageDocument, user_document
from api.problems import PROBLEMS, Problem, refusing
from api.sending import COMMAND, TheSender
from api.throttling import Action
from booking.refusals import LastAdmin, NotFound
from booking.roles import Role
from commands import accounts
from commands.users import ChangeUser, EraseUser, held_bookings

router = APIRouter(tags=["commands: users"], responses=PROBLEMS, route_class=StrictRoute)


class UserChange(Body):
    """What is to be changed of a user; null and what is not given stay."""

    role: Role | None = None
    is_admin: Annotated[StrictBool | None, Field(description="The role ADMIN; false makes an ADMIN a STUDENT.")] = None
    max_active_bookings: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    is_active: StrictBool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(given is None for given in (self.role, self.is_admin, self.max_active_bookings, self.is_active)):
            raise PydanticCustomError("nothing-given", "Give something to change")
        if self.role is not None and self.is_admin is not None and self.is_admin is not (self.role is Role.ADMIN):
            raise PydanticCustomError("roles-contradict", "Give a role and is_admin that agree, or one of them")
        return self


class Erasure(Body):
    """Who asks to be erased knows their password."""

    password: Annotated[SecretStr, Field(max_length=128)]


@router.delete(
    "/auth/me",
    response_model=MessageDocument,
    responses=refusing(LastAdmin, also={403: ["wrong-password"]}),
    openapi_extra=COMMAND,
)
async def erase(body: Erasure, sender: TheSender, request: Request) -> Response:
    """Be forgotten: account, name and texts go for good, and held bookings are cancelled. Give the password again."""
    account = await own_account(sender.rooms, sender.user.id)
    await sender.rooms.throttling.count(Action.SIGN_IN, request, account=account.email)
    if not await sender.rooms.passwords.match(body.password.get_secret_value(), account.password_hash):
        raise Problem(403, "wrong-password", "This is not the password", "Nothing was erased.")
    done = await sender.do(EraseUser(user_id=sender.user.id))
    answer = await sender.answer(done, {"message": "Everything that told who you are has been erased"})
    answer.headers.update(cookies.dropped(sender.rooms))
    return answer


@router.patch(
    "/admin/users/{user_id}",
    response_model=ChangedUserDocument,
    responses=refusing(LastAdmin),
    openapi_extra=COMMAND,
    dependencies=[Depends(require_roles("ADMIN"))],
)
async def change(user_id: UUID, body: UserChange, sender: TheSender) -> Response:
    """Change a user's role, limit and state, all or nothing. Who is deactivated keeps their bookings, listed here."""
    done = await sender.do(
        ChangeUser(
            user_id=user_id,
            role=body.role,
            is_admin=body.is_admin,
            max_active_bookings=body.max_active_bookings,
            is_active=body.is_active,
        )
    )
    user = done.subject
    account = (await accounts.of_users(sender.rooms.journal, [user_id])).get(user_id)
    if account is None:  # they were erased meanwhile
        raise NotFound("user", user_id)
    document = user_document(user, account) | {
        "max_active_bookings": user.max_active_bookings,
        "is_active": user.is_active,
    }
    if body.is_active is False:
        held = await held_bookings(sender.rooms.deciding.aggregates, user_id)
        document["held_bookings"] = [booking.document() for booking in held]
    return await sender.answer(done, document)

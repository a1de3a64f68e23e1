"""Commands about users: register, sign in, and what an administrator changes of them."""

import asyncio
from typing import Annotated, Self
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Depends, Request
from psycopg.errors import UniqueViolation
from pydantic import AfterValidator, Field, SecretStr, StrictBool, StrictInt, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.answers import json_of
from api.auth import require_roles, unauthenticated
from api.bodies import FORM, JSON, Body, StrictRoute, from_json_or_form
from api.documents import ChangedUserDocument, MessageDocument, RegisteredDocument, TokenDocument, user_document
from api.problems import PROBLEMS, Problem
from api.rooms import Rooms, rooms_of
from api.sending import COMMAND, Sender, TheSender, entered, request_of, waits
from booking.bookings import Booking
from booking.refusals import EmailTaken, NotFound, Refused
from booking.roles import Role
from booking.users import User
from commands import accounts, deciding
from commands.accounts import Account
from commands.command import Author
from commands.deciding import Done, KeyReused
from commands.users import ChangeUser, EraseUser, RegisterUser
from journal import folding

router = APIRouter(tags=["commands: users"], responses=PROBLEMS, route_class=StrictRoute)


def _address(text: str) -> str:
    """An e-mail address as accounts hold it. Raises `PydanticCustomError`, which repeats nothing of it."""
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise PydanticCustomError("no-email-address", "This is no e-mail address") from None
    return found.normalized.lower()


def _address_if_one(text: str) -> str:
    """The same; what is none is looked up all the same, so that signing in answers alike and as late."""
    try:
        return _address(text)
    except PydanticCustomError:
        return text.lower()


class Registration(Body):
    """Who wants an account."""

    email: Annotated[str, StringConstraints(max_length=254), AfterValidator(_address)]
    password: Annotated[SecretStr, Field(min_length=8, max_length=128)]
    full_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class Credentials(Body):
    """What somebody signs in with."""

    email: Annotated[str, StringConstraints(max_length=254), AfterValidator(_address_if_one)]
    password: Annotated[SecretStr, Field(max_length=128)]


class UserChange(Body):
    """What is to be changed of a user; null and what is not given stay."""

    role: Role | None = None
    is_admin: Annotated[StrictBool | None, Field(description="The role ADMIN or, if false, STUDENT.")] = None
    max_active_bookings: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = None
    is_active: StrictBool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(given is None for given in (self.role, self.is_admin, self.max_active_bookings, self.is_active)):
            raise PydanticCustomError("nothing-given", "Give something to change")
        if self.role is not None and self.is_admin is not None and self.is_admin is not (self.role is Role.ADMIN):
            raise PydanticCustomError("roles-contradict", "Give a role and is_admin that agree, or one of them")
        return self

    @property
    def role_given(self) -> Role | None:
        """The role in either way of naming it; None for the one the user has."""
        if self.role is not None or self.is_admin is None:
            return self.role
        return Role.ADMIN if self.is_admin else Role.STUDENT


class Erasure(Body):
    """Who asks to be erased knows their password."""

    password: Annotated[SecretStr, Field(max_length=128)]


@router.post("/auth/register", status_code=201, response_model=RegisteredDocument, openapi_extra=COMMAND)
async def register(body: Registration, request: Request) -> Response:
    """Make an account for a new STUDENT, and sign in."""
    rooms = rooms_of(request)
    sent = await request_of(request, Author.system(f"registration {body.email}"), digested=False)
    password, user_id = body.password.get_secret_value(), sent.command_id
    account = Account(email=body.email, full_name=body.full_name, password_hash=await rooms.passwords.hashed(password))
    done = await registered(
        rooms, RegisterUser(user_id=user_id, account=account), by=Author.person(user_id), request=sent
    )
    if sent.retryable:
        await _must_have_asked_the_same(rooms, user_id, account, password)
    document = {
        "user": user_document(done.subject, account),
        "access_token": rooms.tokens.issued_to(user_id),
        "token_type": "bearer",
    }
    return await entered(rooms, done, document, waits=waits(request), status=201)


async def registered(rooms: Rooms, command: RegisterUser, *, by: Author, request: deciding.Request) -> Done[User]:
    """Carry the registration out. Raises `Refused` where the address has an account."""
    try:
        return await rooms.deciding.do(command, by=by, request=request)
    except UniqueViolation:
        raise Refused([EmailTaken()]) from None


async def _must_have_asked_the_same(rooms: Rooms, user_id: UUID, asked: Account, password: str) -> None:
    """Raise `KeyReused` if the account was made before, by another request: of a password no digest is kept."""
    made = (await accounts.of_users(rooms.journal, [user_id]))[user_id]
    if made.password_hash != asked.password_hash and not (
        await rooms.passwords.match(password, made.password_hash) and made.full_name == asked.full_name
    ):
        raise KeyReused


async def _credentials(request: Request) -> Credentials:
    return await from_json_or_form(request, Credentials, email="username", password="password")


_CREDENTIALS = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": Credentials.model_json_schema()},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "username": {"type": "string", "description": "The e-mail address."},
                        "password": {"type": "string", "format": "password"},
                        "grant_type": {"type": "string", "const": "password"},
                    },
                    "required": ["username", "password"],
                }
            },
        },
    }
}


@router.post("/auth/login", response_model=TokenDocument, openapi_extra=_CREDENTIALS)
async def sign_in(credentials: Annotated[Credentials, Depends(_credentials)], request: Request) -> Response:
    """Get an access token, for JSON or for the form of OAuth 2.0's password grant (RFC 6749 §4.3)."""
    rooms = rooms_of(request)
    found = await accounts.by_email(rooms.journal, credentials.email)
    user_id, password_hash = (found[0], found[1].password_hash) if found else (None, None)
    matches = await rooms.passwords.match(credentials.password.get_secret_value(), password_hash)
    if user_id is None or not matches or not (await rooms.callers.read(user_id)).is_active:
        raise unauthenticated("There is no active account with this address and password.")
    return json_of(
        {
            "access_token": rooms.tokens.issued_to(user_id),
            "token_type": "bearer",
            "expires_in": int(rooms.tokens.life.total_seconds()),
        }
    )


@router.delete("/auth/me", response_model=MessageDocument, openapi_extra=COMMAND)
async def erase(body: Erasure, sender: TheSender) -> Response:
    """Be forgotten: account, name and texts go for good, and held bookings are cancelled. Give the password again."""
    account = (await accounts.of_users(sender.rooms.journal, [sender.user.id])).get(sender.user.id)
    if account is None:  # erased, which has not been heard of here yet
        raise unauthenticated("The account this token was given to is gone.", given=True)
    if not await sender.rooms.passwords.match(body.password.get_secret_value(), account.password_hash):
        raise Problem(403, "wrong-password", "This is not the password", "Nothing was erased.")
    done = await sender.do(EraseUser(user_id=sender.user.id))
    return await sender.answer(done, {"message": "Everything that told who you are has been erased"})


@router.patch(
    "/admin/users/{user_id}",
    response_model=ChangedUserDocument,
    openapi_extra=COMMAND,
    dependencies=[Depends(require_roles("ADMIN"))],
)
async def change(user_id: UUID, body: UserChange, sender: TheSender) -> Response:
    """Change a user's role, limit and state, all or nothing. Who is deactivated keeps their bookings, listed here."""
    done = await sender.do(
        ChangeUser(
            user_id=user_id,
            role=body.role_given,
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
        document["held_bookings"] = [one.document() for one in await _held_bookings(sender, user_id)]
    return await sender.answer(done, document)


async def _held_bookings(sender: Sender, user_id: UUID) -> list[Booking]:
    """What the user still holds, by start."""
    aggregates = sender.rooms.deciding.aggregates
    allowance, now = await aggregates.fresh(folding.allowance(user_id))
    held = await asyncio.gather(*(aggregates.fresh(folding.booking(id)) for id in allowance.holding(now)))
    return sorted((booking for booking, _ in held), key=lambda booking: (booking.slot, booking.id))

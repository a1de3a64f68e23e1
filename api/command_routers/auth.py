"""Accounts and signing in: register, sign in."""

from typing import Annotated
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.answers import json_of
from api.auth import unauthenticated
from api.bodies import FORM, JSON, Body, StrictRoute, from_json_or_form
from api.documents import RegisteredDocument, TokenDocument, user_document
from api.problems import PROBLEMS
from api.rooms import Rooms, rooms_of
from api.sending import COMMAND, entered, request_of, waits
from commands import accounts
from commands.accounts import Account
from commands.command import Author
from commands.deciding import KeyReused
from commands.users import RegisterUser

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


@router.post("/auth/register", status_code=201, response_model=RegisteredDocument, openapi_extra=COMMAND)
async def register(body: Registration, request: Request) -> Response:
    """Make an account for a new STUDENT, and sign in."""
    rooms = rooms_of(request)
    sent = await request_of(request, Author.system(f"registration {body.email}"), digested=False)
    password, user_id = body.password.get_secret_value(), sent.command_id
    account = Account(email=body.email, full_name=body.full_name, password_hash=await rooms.passwords.hashed(password))
    command = RegisterUser(user_id=user_id, account=account)
    done = await rooms.deciding.do(command, by=Author.person(user_id), request=sent)
    if sent.retryable:
        await _must_have_asked_the_same(rooms, user_id, account, password)
    document = {
        "user": user_document(done.subject, account),
        "access_token": rooms.tokens.issued_to(user_id),
        "token_type": "bearer",
    }
    return await entered(rooms, done, document, waits=waits(request), status=201)


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

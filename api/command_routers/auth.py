"""Accounts and signing in: register, sign in and out, stay signed in, change or reset a password, verify an address."""

import logging
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID, uuid4

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from starlette.background import BackgroundTask
from starlette.responses import Response

from api import cookies, correlation
from api.answers import json_of
from api.auth import REFRESHING, CurrentUser, own_account, unauthenticated
from api.bodies import FORM, JSON, Body, StrictRoute, from_json_or_form
from api.documents import DetailDocument, RegisteredDocument, TokenDocument, user_document
from api.problems import PROBLEMS, Problem, refusing
from api.rooms import Rooms, rooms_of
from api.sending import COMMAND, TheSender, entered, idempotency_key, waits
from api.throttling import Action
from booking.refusals import EmailTaken, PasswordAlreadyChanged, UserInactive
from commands import accounts, deciding
from commands.accounts import Account
from commands.command import Author
from commands.deciding import KeyReused
from commands.letters import Kind
from commands.opaque import derived_id
from commands.passwords import is_common
from commands.users import ChangePassword, RegisterUser, VerifyEmail
from journal.connection import Unavailable

router = APIRouter(tags=["commands: users"], responses=PROBLEMS, route_class=StrictRoute)
log = logging.getLogger(__name__)


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


def _uncommon(password: SecretStr) -> SecretStr:
    """A password that is not among the first that anybody tries. Raises `PydanticCustomError`."""
    if is_common(password.get_secret_value()):
        raise PydanticCustomError("common-password", "This password is one of the most common ones")
    return password


Address = Annotated[str, StringConstraints(max_length=254), AfterValidator(_address)]
NewPassword = Annotated[SecretStr, Field(min_length=8, max_length=128), AfterValidator(_uncommon)]
Token = Annotated[str, StringConstraints(max_length=128)]


class Registration(Body):
    """Who wants an account."""

    email: Address
    password: NewPassword
    full_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class Credentials(Body):
    """What somebody signs in with."""

    email: Annotated[str, StringConstraints(max_length=254), AfterValidator(_address_if_one)]
    password: Annotated[SecretStr, Field(max_length=128)]
    grant_type: Annotated[Literal["password"], Field(description="As RFC 6749 §4.3.2 has it.")] = "password"


@router.post(
    "/auth/register",
    status_code=201,
    response_model=RegisteredDocument,
    responses=refusing(EmailTaken, also={403: ["cross-origin"]}),
    openapi_extra=COMMAND,
)
async def register(body: Registration, request: Request) -> Response:
    """Make an account for a new STUDENT, and sign in."""
    cookies.must_be_same_origin(request)
    rooms = rooms_of(request)
    await rooms.throttling.count(Action.REGISTRATION, request)
    key, password = idempotency_key(request), body.password.get_secret_value()
    user_id = await _new_id(rooms, body.email, key)
    sent = deciding.Request(
        command_id=user_id, correlation_id=correlation.correlation_id.get(), retryable=key is not None
    )
    account = Account(email=body.email, full_name=body.full_name, password_hash=await rooms.passwords.hashed(password))
    command = RegisterUser(user_id=user_id, account=account)
    done = await rooms.deciding.do(command, by=Author.person(user_id), request=sent)
    if sent.retryable:
        account = await _as_made(request, user_id, account, password)
    document = {
        "user": user_document(done.subject, account),
        "access_token": rooms.tokens.issued_to(user_id),
        "token_type": "bearer",
    }
    answer = await entered(rooms, done, document, waits=waits(request), status=201)
    if token := await _signed_in(request, user_id, account.password_hash):
        correlation.user_id.set(user_id)
        answer.headers.update(cookies.kept(rooms, token))
    answer.background = BackgroundTask(_write, rooms, Kind.VERIFICATION, account.email)
    return answer


async def _new_id(rooms: Rooms, email: str, key: str | None) -> UUID:
    """The id of who registers: by chance, or the one that this Idempotency-Key gave them before.

    Facts bear it for ever, so it is made under the secret key: whoever guesses an address cannot try it on an id.
    """
    if key is None:
        return uuid4()
    ids = [derived_id(f"registration {email}\x1f{key}".encode(), secret) for secret in rooms.keys]
    given = await accounts.of_users(rooms.journal, ids) if len(ids) > 1 else {}
    return next((id for id in ids if id in given), ids[0])


async def _signed_in(request: Request, user_id: UUID, password_hash: str) -> str | None:
    """The refresh token of a new session; None where the user is not active or has another password by now."""
    rooms = rooms_of(request)
    token = await rooms.sessions.open(user_id, password_hash=password_hash, agent=request.headers.get("user-agent", ""))
    # Looked up once the session is there: a deactivation from here on ends it.
    if token is not None and not (await rooms.callers.read(user_id)).is_active:
        await rooms.sessions.close(token)
        return None
    return token


async def _write(rooms: Rooms, kind: Kind, email: str) -> None:
    """Send a letter after the answer: how long that takes must not tell whether the address has an account."""
    try:
        await rooms.letters.write(kind, email)
    except Unavailable:
        log.warning("a letter could not be written: the journal does not answer")


async def _as_made(request: Request, user_id: UUID, asked: Account, password: str) -> Account:
    """The account as it is kept. Raises `KeyReused` if another request made it: of a password no digest is kept.

    Where one was made before, its password is tried, so that it counts as a sign-in. Raises `Problem` (429).
    """
    rooms = rooms_of(request)
    made = (await accounts.of_users(rooms.journal, [user_id])).get(user_id)
    if made is None:  # it was erased since
        raise KeyReused
    if made.password_hash == asked.password_hash:
        return made
    await rooms.throttling.count(Action.SIGN_IN, request, account=made.email)
    if not await rooms.passwords.match(password, made.password_hash) or made.full_name != asked.full_name:
        raise KeyReused
    return made


async def _credentials(request: Request) -> Credentials:
    return await from_json_or_form(request, Credentials, email="username", password="password", grant_type="grant_type")


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
                },
                "example": {"username": "ana@example.org", "password": "correct horse battery staple"},
            },
        },
    }
}


@router.post(
    "/auth/login",
    response_model=TokenDocument,
    responses=refusing(also={401: ["unauthenticated"], 403: ["cross-origin"], 422: ["invalid-form", "nul-character"]}),
    openapi_extra=_CREDENTIALS,
)
async def sign_in(credentials: Annotated[Credentials, Depends(_credentials)], request: Request) -> Response:
    """Get an access token, for JSON or for the form of OAuth 2.0's password grant (RFC 6749 §4.3), and the cookie
    that gets the next ones.
    """
    cookies.must_be_same_origin(request)
    rooms = rooms_of(request)
    await rooms.throttling.count(Action.SIGN_IN, request, account=credentials.email)
    found = await accounts.by_email(rooms.journal, credentials.email)
    user_id, password_hash = (found[0], found[1].password_hash) if found else (None, None)
    matches = await rooms.passwords.match(credentials.password.get_secret_value(), password_hash)
    token = await _signed_in(request, user_id, password_hash) if user_id and password_hash and matches else None
    if user_id is None or token is None:
        raise unauthenticated("There is no active account with this address and password.")
    return _signed(rooms, user_id, token)


def _signed(rooms: Rooms, user_id: UUID, refresh_token: str) -> Response:
    correlation.user_id.set(user_id)
    document = {
        "access_token": rooms.tokens.issued_to(user_id),
        "token_type": "bearer",
        "expires_in": int(rooms.tokens.life.total_seconds()),
    }
    return json_of(document, headers=cookies.kept(rooms, refresh_token))


_IF_SIGNED_IN = {"security": [*REFRESHING, {}]}


@router.post("/auth/refresh", response_model=TokenDocument, openapi_extra={"security": REFRESHING})
async def refresh(request: Request) -> Response:
    """Get the next access token for the cookie, which is replaced: sent again it is good for ten seconds, and after
    that it ends the session.
    """
    rooms = rooms_of(request)
    token = cookies.refresh_token(request)
    refreshed = await rooms.sessions.refresh(token) if token else None
    if refreshed is None:
        problem = unauthenticated("There is no session, or it is over.")
        problem.headers = {**(problem.headers or {}), **cookies.dropped(rooms)}
        raise problem
    return _signed(rooms, *refreshed)


@router.post("/auth/logout", response_model=DetailDocument, openapi_extra=_IF_SIGNED_IN)
@router.delete(
    "/auth/logout",
    response_model=DetailDocument,
    operation_id="users_sign_out_by_delete",
    openapi_extra=_IF_SIGNED_IN,
)
async def sign_out(request: Request) -> Response:
    """End the session of the cookie. Without one nothing has to be ended."""
    rooms = rooms_of(request)
    if token := cookies.refresh_token(request):
        await rooms.sessions.close(token)
    return json_of({"detail": "Signed out"}, headers=cookies.dropped(rooms))


@router.post("/auth/logout-all", response_model=DetailDocument)
async def sign_out_everywhere(user: CurrentUser, request: Request) -> Response:
    """End every session of the user who asks."""
    rooms = rooms_of(request)
    await rooms.sessions.close_all(user.id)
    return json_of({"detail": "Signed out everywhere"}, headers=cookies.dropped(rooms))


class PasswordChange(Body):
    """Another password, and the one so far."""

    current_password: Annotated[SecretStr, Field(max_length=128)]
    new_password: NewPassword


@router.post(
    "/auth/password",
    response_model=DetailDocument,
    responses=refusing(PasswordAlreadyChanged, UserInactive, also={403: ["wrong-password"]}),
    openapi_extra=COMMAND,
)
async def change_password(body: PasswordChange, sender: TheSender, request: Request) -> Response:
    """Sign in with another password from here on. Every session ends, this one too."""
    rooms, user_id = sender.rooms, sender.user.id
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    seen = (await rooms.callers.read(user_id)).password_changes
    account = await own_account(rooms, user_id)
    await rooms.throttling.count(Action.SIGN_IN, request, account=account.email)
    # Sent again it has another current password by now, and what is known by its key is not decided any more.
    if not await rooms.passwords.match(current, account.password_hash) and not await _is_known(rooms, sender.request):
        raise Problem(403, "wrong-password", "This is not the current password", "Send the current password too.")
    sent = replace(sender.request, digested=None)  # of a password no digest is kept: it could be tried on it
    changed = ChangePassword(user_id=user_id, password_hash=await rooms.passwords.hashed(new), seen=seen)
    done = await rooms.deciding.do(changed, by=sender.by, request=sent)
    if sent.retryable:
        kept = (await own_account(rooms, user_id)).password_hash
        if kept != changed.password_hash and not await rooms.passwords.match(new, kept):
            raise KeyReused
    answer = await sender.answer(done, {"detail": "Password has been changed"})
    answer.headers.update(cookies.dropped(rooms))
    return answer


async def _is_known(rooms: Rooms, sent: deciding.Request) -> bool:
    """Whether a command was carried out under the key that the request brought."""
    return sent.retryable and sent.command_id in (await rooms.journal.read({}, (sent.command_id,))).known


def _own_request() -> deciding.Request:
    return deciding.Request(command_id=uuid4(), correlation_id=correlation.correlation_id.get())


class ResetRequest(Body):
    """Whose password is to be reset."""

    email: Address


class Reset(Body):
    """Another password, and the token of the letter."""

    token: Token
    new_password: NewPassword


@router.post("/auth/password-reset/request", response_model=DetailDocument)
async def request_reset(body: ResetRequest, request: Request) -> Response:
    """Have a letter sent whose token is good for one other password, for half an hour."""
    rooms = rooms_of(request)
    await rooms.throttling.count(Action.RESET, request, account=body.email)
    answer = json_of({"detail": "If the email exists, instructions will be sent"})
    answer.background = BackgroundTask(_write, rooms, Kind.PASSWORD_RESET, body.email)
    return answer


@router.post(
    "/auth/password-reset/confirm",
    response_model=DetailDocument,
    responses=refusing(PasswordAlreadyChanged, UserInactive, also={422: ["bad-token"]}),
)
async def reset_password(body: Reset, request: Request) -> Response:
    """Sign in with another password from here on. Every session ends."""
    rooms = rooms_of(request)
    await rooms.throttling.count(Action.RESET, request)
    user_id = await _reader(rooms, Kind.PASSWORD_RESET, body.token)
    seen = (await rooms.callers.read(user_id)).password_changes
    await _reader(rooms, Kind.PASSWORD_RESET, body.token)  # had it been used before `seen` was read, it would be gone
    password_hash = await rooms.passwords.hashed(body.new_password.get_secret_value())
    command = ChangePassword(user_id=user_id, password_hash=password_hash, seen=seen, reset=True)
    await rooms.deciding.do(command, by=Author.person(user_id), request=_own_request())
    return json_of({"detail": "Password has been reset"}, headers=cookies.dropped(rooms))


class Verification(Body):
    """The token of the letter."""

    token: Token


@router.post("/auth/verify/request", response_model=DetailDocument)
async def request_verification(user: CurrentUser, request: Request) -> Response:
    """Have another letter sent to the address of the user who asks; the first one was sent when they registered."""
    rooms = rooms_of(request)
    account = await own_account(rooms, user.id)
    await rooms.throttling.count(Action.RESET, request, account=account.email)
    answer = json_of({"detail": "Instructions will be sent"})
    answer.background = BackgroundTask(_write, rooms, Kind.VERIFICATION, account.email)
    return answer


@router.post("/auth/verify", response_model=DetailDocument, responses=refusing(also={422: ["bad-token"]}))
async def verify(body: Verification, request: Request) -> Response:
    """Show that the letter was read at the address it was sent to."""
    rooms = rooms_of(request)
    user_id = await _reader(rooms, Kind.VERIFICATION, body.token)
    await rooms.deciding.do(VerifyEmail(user_id=user_id), by=Author.person(user_id), request=_own_request())
    return json_of({"detail": "Email has been verified"})


async def _reader(rooms: Rooms, kind: Kind, token: str) -> UUID:
    """Whom the token was sent to. Raises `Problem` (422) once it was used or its time is over."""
    user_id = await rooms.letters.reader(kind, token)
    if user_id is None:
        raise Problem(
            422, "bad-token", "The token is not good", "It is not one of ours, was used, or its time is over."
        )
    return user_id

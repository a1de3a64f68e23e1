"""Signing in: whom a request comes from, and who may ask for what."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase

from api import correlation
from api.problems import Problem, not_allowed
from api.rooms import Rooms, rooms_of
from api.tokens import BadToken
from booking.roles import Role, Scope
from booking.users import User
from commands import accounts
from commands.accounts import Account
from commands.api_keys import PREFIX
from journal.connection import Unavailable

SIGN_IN = OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl="/auth/login")))
SCHEME = "password"
SCHEMES: dict[str, Any] = {
    SCHEME: {
        "type": "oauth2",
        "description": "An access token for an address and a password.",
        "flows": {"password": {"tokenUrl": "/auth/login", "scopes": {}}},
    },
    "access-token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "What registering, signing in and refreshing answer.",
    },
    "api-key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": f"{PREFIX}…",
        "description": "A service's key, within the scopes named.",
    },
    "refresh-cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "refresh",
        "description": "Set by registering, signing in and refreshing; in production it is called `__Host-refresh`.",
    },
    "calendar-token": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "What `POST /calendars/tokens` answers, for calendar programs, which can send no headers.",
    },
}
"""The security schemes of the OpenAPI document."""

REFRESHING: list[dict[str, list[str]]] = [{"refresh-cookie": []}]


async def caller(request: Request, *roles: Role) -> User:
    """The active user whose token the request bears, in one of `roles` if any is named.

    Raises `Problem` (401, 403) and `Unavailable`.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated("Send an access token: Authorization: Bearer …")
    rooms = rooms_of(request)
    if token.startswith(PREFIX):
        user = await _served(request, token)
    else:
        try:
            user_id = rooms.tokens.user_of(token)
        except BadToken:
            raise unauthenticated("The access token is not valid, or no longer.", given=True) from None
        user = await rooms.callers.of(user_id)
    correlation.user_id.set(user.id)
    if not user.is_active:
        raise unauthenticated("The account this token was given to is not active.", given=True)
    if roles and user.role not in roles:
        with suppress(Unavailable):  # a promotion may not have been heard of yet: nobody is turned away by hearsay
            user = await rooms.callers.read(user.id)
        if not user.is_any(*roles):
            raise not_allowed()
    return user


_WHERE_SCOPES_LEAD: Sequence[tuple[Scope, str, bool]] = (
    (Scope.BOOKINGS_WRITE, "/bookings", False),
    (Scope.SPACES_READ, "/spaces", True),
    (Scope.AUDIT_READ, "/audit", True),
)
"""The paths a scope opens, and whether for reading alone; no scope opens any other."""


def ways_in(method: str, path: str) -> list[dict[str, list[str]]]:
    """What may be signed in with for an operation, as OpenAPI names it."""
    scope = _scope(path, reads=method == "GET")
    return [{SCHEME: []}, {"access-token": []}, *([{"api-key": [str(scope)]}] if scope else [])]


def _scope(path: str, *, reads: bool) -> Scope | None:
    """The scope that leads to a path; None where none does."""
    for scope, start, for_reading in _WHERE_SCOPES_LEAD:
        if (path == start or path.startswith(f"{start}/")) and (reads or not for_reading):
            return scope
    return None


async def _served(request: Request, token: str) -> User:
    """The user for whom a service acts that sends an API key. Raises `Problem` (401, 403), `Unavailable`."""
    rooms = rooms_of(request)
    key = await rooms.callers.bearer(token)
    user = await rooms.callers.of(key.user_id) if key else None
    if key and user and key.key_id not in user.api_keys:
        user = await rooms.callers.read(key.user_id)  # one that was issued just now may not have been heard of yet
    if key is None or user is None or key.key_id not in user.api_keys:
        raise no_such_key()
    scope = _scope(request.scope["path"], reads=request.method == "GET")
    if scope is None:
        raise Problem(403, "out-of-scope", "The API key is not for this", "No scope of API keys leads here.")
    if scope not in user.api_keys[key.key_id]:
        raise Problem(403, "out-of-scope", "The API key is not for this", f"It lacks the scope {scope}.")
    return user


def api_key(request: Request) -> UUID | None:
    """The id of the API key by which `caller` knew who asks; None for a person."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = rooms_of(request).callers.known_bearer(token) if token.startswith(PREFIX) else None
    return bearer.key_id if bearer else None


def no_such_key() -> Problem:
    """The API key is none, or was revoked."""
    return unauthenticated("The API key is not valid, or no longer.", given=True)


class SignedIn(SecurityBase):
    """A dependency: the user who asks, in one of `roles` if any is named."""

    model = SIGN_IN
    scheme_name = SCHEME

    def __init__(self, *roles: Role) -> None:
        self._roles = roles

    async def __call__(self, request: Request) -> User:
        return await caller(request, *self._roles)


CurrentUser = Annotated[User, Depends(SignedIn())]


def require_roles(*names: str) -> SignedIn:
    """A dependency that lets in active users of these roles alone: `Depends(require_roles("STAFF", "ADMIN"))`."""
    return SignedIn(*(Role(name) for name in names))


async def own_account(rooms: Rooms, user_id: UUID) -> Account:
    """The account of the user who asks. Raises `Problem` (401) when it is gone: that was not heard of here yet."""
    account = (await accounts.of_users(rooms.journal, [user_id])).get(user_id)
    if account is None:
        raise unauthenticated("The account this token was given to is gone.", given=True)
    return account


def unauthenticated(detail: str, *, given: bool = False) -> Problem:
    """Nobody knows who is asking (RFC 6750 §3); `given` says that a token came along."""
    challenge = 'Bearer error="invalid_token"' if given else "Bearer"
    return Problem(401, "unauthenticated", "Sign in first", detail, headers={"WWW-Authenticate": challenge})

"""Signing in: whom a request comes from, and who may ask for what."""

from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase

from api.problems import Problem, not_allowed
from api.rooms import rooms_of
from api.tokens import BadToken
from booking.roles import Role
from booking.users import User
from journal.connection import Unavailable

SIGN_IN = OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl="/auth/login")))
SCHEME = "sign-in"


async def caller(request: Request, *roles: Role) -> User:
    """The active user whose token the request bears, in one of `roles` if any is named.

    Raises `Problem` (401, 403) and `Unavailable`.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated("Send an access token: Authorization: Bearer …")
    rooms = rooms_of(request)
    try:
        user_id = rooms.tokens.user_of(token)
    except BadToken:
        raise unauthenticated("The access token is not valid, or no longer.", given=True) from None
    user = await rooms.callers.of(user_id)
    if not user.is_active:
        raise unauthenticated("The account this token was given to is not active.", given=True)
    if roles and user.role not in roles:
        with suppress(Unavailable):  # a promotion may not have been heard of yet: nobody is turned away by hearsay
            user = await rooms.callers.read(user_id)
        if not user.is_any(*roles):
            raise not_allowed()
    return user


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


def unauthenticated(detail: str, *, given: bool = False) -> Problem:
    """Nobody knows who is asking (RFC 6750 §3); `given` says that a token came along."""
    challenge = 'Bearer error="invalid_token"' if given else "Bearer"
    return Problem(401, "unauthenticated", "Sign in first", detail, headers={"WWW-Authenticate": challenge})

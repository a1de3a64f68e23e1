"""Users as the rules see them: what they may do. Names and addresses are no business of theirs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from booking.events import (
    AllowanceChanged,
    ApiKeyIssued,
    ApiKeyRevoked,
    EmailVerified,
    Event,
    PasswordChanged,
    RoleChanged,
    UserActivated,
    UserDeactivated,
    UserErased,
    UserRegistered,
)
from booking.refusals import (
    LastAdmin,
    NotFound,
    PasswordAlreadyChanged,
    Refusal,
    Refused,
    RoleHoldsNoBookings,
    UserInactive,
    refuse_if,
)
from booking.roles import Role, Scope


@dataclass(slots=True)
class User:
    """One user's role, state and limit, whether their address is verified, how often they changed their password, and
    what their API keys are good for.
    """

    id: UUID
    exists: bool = False
    is_erased: bool = False
    role: Role = Role.STUDENT
    is_active: bool = False
    max_active_bookings: int = 0
    email_verified: bool = False
    password_changes: int = 0
    api_keys: Mapping[UUID, frozenset[Scope]] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        match event:
            case UserRegistered():
                self.exists = self.is_active = True
                self.role, self.max_active_bookings = event.role, event.max_active_bookings
            case RoleChanged():
                self.role = event.role
            case AllowanceChanged():
                self.max_active_bookings = event.max_active_bookings
            case UserDeactivated():
                self.is_active = False
            case UserActivated():
                self.is_active = True
            case UserErased():
                self.exists = self.is_active = False
                self.is_erased = True
            case EmailVerified():
                self.email_verified = True
            case PasswordChanged():
                self.password_changes += 1
            case ApiKeyIssued():  # copies of a user share the old ones
                self.api_keys = {**self.api_keys, event.key_id: frozenset(event.scopes)}
            case ApiKeyRevoked():
                self.api_keys = {id: scopes for id, scopes in self.api_keys.items() if id != event.key_id}

    def is_any(self, *roles: Role) -> bool:
        """Whether the user may act in one of these roles now."""
        return self.is_active and self.role in roles

    def objections(self) -> Iterator[Refusal]:
        """Why the user cannot hold a booking."""
        if not self.is_active:
            yield UserInactive()
        if self.role is Role.AUDITOR:
            yield RoleHoldsNoBookings(self.role)


@dataclass(slots=True)
class Admins:
    """Every active ADMIN: there must never be none once there was one."""

    active: set[UUID] = field(default_factory=set)

    def fold(self, event: Event) -> None:
        match event:
            case UserRegistered(role=Role.ADMIN) | UserActivated(role=Role.ADMIN):
                self.active.add(event.user_id)
            case RoleChanged(role=Role.ADMIN, is_active=True):
                self.active.add(event.user_id)
            case RoleChanged() | UserDeactivated() | UserErased():
                self.active.discard(event.user_id)

    def objections(self, *, losing: UUID) -> Iterator[Refusal]:
        """Why `losing` cannot cease to be an active ADMIN."""
        if self.active == {losing}:
            yield LastAdmin()


def register(user: User, *, role: Role, max_active_bookings: int, now: datetime) -> Iterator[Event]:
    """The fact that lets somebody act, or nothing if they already may, or were erased: that is for good."""
    if not user.exists and not user.is_erased:
        yield UserRegistered(user_id=user.id, role=role, max_active_bookings=max_active_bookings, at=now)


def change(
    user: User,
    admins: Admins,
    *,
    role: Role | None,
    is_admin: bool | None = None,
    max_active_bookings: int | None,
    is_active: bool | None,
    now: datetime,
) -> Iterator[Event]:
    """The facts that give `user` what is named and is not so already; None stays. Bookings held over a limit stay.

    Without a `role`, `is_admin` makes an ADMIN, or a STUDENT of who is one; of anybody else it says what is so already.

    Raises `NotFound`, `Refused`.
    """
    known(user)
    if role is None and is_admin is not None and is_admin is not (user.role is Role.ADMIN):
        role = Role.ADMIN if is_admin else Role.STUDENT
    role = role or user.role
    stays = user.is_active if is_active is None else is_active
    if not (stays and role is Role.ADMIN):
        refuse_if(admins.objections(losing=user.id))
    if max_active_bookings is not None and max_active_bookings != user.max_active_bookings:
        yield AllowanceChanged(user_id=user.id, max_active_bookings=max_active_bookings, at=now)
    if role is not user.role:
        yield RoleChanged(user_id=user.id, role=role, role_before=user.role, is_active=user.is_active, at=now)
    if stays and not user.is_active:
        yield UserActivated(user_id=user.id, role=role, at=now)
    if user.is_active and not stays:
        yield UserDeactivated(user_id=user.id, role=role, at=now)


def erase(user: User, admins: Admins, *, now: datetime) -> Iterator[Event]:
    """The fact that forgets who `user` is. Raises `NotFound`, `Refused`."""
    known(user)
    refuse_if(admins.objections(losing=user.id))
    yield UserErased(user_id=user.id, role=user.role, at=now)


def change_password(user: User, *, seen: int, reset: bool, now: datetime) -> Iterator[Event]:
    """The fact that `user` has another password. What lets them was checked when they had changed it `seen` times:
    one proof is good for one change. Raises `NotFound`, `Refused`.
    """
    known(user)
    if not user.is_active:
        raise Refused([UserInactive()])
    if user.password_changes != seen:
        raise Refused([PasswordAlreadyChanged()])
    yield PasswordChanged(user_id=user.id, reset=reset, at=now)


def verify_email(user: User, *, now: datetime) -> Iterator[Event]:
    """The fact that the address of `user` is theirs, or nothing. Raises `NotFound`."""
    known(user)
    if not user.email_verified:
        yield EmailVerified(user_id=user.id, at=now)


def issue_api_key(user: User, *, key_id: UUID, scopes: frozenset[Scope], now: datetime) -> Iterator[Event]:
    """The fact that a key is good for `scopes`, or nothing if it exists. Raises `NotFound`."""
    known(user)
    if key_id not in user.api_keys:
        yield ApiKeyIssued(user_id=user.id, key_id=key_id, scopes=tuple(sorted(scopes)), at=now)


def revoke_api_key(user: User, *, key_id: UUID, now: datetime) -> Iterator[Event]:
    """The fact that a key is good for nothing any more. Raises `NotFound`."""
    known(user)
    if key_id not in user.api_keys:
        raise NotFound("API key", key_id)
    yield ApiKeyRevoked(user_id=user.id, key_id=key_id, at=now)


def known(user: User) -> None:
    """Raise `NotFound` unless the user is one."""
    if not user.exists:
        raise NotFound("user", user.id)

"""Tags: whose facts a fact is one of. One tag kind is one aggregate is one cache key."""

from datetime import date
from functools import lru_cache
from uuid import UUID

from booking.events import (
    AllowanceChanged,
    ApiKeyIssued,
    ApiKeyRevoked,
    BookingApproved,
    BookingCancelled,
    BookingCreated,
    BookingDeclined,
    BookingExpired,
    BookingNotesChanged,
    BookingRejected,
    BookingRescheduled,
    EmailVerified,
    Event,
    PasswordChanged,
    RoleChanged,
    SpaceEvent,
    UserActivated,
    UserDeactivated,
    UserErased,
    UserRegistered,
    WebhookEvent,
)
from booking.roles import Role
from booking.slots import Span

# A command writes the ids of its space and its user a dozen times, and writing one costs more than a fold.
_text = lru_cache(maxsize=20_000)(str)

ADMINS = "admins"
"""Borne by every fact that makes or unmakes an active ADMIN."""


def space(space_id: UUID) -> str:
    """Facts about the space's description, rules and state; not its bookings."""
    return f"space:{_text(space_id)}"


def calendar(space_id: UUID, day: date) -> str:
    """Facts that take, keep, move or free a slot touching the UTC date. UTC only buckets time: no zone splits one."""
    return f"calendar:{_text(space_id)}/{day.isoformat()}"


def calendar_end(space_id: UUID) -> str:
    """Sorts right after every calendar of the space: `0` follows `/`."""
    return f"calendar:{_text(space_id)}0"


def allowance(user_id: UUID) -> str:
    """Facts that begin, approve, move or end a booking of the user."""
    return f"allowance:{_text(user_id)}"


def booking(booking_id: UUID) -> str:
    """The booking's life."""
    return f"booking:{booking_id}"


def user(user_id: UUID) -> str:
    """The user's role, state and limit, what came of their address and password, and their API keys."""
    return f"user:{_text(user_id)}"


def webhook(webhook_id: UUID) -> str:
    """The webhook's life; what it is sent is in no fact."""
    return f"webhook:{webhook_id}"


def bookings_of(space_id: UUID) -> str:
    """Booking facts of the space, for reading history back; never part of a condition."""
    return f"bookings-of:{_text(space_id)}"


def of(event: Event) -> list[str]:
    """Every tag `event` bears."""
    match event:
        case BookingCreated() | BookingApproved() | BookingRejected() | BookingDeclined() | BookingCancelled():
            return [
                booking(event.booking_id),
                *calendars(event.space_id, event.held),
                allowance(event.user_id),
                bookings_of(event.space_id),
            ]
        case BookingRescheduled():
            return [
                booking(event.booking_id),
                *dict.fromkeys(
                    tag for span in (event.hold_before, event.hold) for tag in calendars(event.space_id, span)
                ),
                allowance(event.user_id),
                bookings_of(event.space_id),
            ]
        case BookingExpired():  # it frees no slot: time did
            return [booking(event.booking_id), allowance(event.user_id), bookings_of(event.space_id)]
        case BookingNotesChanged():
            return [booking(event.booking_id), bookings_of(event.space_id)]
        case _ if isinstance(event, SpaceEvent):
            return [space(event.space_id)]
        case _ if isinstance(event, WebhookEvent):
            return [webhook(event.webhook_id)]
        case AllowanceChanged() | PasswordChanged() | EmailVerified() | ApiKeyIssued() | ApiKeyRevoked():
            return [user(event.user_id)]
        case RoleChanged():
            touches_admins = Role.ADMIN in (event.role, event.role_before)
            return [user(event.user_id), ADMINS] if touches_admins else [user(event.user_id)]
        case UserRegistered() | UserDeactivated() | UserActivated() | UserErased():
            return [user(event.user_id), ADMINS] if event.role is Role.ADMIN else [user(event.user_id)]


def calendars(space_id: UUID, held: Span) -> list[str]:
    """The calendar of every UTC date that is held."""
    return [calendar(space_id, day) for day in held.dates()]

"""What answers look like, for OpenAPI: most are sent as they are stored, or as `booking/` writes them."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from booking.bookings import Status
from booking.roles import Role, Scope
from booking.users import User
from commands import deliveries
from commands.accounts import Account
from commands.api_keys import ApiKey
from commands.deliveries import Logged, State
from commands.webhooks import KeptWebhook


class SlotDocument(BaseModel):
    """`[start, end)`"""

    start: datetime
    end: datetime


class RefusalDocument(BaseModel, extra="allow"):
    """A rule that says no, judged by this release of the time zone database; `code` says what else it carries."""

    code: str
    detail: str
    tzdata: str


class BookingDocument(BaseModel):
    """A booking. It was or is to be decided on by `decide_by` while it waits for an approval, or has waited in vain.

    `reason` is the one it was rejected or cancelled for, where one was given.
    """

    id: UUID
    space_id: UUID
    user_id: UUID
    start: datetime
    end: datetime
    status: Status
    decide_by: datetime | None
    notes: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class WindowDocument(BaseModel):
    """A stretch of a weekday on the space's wall clock; `closes` may be `24:00`."""

    opens: str
    closes: str


class OpeningHoursDocument(BaseModel):
    """The windows that begin on each weekday."""

    mon: list[WindowDocument]
    tue: list[WindowDocument]
    wed: list[WindowDocument]
    thu: list[WindowDocument]
    fri: list[WindowDocument]
    sat: list[WindowDocument]
    sun: list[WindowDocument]


class SpecialHoursDocument(BaseModel):
    """What a local date keeps instead of its weekday's windows; none of them means closed."""

    date: date
    windows: list[WindowDocument]
    reason: str


class SpaceDocument(BaseModel):
    """A space with all its rules."""

    id: UUID
    name: str
    description: str
    capacity: int
    price_per_hour: float
    timezone: str
    is_active: bool
    concurrent_bookings: int
    min_duration_minutes: int
    max_duration_minutes: int
    min_advance_minutes: int
    max_advance_days: int
    cancellation_deadline_hours: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    requires_approval: bool
    approval_ttl_hours: int
    approval_deadline_hours: int
    managers: list[UUID]
    opening_hours: OpeningHoursDocument
    special_hours: list[SpecialHoursDocument]
    created_at: datetime


class ChangedSpaceDocument(SpaceDocument):
    """A space after a change; one that was deactivated comes with the bookings still held."""

    held_bookings: list[BookingDocument] | None = None


class BusyDocument(SlotDocument):
    """What a booking holds; the booking itself for whoever may see it."""

    booking: BookingDocument | None


class UseOfSpaceDocument(BaseModel):
    """How many minutes of a space are booked, of how many open ones."""

    space_id: UUID
    name: str
    booked_minutes: int
    open_minutes: int


class UseOfDayDocument(BaseModel):
    """How many minutes of a date are booked, of how many open ones."""

    date: date
    booked_minutes: int
    open_minutes: int


class ActivityDocument(BaseModel):
    """What became of bookings on a UTC date; lead times are from the making of a booking to its start."""

    date: date
    made: int
    approved: int
    rejected: int
    declined: int
    cancelled: int
    expired: int
    mean_lead_minutes: int | None
    lead_times: dict[str, int]


class ProjectionDocument(BaseModel):
    """How a view stands; `behind` counts the facts it does not show yet."""

    view: str
    state: Literal["missing", "building", "followed", "left alone"]
    version: int | None
    generation: int | None
    position: int | None
    behind: int | None
    previous_generation: int | None
    filled_to: int | None


class AvailabilityDocument(BaseModel):
    """Whether a booking of the slot would be accepted now from a user whose allowance is not used up."""

    space_id: UUID
    start: datetime
    end: datetime
    is_available: bool
    conflicting_slots: list[SlotDocument]
    refusals: list[RefusalDocument]


class UserDocument(BaseModel):
    """A user; `is_admin` says that the role is ADMIN."""

    id: UUID
    email: str
    full_name: str
    role: Role
    is_admin: bool


def user_document(user: User, account: Account) -> dict[str, Any]:
    """A `UserDocument`: what the facts say of a user, and the account."""
    return {
        "id": user.id,
        "email": account.email,
        "full_name": account.full_name,
        "role": user.role,
        "is_admin": user.role is Role.ADMIN,
    }


class OwnUserDocument(UserDocument):
    """The user who asks."""

    max_active_bookings: int


class ChangedUserDocument(OwnUserDocument):
    """A user after a change; one who was deactivated comes with the bookings still held."""

    is_active: bool
    held_bookings: list[BookingDocument] | None = None


class ListedUserDocument(OwnUserDocument):
    """A user among all."""

    is_active: bool
    created_at: datetime


class MetricsDocument(BaseModel):
    """How much there is: spaces and how many of them are active, users, and bookings, also by status."""

    spaces: dict[Literal["total", "active"], int]
    users: dict[Literal["total"], int]
    bookings: dict[Literal["total"] | Status, int]


class ApiKeyDocument(BaseModel):
    """What is kept of an API key."""

    id: UUID
    name: str
    user_id: UUID
    scopes: list[Scope]
    issued_at: datetime


def api_key_document(key: ApiKey, scopes: Iterable[Scope]) -> dict[str, Any]:
    """An `ApiKeyDocument`."""
    return {
        "id": key.key_id,
        "name": key.name,
        "user_id": key.user_id,
        "scopes": sorted(scopes),
        "issued_at": key.issued_at,
    }


class IssuedApiKeyDocument(ApiKeyDocument):
    """An API key, this once with the key itself."""

    key: str


class WebhookDocument(BaseModel):
    """A webhook: what it is to be sent stands in its log up to `position`.

    Until `previous_secret_until` what it is sent is signed with the secret before as well.
    """

    id: UUID
    url: str
    events: list[str]
    is_active: bool
    position: int
    previous_secret_until: datetime | None
    added_at: datetime


def webhook_document(webhook: KeptWebhook) -> dict[str, Any]:
    """A `WebhookDocument`."""
    return {
        "id": webhook.webhook_id,
        "url": webhook.url,
        "events": webhook.events,
        "is_active": webhook.is_active,
        "position": webhook.posted,
        "previous_secret_until": webhook.previous_until,
        "added_at": webhook.added_at,
    }


class ShownWebhookDocument(WebhookDocument):
    """A webhook, this once with its secret."""

    secret: str


class DeliveryDocument(BaseModel):
    """A fact that a webhook is sent under `id`, and what came of the last attempt; dead is what was given up.

    While the webhook is not active there is no next attempt.
    """

    id: str
    position: int
    event: str
    state: State
    attempts: int
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    status_code: int | None
    error: str | None


def delivery_document(webhook: KeptWebhook, one: Logged) -> dict[str, Any]:
    """A `DeliveryDocument`."""
    is_to_be_tried = webhook.is_active and one.state is State.WAITING
    return {
        "id": deliveries.id_of(webhook.webhook_id, one.hash),
        "position": one.position,
        "event": one.type,
        "state": one.state,
        "attempts": one.attempts,
        "attempted_at": one.attempted_at,
        "next_attempt_at": one.due_at if is_to_be_tried else None,
        "status_code": one.status,
        "error": one.error,
    }


class TokenDocument(BaseModel):
    """An access token, good for so many seconds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int


class SessionDocument(BaseModel):
    """One place where a user is signed in; `current` is the one that asks."""

    id: UUID
    user_agent: str
    opened_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool


class CalendarTokenDocument(BaseModel):
    """What is kept of a calendar token."""

    id: UUID
    name: str
    made_at: datetime


class ShownCalendarTokenDocument(CalendarTokenDocument):
    """A calendar token, this once with the token itself."""

    token: str


class DetailDocument(BaseModel):
    """What was done."""

    detail: str


class RegisteredDocument(BaseModel):
    """A new user, signed in."""

    user: UserDocument
    access_token: str
    token_type: Literal["bearer"]


class SeedDocument(BaseModel):
    """The demo sign-ins; the token is the ADMIN's."""

    message: str
    admin_email: str
    admin_password: str
    user_email: str
    user_password: str
    access_token: str
    token_type: Literal["bearer"]


class MessageDocument(BaseModel):
    """What was done."""

    message: str


class HealthDocument(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    version: str


class ReadyDocument(BaseModel):
    """The process can work."""

    status: Literal["ready"]

"""Every fact Daybook records. Reading this file tells what the system can remember.

An event carries enough for any reader to place it. Who entered it, under which request and when it was recorded are the
journal's columns. `at` is the moment the decision was made for; `notes` and `reason` are sealed under the key of the
booking's user and read as None once that key is gone. How each is stored: `journal/codec.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from booking.opening_hours import OpeningHours, Window
from booking.roles import Role, Scope
from booking.slots import Slot, Span
from booking.terms import Description, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCreated:
    """A slot of a space is held for a user."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    at: datetime
    notes: str | None = None
    hold: Span | None = None  # the slot with its buffers; None where the fact is older than buffers
    decide_by: datetime | None = None  # until then it waits for an approval; None where it needs none

    @property
    def held(self) -> Span:
        return self.hold or self.slot.with_buffers()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRescheduled:
    """A booking holds another slot instead of the one before; `rescheduled_by` is None where the system did.

    Until `decide_by` it waits for an approval; None where it needs none, whatever it waited for before.
    """

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    hold: Span
    slot_before: Slot
    hold_before: Span
    at: datetime
    rescheduled_by: UUID | None
    decide_by: datetime | None = None

    @property
    def held(self) -> Span:
        return self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingApproved:
    """A booking that waited for it is confirmed; `approved_by` is None where the system did it."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    hold: Span
    at: datetime
    approved_by: UUID | None

    @property
    def held(self) -> Span:
        return self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRejected:
    """A booking that waited for an approval is not to be; `rejected_by` is None where the system did it."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    hold: Span
    at: datetime
    rejected_by: UUID | None
    reason: str | None = None

    @property
    def held(self) -> Span:
        return self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingDeclined:
    """Nobody decided on a booking in time. It ended by itself, and held nothing from that moment on."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    hold: Span
    at: datetime

    @property
    def held(self) -> Span:
        return self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingNotesChanged:
    """The notes of a booking are other ones."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    at: datetime
    notes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCancelled:
    """Somebody gave the slot back; `cancelled_by` is None where the system did in an administrator's name."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    at: datetime
    cancelled_by: UUID | None
    reason: str | None = None
    hold: Span | None = None

    @property
    def held(self) -> Span:
        return self.hold or self.slot.with_buffers()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingExpired:
    """A booking's slot is over. It ended by itself; buffers after it are kept as they were."""

    booking_id: UUID
    space_id: UUID
    user_id: UUID
    slot: Slot
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceCreated:
    """There is a space that can be booked."""

    space_id: UUID
    description: Description
    timezone: str
    rules: Rules
    opening_hours: OpeningHours
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDescribed:
    """What a space is called, offers and costs has changed; all of it is given anew."""

    space_id: UUID
    description: Description
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRulesChanged:
    """Bookings of the space are judged by these rules from here on; held ones stay."""

    space_id: UUID
    rules: Rules
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHoursChanged:
    """The space is open at other times from here on; held bookings stay."""

    space_id: UUID
    opening_hours: OpeningHours
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialHoursSet:
    """On one local date the space keeps these windows instead of the weekday's; none of them means closed."""

    space_id: UUID
    date: date
    windows: tuple[Window, ...]
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialHoursCleared:
    """On a local date the space keeps its weekday's windows again."""

    space_id: UUID
    date: date
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceManagersNamed:
    """These users act as STAFF for the space, and nobody else does who is not STAFF everywhere."""

    space_id: UUID
    managers: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDeactivated:
    """The space takes no more bookings; held ones stay."""

    space_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceActivated:
    """The space takes bookings again."""

    space_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRegistered:
    """Somebody may act here; who that is stands in the accounts."""

    user_id: UUID
    role: Role
    max_active_bookings: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged:
    """A user acts in another role from here on."""

    user_id: UUID
    role: Role
    role_before: Role
    is_active: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceChanged:
    """A user may hold another number of bookings at once."""

    user_id: UUID
    max_active_bookings: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDeactivated:
    """A user may no longer act; bookings they hold stay."""

    user_id: UUID
    role: Role
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActivated:
    """A user may act again."""

    user_id: UUID
    role: Role
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserErased:
    """Who the user was is forgotten: account and key are gone with this fact, and no text of theirs can be read."""

    user_id: UUID
    role: Role
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged:
    """A user signs in with another password from here on; `reset` says that a letter let them, not the one before."""

    user_id: UUID
    reset: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyIssued:
    """A service may act for the user with a key, within its scopes; what the key is called stands beside its hash."""

    user_id: UUID
    key_id: UUID
    scopes: tuple[Scope, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified:
    """A user has shown that they read what is sent to their address."""

    user_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRevoked:
    """A key is good for nothing any more."""

    user_id: UUID
    key_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAdded:
    """Facts of these names are sent to a host from here on. The whole address, which may hold a token, and the secret
    stand in a table.
    """

    webhook_id: UUID
    host: str
    events: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecretRotated:
    """What a webhook is sent is signed with another secret from here on, and for a while with the one before too."""

    webhook_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReplayed:
    """A webhook is sent everything from a position on once more."""

    webhook_id: UUID
    from_position: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDisabled:
    """A webhook is sent nothing for now; `gone` says that its receiver answered so (410), not that somebody did it."""

    webhook_id: UUID
    gone: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEnabled:
    """A webhook is sent facts again, from where it was disabled."""

    webhook_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRemoved:
    """A webhook is sent nothing any more."""

    webhook_id: UUID
    at: datetime


BookingEvent = (
    BookingCreated
    | BookingRescheduled
    | BookingNotesChanged
    | BookingApproved
    | BookingRejected
    | BookingDeclined
    | BookingCancelled
    | BookingExpired
)
SpaceEvent = (
    SpaceCreated
    | SpaceDescribed
    | BookingRulesChanged
    | OpeningHoursChanged
    | SpecialHoursSet
    | SpecialHoursCleared
    | SpaceManagersNamed
    | SpaceDeactivated
    | SpaceActivated
)
UserEvent = (
    UserRegistered
    | RoleChanged
    | AllowanceChanged
    | UserDeactivated
    | UserActivated
    | PasswordChanged
    | EmailVerified
    | ApiKeyIssued
    | ApiKeyRevoked
    | UserErased
)
WebhookEvent = WebhookAdded | WebhookSecretRotated | WebhookReplayed | WebhookDisabled | WebhookEnabled | WebhookRemoved
Event = BookingEvent | SpaceEvent | UserEvent | WebhookEvent

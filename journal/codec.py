"""Facts to and from the journal's JSON: the stored name and version of each, and which of its texts are sealed.

A new field with a default is free. Any other change is the next version and one small function from the shape before;
stored rows are never edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from booking import events
from booking.events import Event
from journal import sealing


class UnknownFact(Exception):
    """A stored fact has a name or version this code does not know: it was written by a newer Daybook."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one class of event is stored; `sealed` names the field with a text, sealed for the booking's user."""

    event: type[Any]
    name: str
    version: int
    adapter: TypeAdapter[Any]
    sealed: str | None


def _form(event: type[Any], name: str, *, version: int = 1, sealed: str | None = None) -> Form:
    return Form(event, name, version, TypeAdapter(event), sealed)


FORMS = (
    _form(events.BookingCreated, "BookingCreated", sealed="notes"),
    _form(events.BookingRescheduled, "BookingRescheduled"),
    _form(events.BookingNotesChanged, "BookingNotesChanged", sealed="notes"),
    _form(events.BookingApproved, "BookingApproved"),
    _form(events.BookingRejected, "BookingRejected", sealed="reason"),
    _form(events.BookingDeclined, "BookingDeclined"),
    _form(events.BookingCancelled, "BookingCancelled", sealed="reason"),
    _form(events.BookingExpired, "BookingExpired"),
    _form(events.SpaceCreated, "SpaceCreated"),
    _form(events.SpaceDescribed, "SpaceDescribed"),
    _form(events.BookingRulesChanged, "BookingRulesChanged"),
    _form(events.OpeningHoursChanged, "OpeningHoursChanged"),
    _form(events.SpecialHoursSet, "SpecialHoursSet"),
    _form(events.SpecialHoursCleared, "SpecialHoursCleared"),
    _form(events.SpaceManagersNamed, "SpaceManagersNamed"),
    _form(events.SpaceDeactivated, "SpaceDeactivated"),
    _form(events.SpaceActivated, "SpaceActivated"),
    _form(events.UserRegistered, "UserRegistered"),
    _form(events.RoleChanged, "RoleChanged"),
    _form(events.AllowanceChanged, "AllowanceChanged"),
    _form(events.UserDeactivated, "UserDeactivated"),
    _form(events.UserActivated, "UserActivated"),
    _form(events.UserErased, "UserErased"),
    _form(events.PasswordChanged, "PasswordChanged"),
    _form(events.EmailVerified, "EmailVerified"),
    _form(events.ApiKeyIssued, "ApiKeyIssued"),
    _form(events.ApiKeyRevoked, "ApiKeyRevoked"),
    _form(events.WebhookAdded, "WebhookAdded"),
    _form(events.WebhookSecretRotated, "WebhookSecretRotated"),
    _form(events.WebhookReplayed, "WebhookReplayed"),
    _form(events.WebhookDisabled, "WebhookDisabled"),
    _form(events.WebhookEnabled, "WebhookEnabled"),
    _form(events.WebhookRemoved, "WebhookRemoved"),
)
_BY_EVENT = {form.event: form for form in FORMS}
_BY_NAME = {(form.name, form.version): form for form in FORMS}


def sealed_for(event: Event) -> UUID | None:
    """The person under whose key a text of `event` is sealed; None when it holds no text."""
    field = _BY_EVENT[type(event)].sealed
    return event.user_id if field and getattr(event, field) is not None else None  # type: ignore[union-attr]


def encode(event: Event, keys: Mapping[UUID, bytes]) -> tuple[str, int, str]:
    """Stored name, version and JSON of `event`; `keys` holds the key of whoever `sealed_for` names.

    Of whoever has none, being erased, no text is kept.
    """
    form = _BY_EVENT[type(event)]
    if (person := sealed_for(event)) and form.sealed:
        key = keys.get(person)
        text = sealing.seal(getattr(event, form.sealed), key, _context(form, event)) if key else None
        event = _with(event, form.sealed, text)
    return form.name, form.version, form.adapter.dump_json(event).decode()


def name_of(event: type[Event]) -> str:
    """The name under which facts of a class are stored."""
    return _BY_EVENT[event].name


def told(event: Event) -> tuple[str, int, bytes]:
    """Stored name, version and JSON of `event` without its text, for whoever keeps it where no erasure reaches."""
    form = _BY_EVENT[type(event)]
    return form.name, form.version, form.adapter.dump_json(event, exclude={form.sealed} if form.sealed else None)


def shown(event: Event) -> tuple[str, int, bytes]:
    """Stored name, version and JSON of `event` with its text as it is, for whoever may read it."""
    form = _BY_EVENT[type(event)]
    return form.name, form.version, form.adapter.dump_json(event)


def decode(name: str, version: int, payload: str | bytes) -> Event:
    """The stored event with its text still sealed. Raises `UnknownFact`."""
    form = _BY_NAME.get((name, version))
    if form is None:
        raise UnknownFact(f"{name} version {version}")
    event: Event = form.adapter.validate_json(payload)
    return event


def opened(event: Event, keys: Mapping[UUID, bytes]) -> Event:
    """`event` with its text readable; None where the key is gone."""
    form = _BY_EVENT[type(event)]
    person = sealed_for(event)
    if person is None or form.sealed is None:
        return event
    text = sealing.opened(getattr(event, form.sealed), keys.get(person), _context(form, event))
    return _with(event, form.sealed, text)


def _with(event: Any, field: str, text: str | None) -> Event:
    changed: Event = replace(event, **{field: text})
    return changed


def _context(form: Form, event: Any) -> str:
    """What a sealed text is bound to, so that it cannot be moved into another fact."""
    return f"{form.name} {form.sealed} {event.booking_id}"

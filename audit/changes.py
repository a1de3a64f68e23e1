"""What each fact changed: the booking, space, user or webhook it is about, before it and after."""

from typing import Any
from uuid import UUID

from booking.bookings import Booking
from booking.events import BookingEvent, Event, SpaceEvent, UserEvent
from booking.spaces import Space
from booking.users import User
from booking.webhooks import Webhook

Subject = Booking | Space | User | Webhook

_OF_NO_INTEREST = {"id", "created_at", "updated_at"}  # they are the fact's own id and time


class Comparison:
    """What the facts seen so far are about, as they left it. The facts of each subject come in order, from its first.

    A subject whose first fact was not seen has no changes to tell.
    """

    def __init__(self) -> None:
        self._subjects: dict[UUID, Subject] = {}

    def changes(self, event: Event) -> dict[str, dict[str, Any]]:
        """What has another value after `event`, by name: `{"before": …, "after": …}`, None where there was nothing."""
        subject = self._subject(event)
        before = _seen(subject)
        subject.fold(event)
        after = _seen(subject)
        return {
            name: {"before": before.get(name), "after": value}
            for name, value in after.items()
            if value != before.get(name)
        }

    def _subject(self, event: Event) -> Subject:
        if isinstance(event, BookingEvent):
            return self._subjects.setdefault(event.booking_id, Booking(event.booking_id))
        if isinstance(event, SpaceEvent):
            return self._subjects.setdefault(event.space_id, Space(event.space_id))
        if isinstance(event, UserEvent):
            return self._subjects.setdefault(event.user_id, User(event.user_id))
        return self._subjects.setdefault(event.webhook_id, Webhook(event.webhook_id))


def _seen(subject: Subject) -> dict[str, Any]:
    """What can be read of the subject now, by name."""
    match subject:
        case User(exists=True):
            return {
                "role": subject.role,
                "is_active": subject.is_active,
                "max_active_bookings": subject.max_active_bookings,
                "email_verified": subject.email_verified,
                "password_changes": subject.password_changes,
            }
        case Webhook(exists=True):
            return {"is_active": subject.is_active}
        case Booking() | Space() if getattr(subject, "created_at", None) is not None:
            document = subject.document()
            return {name: value for name, value in document.items() if name not in _OF_NO_INTEREST}
    return {}

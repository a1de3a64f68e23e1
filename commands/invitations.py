"""Invitations: a booking as an iCalendar object, which replaces or cancels the one before in people's calendars.

The UID stays with the booking, and SEQUENCE grows with its facts (RFC 5546 §2.1.4); calendar feeds have the same two.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard

from booking.bookings import HELD, Booking, Status
from booking.spaces import Space
from booking.zones import transition, zone
from commands.wording import one_line, printable

_AROUND = timedelta(days=366)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def uid(booking_id: UUID) -> str:
    return f"{booking_id}@daybook"


def sequence(booking: Booking) -> int:
    return booking.revision - 1


class Invitation:
    """A booking for its user's calendar, on the space's wall clock; the addresses are bare.

    `method` is what the calendar is asked to do with it (RFC 5546 §3.2), `text` the whole object.
    """

    def __init__(self, booking: Booking, space: Space, *, organizer: str, attendee: str) -> None:
        self.method = "REQUEST" if booking.recorded_status in HELD else "CANCEL"
        tz = zone(space.timezone)
        calendar, event = Calendar(), Event()
        calendar.add("prodid", "-//Daybook//Daybook//EN")
        calendar.add("version", "2.0")
        calendar.add("method", self.method)
        event.add("uid", uid(booking.id))
        event.add("sequence", sequence(booking))
        event.add("dtstamp", booking.updated_at)
        event.add("dtstart", _on_the_wall(booking.slot.start, tz))
        event.add("dtend", _on_the_wall(booking.slot.end, tz))
        event.add("summary", one_line(space.description.name))
        event.add("location", one_line(space.description.name))
        event.add("status", _status(booking))
        if booking.notes:
            event.add("description", printable(booking.notes))
        event.add("organizer", f"mailto:{organizer}")
        event.add("attendee", f"mailto:{attendee}", parameters={"PARTSTAT": "ACCEPTED", "RSVP": "FALSE"})
        if space.timezone != "UTC":
            calendar.add_component(timezone(tz, booking.slot.start.year))
        calendar.add_component(event)
        self.text = calendar.to_ical().decode()


@lru_cache(maxsize=1000)
def timezone(tz: ZoneInfo, year: int) -> Timezone:
    """The VTIMEZONE of a zone for what lies in a year and a little around it (RFC 5545 §3.6.5).

    Each change of the offset is told by itself, in the local time of the offset before.
    """
    component = Timezone()
    component.add("tzid", tz.key)
    at = datetime(year, 1, 1, tzinfo=UTC) - _DAY
    until = at + _AROUND + 40 * _DAY
    component.add_component(_observance(tz, at, before=at))
    while at < until:
        if _offset(at + _DAY, tz) != _offset(at, tz):
            changed = transition(at, at + _DAY, tz)
            component.add_component(_observance(tz, changed, before=changed - _SECOND))
        at += _DAY
    return component


def _observance(tz: ZoneInfo, at: datetime, *, before: datetime) -> TimezoneStandard | TimezoneDaylight:
    """The offset from `at` on, which was another one at `before`."""
    local, offset_before = at.astimezone(tz), _offset(before, tz)
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    observance.add("dtstart", (at + offset_before).replace(tzinfo=None))
    observance.add("tzoffsetfrom", offset_before)
    observance.add("tzoffsetto", _offset(at, tz))
    observance.add("tzname", local.tzname() or tz.key)
    return observance


def _offset(at: datetime, tz: ZoneInfo) -> timedelta:
    offset = at.astimezone(tz).utcoffset()
    assert offset is not None, "the zones of tzdata know their offset at every instant"
    return offset


def _on_the_wall(at: datetime, tz: ZoneInfo) -> datetime:
    """The instant as the space's clock shows it; in UTC where the clock shows the same time once more before it."""
    local = at.astimezone(tz)
    return at if local.fold else local


def _status(booking: Booking) -> str:
    if booking.recorded_status not in HELD:
        return "CANCELLED"
    return "TENTATIVE" if booking.recorded_status is Status.PENDING else "CONFIRMED"

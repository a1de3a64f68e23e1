"""Calendar feeds: bookings as iCalendar (RFC 5545), for programs that ask again and again for what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import orjson
from icalendar import Calendar, Event

from booking.bookings import Booking, Status
from commands.invitations import sequence, uid

ASK_AGAIN_AFTER = timedelta(minutes=15)

_STATUS = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.EXPIRED: "CONFIRMED",  # it took place
    Status.REJECTED: "CANCELLED",
    Status.DECLINED: "CANCELLED",
    Status.CANCELLED: "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking in a feed, and what it is called there."""

    booking: Booking
    summary: str


@dataclass(frozen=True, slots=True)
class Feed:
    """Bookings in order of time, as they are at `now`."""

    name: str
    entries: Sequence[Entry]
    now: datetime

    @property
    def tag(self) -> str:
        """Another one whenever a program would be shown anything else."""
        shown = [
            (one.booking.id, one.booking.revision, _STATUS[one.booking.status(self.now)], one.summary)
            for one in self.entries
        ]
        return blake2b(orjson.dumps([self.name, shown]), digest_size=12).hexdigest()

    def calendar(self) -> bytes:
        """The feed as iCalendar, its times in UTC."""
        calendar = Calendar()
        calendar.add("prodid", "-//Daybook//Calendar feeds//EN")
        calendar.add("version", "2.0")
        calendar.add("x-wr-calname", self.name)
        calendar.add("refresh-interval", ASK_AGAIN_AFTER, {"value": "DURATION"})  # RFC 7986 §5.7
        for one in self.entries:
            calendar.add_component(self._event(one))
        written: bytes = calendar.to_ical()
        return written

    def _event(self, one: Entry) -> Event:
        booking, event = one.booking, Event()
        event.add("uid", uid(booking.id))
        event.add("sequence", sequence(booking))
        event.add("dtstamp", booking.updated_at)
        event.add("created", booking.created_at)
        event.add("last-modified", booking.updated_at)
        event.add("dtstart", booking.slot.start)
        event.add("dtend", booking.slot.end)
        event.add("status", _STATUS[booking.status(self.now)])
        event.add("summary", one.summary)
        return event
